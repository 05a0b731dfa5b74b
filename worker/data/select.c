// worker/data/select.c -- which images of a set are used: split files, class subsets, a limit.

#include "worker/data/select.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"

enum { LIST_MOST = 1 << 28 }; // bytes

// Words of a text, in place.
typedef struct words {
    char *text, **at;
    int64_t count;
    bool *used; // [count]
} words;

static void words_fini(words *w)
{
    free(w->text);
    free(w->at);
    free(w->used);
}

static akssl_status read_text(const char *path, char **out)
{
    char *text = NULL;
    struct stat st;
    FILE *file;
    int fd;
    akssl_status rc = ak_confine_open(&fd, path);

    if (rc < 0)
        return rc;
    file = fdopen(fd, "rb");
    if (!file)
        return ak_fail_errno(errno, "open '%s'", path);
    if (fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > LIST_MOST)
        rc = ak_fail(AKSSL_ERR_INVALID, "'%s' is no list: give a text file of at most %d bytes",
                     path, LIST_MOST);
    else if (!(text = ak_try_alloc((size_t)st.st_size + 1, 1)))
        rc = AKSSL_ERR_NO_MEMORY;
    else if (fread(text, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
        rc = ak_fail(AKSSL_ERR_IO, "'%s' cannot be read", path);
    else if (memchr(text, '\0', (size_t)st.st_size))
        rc = ak_fail(AKSSL_ERR_INVALID, "'%s' is no text", path);
    fclose(file);
    if (rc < 0)
        free(text);
    else
        *out = text;
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Cuts w->text at any of `ends` and sorts the words.
static akssl_status cut(words *w, const char *ends)
{
    int64_t room = 1;
    char *rest = NULL;

    for (const char *at = w->text; *at; at++)
        room += strchr(ends, *at) != NULL;
    w->at = ak_try_alloc((size_t)room, sizeof *w->at);
    w->used = ak_try_alloc((size_t)room, sizeof *w->used);
    if (!w->at || !w->used)
        return AKSSL_ERR_NO_MEMORY;
    for (char *at = strtok_r(w->text, ends, &rest); at; at = strtok_r(NULL, ends, &rest))
        w->at[w->count++] = at;
    qsort(w->at, (size_t)w->count, sizeof *w->at, by_text);
    return AKSSL_OK;
}

static akssl_status read_list(words *w, const char *path)
{
    akssl_status rc = read_text(path, &w->text);

    return rc == AKSSL_OK ? cut(w, "\r\n") : rc;
}

// A word given twice is used once: all its copies count as used.
static bool use(words *w, const char *word)
{
    char **found = bsearch(&word, w->at, (size_t)w->count, sizeof *w->at, by_text);
    int64_t first;

    if (!found)
        return false;
    first = found - w->at;
    while (first > 0 && strcmp(w->at[first - 1], word) == 0)
        first--;
    for (int64_t i = first; i < w->count && strcmp(w->at[i], word) == 0; i++)
        w->used[i] = true;
    return true;
}

static const char *unused(const words *w)
{
    for (int64_t i = 0; i < w->count; i++)
        if (!w->used[i])
            return w->at[i];
    return NULL;
}

// ---- the parts

static akssl_status mark_listed(const ak_dataset *set, const char *path, bool *keep)
{
    words w = { 0 };
    ak_str name = AK_STR_INIT;
    akssl_status rc = read_list(&w, path);

    for (int64_t i = 0; rc == AKSSL_OK && i < set->size; i++) {
        const char *slash;

        ak_str_clear(&name);
        ak_dataset_name(set, i, &name);
        slash = strrchr(name.text, '/');
        keep[i] = use(&w, name.text) || (slash && use(&w, slash + 1));
    }
    if (rc == AKSSL_OK && unused(&w))
        rc = ak_fail(AKSSL_ERR_NOT_FOUND,
                     "'%.512s' names '%.256s', which is no image of the set: an image here is "
                     "called as '%.256s'",
                     path, unused(&w), name.text ? name.text : "");
    ak_str_fini(&name);
    words_fini(&w);
    return rc;
}

static bool read_range(const char *word, int64_t *first, int64_t *last)
{
    char *end;

    if (*word < '0' || *word > '9')
        return false;
    errno = 0;
    *first = *last = strtoll(word, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        *last = strtoll(end + 1, &end, 10);
    return !*end && !errno && *first <= *last;
}

// Names come first: a class may be called "7".  A held-out part may lack the highest numbers.
static akssl_status mark_class(const ak_dataset *set, const char *word, ak_split split,
                               bool *wanted)
{
    int64_t first, last;
    bool number;

    for (int64_t c = 0; set->class_names && c < set->classes; c++)
        if (strcmp(set->class_names[c], word) == 0) {
            wanted[c] = true;
            return AKSSL_OK;
        }
    number = read_range(word, &first, &last);
    if (number && split == AK_SPLIT_TEST && !set->class_names && last >= set->classes)
        last = set->classes - 1;
    if (!number || last >= set->classes)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "classes: the set has no class '%.128s': its %" PRId64
                       " classes are numbered from 0%s%.128s",
                       word, set->classes, set->class_names ? ", the first is called " : "",
                       set->class_names ? set->class_names[0] : "");
    for (int64_t c = first; c <= last; c++)
        wanted[c] = true;
    return AKSSL_OK;
}

static akssl_status read_classes(const ak_dataset *set, const ak_dataset_ask *ask, bool *wanted)
{
    const char *classes = ask->classes;
    words w = { 0 };
    akssl_status rc = AKSSL_OK;

    if (classes[0] == '@') {
        rc = read_list(&w, classes + 1);
    } else {
        w.text = ak_strdup(classes);
        rc = cut(&w, ",");
    }
    for (int64_t i = 0; rc == AKSSL_OK && i < w.count; i++)
        rc = mark_class(set, w.at[i], ask->split, wanted);
    words_fini(&w);
    return rc;
}

// Gives the wanted classes the numbers 0, 1, ...; the others' images are not kept.
static void renumber(ak_dataset *set, const bool *wanted, bool *keep)
{
    int64_t *number = ak_alloc((size_t)set->classes, sizeof *number), count = 0;

    for (int64_t c = 0; c < set->classes; c++) {
        number[c] = wanted[c] ? count : -1;
        if (set->class_names && !wanted[c])
            free(set->class_names[c]);
        else if (set->class_names)
            set->class_names[count] = set->class_names[c];
        count += wanted[c];
    }
    for (int64_t i = 0; i < set->size; i++) {
        keep[i] = keep[i] && set->labels[i] >= 0 && wanted[set->labels[i]];
        set->labels[i] = set->labels[i] < 0 ? -1 : number[set->labels[i]];
    }
    set->classes = count;
    free(number);
}

static akssl_status keep_classes(ak_dataset *set, const ak_dataset_ask *ask, bool *keep)
{
    bool *wanted;
    akssl_status rc;

    if (!set->labels || !set->classes)
        return ak_fail(AKSSL_ERR_INVALID, "classes: the set's images have no labels to choose by");
    wanted = ak_alloc((size_t)set->classes, sizeof *wanted);
    rc = read_classes(set, ask, wanted);
    if (rc == AKSSL_OK)
        renumber(set, wanted, keep);
    free(wanted);
    return rc;
}

// The kept images move together; in order.
static akssl_status apply(ak_dataset *set, const bool *keep, int64_t limit)
{
    int64_t count = 0;

    set->chosen = ak_try_alloc((size_t)set->size, sizeof *set->chosen);
    if (!set->chosen)
        return AKSSL_ERR_NO_MEMORY;
    for (int64_t i = 0; i < set->size && (limit <= 0 || count < limit); i++) {
        if (!keep[i])
            continue;
        set->chosen[count] = (uint32_t)i;
        if (set->labels)
            set->labels[count] = set->labels[i];
        count++;
    }
    set->size = count;
    return AKSSL_OK;
}

akssl_status ak_select(ak_dataset *set, const ak_dataset_ask *ask)
{
    bool listed = ask->list && ask->list[0], classes = ask->classes && ask->classes[0], *keep;
    akssl_status rc = AKSSL_OK;

    if (!listed && !classes) {
        set->size = ask->limit > 0 && ask->limit < set->size ? ask->limit : set->size;
        return AKSSL_OK;
    }
    keep = ak_try_alloc((size_t)set->size, sizeof *keep);
    if (!keep)
        return AKSSL_ERR_NO_MEMORY;
    memset(keep, 1, (size_t)set->size);
    if (listed)
        rc = mark_listed(set, ask->list, keep);
    if (rc == AKSSL_OK && classes)
        rc = keep_classes(set, ask, keep);
    if (rc == AKSSL_OK)
        rc = apply(set, keep, ask->limit);
    free(keep);
    if (rc == AKSSL_OK && set->size == 0)
        rc = ak_fail(AKSSL_ERR_NOT_FOUND, "no image of the set is chosen");
    return rc;
}
