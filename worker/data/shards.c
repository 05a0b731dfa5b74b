// worker/data/shards.c -- brace ranges, and the archives of a folder.

#include "worker/data/shards.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "worker/data/listing.h"

enum { DIGITS = 18 };

void ak_shards_fini(ak_shards *s)
{
    for (int64_t i = 0; i < s->count; i++)
        free(s->path[i]);
    free(s->path);
    *s = (ak_shards){ 0 };
}

static akssl_status add(ak_shards *s, const char *path)
{
    if (s->count == AK_SHARDS_MOST)
        return ak_fail(AKSSL_ERR_LIMIT, "more than %d shards", AK_SHARDS_MOST);
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->path = ak_realloc(s->path, (size_t)s->room, sizeof *s->path);
    }
    s->path[s->count++] = ak_strdup(path);
    return AKSSL_OK;
}

static akssl_status expand(ak_shards *s, const char *head, const char *tail);

// head, one choice, and whatever tail still holds.
static akssl_status choose(ak_shards *s, const char *head, const char *choice, int length,
                           const char *tail)
{
    ak_str longer = AK_STR_INIT;
    akssl_status rc;

    ak_str_append(&longer, head);
    ak_str_append_n(&longer, choice, (size_t)length);
    rc = expand(s, longer.text, tail);
    ak_str_fini(&longer);
    return rc;
}

// Reads "000..009", all of it; *digits is the least number of digits.
static bool read_range(const char *at, const char *end, long long *first, long long *last,
                       int *digits)
{
    size_t before = strspn(at, "0123456789"), after;
    const char *second = at + before + 2;

    if (!before || before > DIGITS || strncmp(at + before, "..", 2) != 0)
        return false;
    after = strspn(second, "0123456789");
    if (!after || after > DIGITS || second + after != end)
        return false;
    *first = strtoll(at, NULL, 10);
    *last = strtoll(second, NULL, 10);
    *digits = *at == '0' || *second == '0' || before == after ? (int)before : 1;
    return true;
}

static akssl_status expand_range(ak_shards *s, const char *head, const long long range[2],
                                 int digits, const char *tail)
{
    long long step = range[0] <= range[1] ? 1 : -1;
    akssl_status rc = AKSSL_OK;

    for (long long i = range[0]; rc == AKSSL_OK; i += step) {
        char number[DIGITS + 2];
        int n = snprintf(number, sizeof number, "%0*lld", digits, i);

        rc = choose(s, head, number, n, tail);
        if (i == range[1])
            break;
    }
    return rc;
}

static akssl_status expand_list(ak_shards *s, const char *head, const char *at, const char *end)
{
    akssl_status rc = AKSSL_OK;

    while (rc == AKSSL_OK && at <= end) {
        int length = (int)strcspn(at, ",}");

        rc = choose(s, head, at, length, end + 1);
        at += length + 1;
    }
    return rc;
}

static akssl_status expand(ak_shards *s, const char *head, const char *tail)
{
    const char *open = strchr(tail, '{'), *end = open ? strchr(open, '}') : NULL;
    ak_str whole = AK_STR_INIT;
    long long range[2];
    akssl_status rc;
    int digits;

    ak_str_append(&whole, head);
    ak_str_append_n(&whole, tail, open ? (size_t)(open - tail) : strlen(tail));
    if (!open)
        rc = add(s, whole.text);
    else if (!end)
        rc = ak_fail(AKSSL_ERR_INVALID, "'%.512s' has a '{' without its '}'", tail);
    else if (read_range(open + 1, end, &range[0], &range[1], &digits))
        rc = expand_range(s, whole.text, range, digits, end + 1);
    else
        rc = expand_list(s, whole.text, open + 1, end);
    ak_str_fini(&whole);
    return rc;
}

akssl_status ak_shards_expand(ak_shards *out, const char *pattern)
{
    ak_shards s = { 0 };
    akssl_status rc = AKSSL_OK;

    for (const char *at = pattern; rc == AKSSL_OK && *at;) {
        const char *next = strstr(at, "::");
        size_t length = next ? (size_t)(next - at) : strlen(at);
        char *one = ak_alloc(length + 1, 1);

        memcpy(one, at, length);
        rc = expand(&s, "", one);
        free(one);
        at += length + (next ? 2 : 0);
    }
    if (rc < 0)
        ak_shards_fini(&s);
    else
        *out = s;
    return rc;
}

// ---- folders

// What a shard's name says it is of.
typedef enum kind { NOTHING, TRAIN, VAL, TEST } kind;

static const struct {
    const char *word;
    kind kind;
} words[] = {
    { "train", TRAIN }, { "val", VAL }, { "test", TEST }, { "valid", VAL }, { "validation", VAL },
};

enum { BEGINNINGS = 3 /* the first of them */, WORDS = sizeof words / sizeof *words };

// Bytes of letters beyond ASCII are letters.
static size_t letters(const char *at)
{
    size_t n = 0;

    while ((at[n] & 0x80) || ((at[n] | 32) >= 'a' && (at[n] | 32) <= 'z'))
        n++;
    return n;
}

static kind kind_of(const char *name)
{
    for (const char *at = name; *at;) {
        size_t length = letters(at);

        for (int i = 0; i < WORDS; i++)
            if (strlen(words[i].word) == length && strncasecmp(at, words[i].word, length) == 0)
                return words[i].kind;
        at += length ? length : 1;
    }
    for (int i = 0; i < BEGINNINGS; i++)
        if (strncmp(name, words[i].word, strlen(words[i].word)) == 0)
            return words[i].kind;
    return NOTHING;
}

static bool is_shard(const ak_entry *e)
{
    size_t length = strlen(e->name);

    return !e->folder && length > 4 && strcmp(e->name + length - 4, ".tar") == 0;
}

static akssl_status take_kind(ak_shards *s, const char *folder, const ak_listing *l, kind wanted)
{
    ak_str path = AK_STR_INIT;
    akssl_status rc = AKSSL_OK;

    for (int64_t i = 0; rc == AKSSL_OK && i < l->count; i++) {
        if (!is_shard(&l->entry[i]) || kind_of(l->entry[i].name) != wanted)
            continue;
        ak_str_clear(&path);
        ak_str_format(&path, "%s/%s", folder, l->entry[i].name);
        rc = add(s, path.text);
    }
    ak_str_fini(&path);
    return rc;
}

static akssl_status none(const char *folder, const ak_listing *l, ak_split split)
{
    if (split == AK_SPLIT_TEST)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "'%.512s' holds no val*.tar or test*.tar", folder);
    for (int64_t i = 0; i < l->count; i++)
        if (is_shard(&l->entry[i]))
            return ak_fail(AKSSL_ERR_NOT_FOUND,
                           "'%.512s' holds no .tar to train on: '%.256s' is held out by its name; "
                           "if it is not, name the shards, as tar:%.512s/{a,b}.tar",
                           folder, l->entry[i].name, folder);
    return ak_fail(AKSSL_ERR_NOT_FOUND, "'%.512s' holds no train*.tar or *.tar", folder);
}

akssl_status ak_shards_list(ak_shards *out, const char *folder, ak_split split)
{
    static const kind kinds[2][2] = { { TRAIN, NOTHING }, { VAL, TEST } };
    ak_shards s = { 0 };
    ak_listing l = { 0 };
    akssl_status rc = ak_listing_read(&l, folder);

    for (int i = 0; rc == AKSSL_OK && i < 2 && !s.count; i++)
        rc = take_kind(&s, folder, &l, kinds[split == AK_SPLIT_TEST][i]);
    if (rc == AKSSL_OK && !s.count)
        rc = none(folder, &l, split);
    ak_listing_fini(&l);
    if (rc < 0)
        ak_shards_fini(&s);
    else
        *out = s;
    return rc;
}
