// daemon/verdicts.c -- answers of `akssl-worker check`, and whether they still hold.

#include "daemon/verdicts.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"

enum { MAX_PATH = 4096 };

typedef struct verdict {
    char *question, *answer; // NULL: none
    int64_t made_ns;
    int64_t worker_inode, worker_changed_ns;
} verdict;

struct ak_verdicts {
    const char *worker;
    verdict rows[AK_VERDICTS];
};

ak_verdicts *ak_verdicts_new(const char *worker)
{
    ak_verdicts *v = ak_alloc(1, sizeof *v);

    v->worker = worker;
    return v;
}

static void forget(verdict *row)
{
    free(row->question);
    free(row->answer);
    *row = (verdict){ 0 };
}

void ak_verdicts_free(ak_verdicts *verdicts)
{
    if (!verdicts)
        return;
    for (int i = 0; i < AK_VERDICTS; i++)
        forget(&verdicts->rows[i]);
    free(verdicts);
}

static int64_t ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void look_at_worker(const ak_verdicts *v, verdict *row)
{
    struct stat now = { 0 };

    (void)stat(v->worker, &now); // one that is gone has zeroes
    row->worker_inode = (int64_t)now.st_ino;
    row->worker_changed_ns = ns(now.st_ctim);
}

// ---- the files of an answer

// One line, "# opened INODE SIZE MODIFIED CHANGED PATH" or "# missing PATH", times in ns.
typedef struct line {
    bool missing;
    int64_t inode, size, modified_ns, changed_ns;
    char path[MAX_PATH];
} line;

// next reads the line at *at and moves on: 1, 0 past the last one, or -1: files that cannot be
// told.
static int next(const char **at, line *l)
{
    size_t length = strcspn(*at, "\n");
    int head = -1;

    *l = (line){ 0 };
    if (strncmp(*at, "# missing ", 10) == 0) {
        l->missing = true;
        head = 10;
    } else if (strncmp(*at, "# opened ", 9) != 0) {
        return 0;
    } else if (sscanf(*at, "# opened %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 "%n", &l->inode,
                      &l->size, &l->modified_ns, &l->changed_ns, &head) == 4) {
        head++; // the space before the path
    }
    if (head < 0 || (size_t)head >= length || length - (size_t)head >= MAX_PATH)
        return -1;
    memcpy(l->path, *at + head, length - (size_t)head);
    *at += length + ((*at)[length] == '\n');
    return 1;
}

static bool is_same(const line *l)
{
    struct stat now;

    if (stat(l->path, &now) < 0)
        return l->missing;
    return !l->missing && (int64_t)now.st_ino == l->inode && now.st_size == l->size &&
           ns(now.st_mtim) == l->modified_ns && ns(now.st_ctim) == l->changed_ns;
}

// files gives the first of an answer's lines about files, which follow the estimate.
static const char *files(const char *answer)
{
    const char *end = strchr(answer, '\n');

    return end ? end + 1 : "";
}

bool ak_verdicts_holds(const char *answer)
{
    const char *at = files(answer);
    int more;
    line l;

    while ((more = next(&at, &l)) > 0)
        if (!is_same(&l))
            return false;
    return more == 0;
}

static bool is_settled(const char *answer)
{
    int64_t limit = (ak_clock_wall_ms() - AK_VERDICT_SETTLED_MS) * 1000000;
    const char *at = files(answer);
    int count = 0, more;
    line l;

    while ((more = next(&at, &l)) > 0)
        if (++count > AK_VERDICT_FILES ||
            (!l.missing && (l.modified_ns > limit || l.changed_ns > limit)))
            return false;
    return more == 0 && count > 0;
}

// ---- the table

// row_of gives the row of question, or NULL.
static verdict *row_of(ak_verdicts *v, const char *question)
{
    for (int i = 0; i < AK_VERDICTS; i++)
        if (v->rows[i].question && strcmp(v->rows[i].question, question) == 0)
            return &v->rows[i];
    return NULL;
}

const char *ak_verdicts_find(ak_verdicts *v, const char *question, int64_t *made_ns)
{
    verdict *row = row_of(v, question), worker;

    if (!row)
        return NULL;
    look_at_worker(v, &worker);
    if (ak_clock_ns() - row->made_ns < (int64_t)AK_VERDICT_MS * 1000000 &&
        worker.worker_inode == row->worker_inode &&
        worker.worker_changed_ns == row->worker_changed_ns) {
        *made_ns = row->made_ns;
        return row->answer;
    }
    forget(row);
    return NULL;
}

void ak_verdicts_keep(ak_verdicts *v, const char *question, const char *answer)
{
    verdict *row = row_of(v, question);

    if (!is_settled(answer))
        return;
    if (!row) {
        row = &v->rows[0];
        for (int i = 1; i < AK_VERDICTS; i++) // an empty row is older than all
            if (v->rows[i].made_ns < row->made_ns)
                row = &v->rows[i];
    }
    forget(row);
    row->question = ak_strdup(question);
    row->answer = ak_strdup(answer);
    row->made_ns = ak_clock_ns();
    look_at_worker(v, row);
}
