// proto/format/manifest.c -- a commit that a worker made durable by itself.

#include "proto/format/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/base/option.h"

static const char title[] = "akssl-commit 1";

// ---- as text

void ak_manifest_print(const ak_manifest *m, ak_str *text)
{
    ak_str_format(text, "%s\njob %" PRId64 "\nrun %s\nstep %" PRId64 "\n", title, m->job, m->run,
                  m->step);
    for (int i = 0; i < m->count; i++)
        ak_str_format(text, "file %s %" PRIu64 " %s\n", m->files[i].name, m->files[i].size,
                      m->files[i].digest);
    ak_str_format(text, "state %" PRIu64 " %s\nend\n", m->state.size, m->state.digest);
}

// word cuts the next word off *line; "" when there is none.
static char *word(char **line)
{
    char *start = *line, *end = start + strcspn(start, " ");

    *line = *end ? end + 1 : end;
    *end = '\0';
    return start;
}

static bool number(const char *text, int64_t *value)
{
    return ak_parse_int(text, value) == 0 && *value >= 0;
}

static bool copy(char *to, size_t room, const char *from)
{
    size_t length = strlen(from);

    if (!length || length >= room)
        return false;
    memcpy(to, from, length + 1);
    return true;
}

static bool take_size(ak_manifest_file *file, char **line)
{
    int64_t size;

    if (!number(word(line), &size) || !copy(file->digest, sizeof file->digest, word(line)))
        return false;
    file->size = (uint64_t)size;
    return strlen(file->digest) == 32 && strspn(file->digest, "0123456789abcdef") == 32;
}

static bool take_file(ak_manifest *m, char **line)
{
    ak_manifest_file *file = &m->files[m->count];

    if (m->count == AK_MANIFEST_FILES || !copy(file->name, sizeof file->name, word(line)))
        return false;
    m->count++;
    return take_size(file, line);
}

// take reads line number `at` (0: the title); *at moves to what must follow.
static bool take(ak_manifest *m, char *line, int *at)
{
    enum { TITLE, JOB, RUN, STEP, FILES, END, OVER };
    bool good;
    char *key;

    if (*at == TITLE) {
        good = strcmp(line, title) == 0;
        line = (char *)"";
    } else {
        key = word(&line);
        if (*at == JOB)
            good = strcmp(key, "job") == 0 && number(word(&line), &m->job);
        else if (*at == RUN)
            good = strcmp(key, "run") == 0 && copy(m->run, sizeof m->run, word(&line));
        else if (*at == STEP)
            good = strcmp(key, "step") == 0 && number(word(&line), &m->step);
        else if (*at == FILES && strcmp(key, "file") == 0 && take_file(m, &line))
            return !*line;
        else if (*at == FILES)
            good = strcmp(key, "state") == 0 && take_size(&m->state, &line);
        else
            good = *at == END && strcmp(key, "end") == 0;
    }
    ++*at;
    return good && !*line;
}

akssl_status ak_manifest_parse(ak_manifest *m, const char *text, size_t size)
{
    char copied[AK_MANIFEST_MAX + 1], *line = copied;
    bool good = size && size <= AK_MANIFEST_MAX && text[size - 1] == '\n' && !memchr(text, 0, size);
    int at = 0, number_of_line = 0;

    memset(m, 0, sizeof *m);
    if (!good)
        return ak_fail(AKSSL_ERR_CORRUPT, "it is no commit manifest of up to %d bytes",
                       AK_MANIFEST_MAX);
    memcpy(copied, text, size);
    copied[size] = '\0';
    while (good && *line) {
        char *end = strchr(line, '\n');

        *end = '\0';
        number_of_line++;
        good = (end == line || end[-1] != ' ') && take(m, line, &at);
        line = end + 1;
    }
    if (!good || at != 6) // behind "end"
        return ak_fail(AKSSL_ERR_CORRUPT, "line %d is not what a commit manifest has there",
                       number_of_line);
    return AKSSL_OK;
}

// ---- as a file

static int write_all(int fd, const ak_str *text)
{
    for (size_t at = 0; at < text->length;) {
        ssize_t n = write(fd, text->text + at, text->length - at);

        if (n < 0 && errno != EINTR)
            return errno;
        at += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) < 0 ? errno : 0;
}

static int sync_folder_of(ak_str *path)
{
    char *slash = strrchr(path->text, '/');
    int fd, error;

    if (slash)
        *slash = '\0';
    fd = open(slash ? path->text : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error = fd < 0 || fsync(fd) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

akssl_status ak_manifest_write(const ak_manifest *manifest, const char *path)
{
    ak_str text = AK_STR_INIT, temporary = AK_STR_INIT;
    int fd, error;

    ak_manifest_print(manifest, &text);
    ak_str_format(&temporary, "%s.tmp", path);
    fd = open(temporary.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    error = fd < 0 ? errno : write_all(fd, &text);
    if (fd >= 0 && close(fd) < 0 && !error)
        error = errno;
    if (!error && rename(temporary.text, path) < 0)
        error = errno;
    if (error)
        unlink(temporary.text);
    else
        error = sync_folder_of(&temporary);
    ak_str_fini(&temporary);
    ak_str_fini(&text);
    return error ? ak_fail_errno(error, "manifest '%s' cannot be written", path) : AKSSL_OK;
}

akssl_status ak_manifest_read(ak_manifest *manifest, const char *path)
{
    char text[AK_MANIFEST_MAX + 1];
    FILE *file = fopen(path, "rbe");
    size_t size;
    int error;
    akssl_status rc;

    if (!file)
        return ak_fail_errno(errno, "manifest '%s' cannot be read", path);
    size = fread(text, 1, sizeof text, file);
    error = ferror(file) ? errno : 0;
    fclose(file);
    if (error)
        return ak_fail_errno(error, "manifest '%s' cannot be read", path);
    rc = ak_manifest_parse(manifest, text, size);
    return rc < 0 ? ak_wrap(rc, "manifest '%s'", path) : AKSSL_OK;
}
