// daemon/series.c -- lines of figures, folded into a bounded number of points.

#include "daemon/series.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/files.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef struct point {
    int64_t step, count;
    double sum, min, max;
} point;

typedef struct folded {
    char name[AK_SERIES_NAME + 1];
    point *points;
} folded;

typedef struct folding {
    const char *path;
    int64_t points, first, last; // of the steps in the file
    folded series[AK_SERIES_NAMES];
    int count;
} folding;

// ---- a line

// next_figure reads `"name": value` at *at, which ends in NUL, and moves behind the comma after it.
static bool next_figure(char **at, char **name, double *value)
{
    char *start = *at + strspn(*at, " {,"), *end, *after;

    if (*start != '"' || (end = strchr(start + 1, '"')) == NULL || end[1] != ':')
        return false;
    *value = strtod(end + 2, &after);
    if (after == end + 2)
        return false;
    *end = '\0';
    *name = start + 1;
    *at = after;
    return true;
}

static bool step_of(char **line, int64_t *step)
{
    double value;
    char *name;

    if (!next_figure(line, &name, &value) || strcmp(name, "step") != 0 || !(value >= 0) ||
        value > 9e15)
        return false;
    *step = (int64_t)value;
    return true;
}

static folded *find_series(folding *f, const char *name)
{
    for (int i = 0; i < f->count; i++)
        if (strcmp(f->series[i].name, name) == 0)
            return &f->series[i];
    if (f->count == AK_SERIES_NAMES || !name[0] || strlen(name) > AK_SERIES_NAME)
        return NULL;
    strcpy(f->series[f->count].name, name);
    f->series[f->count].points = ak_alloc((size_t)f->points, sizeof(point));
    return &f->series[f->count++];
}

// A value that is no number leaves a gap.
static void add(folding *f, const char *name, int64_t step, double value)
{
    folded *s = isfinite(value) ? find_series(f, name) : NULL;
    double at = (double)(step - f->first) / (double)(f->last - f->first + 1);
    int64_t index = (int64_t)(at * (double)f->points);
    point *p;

    if (!s)
        return;
    p = &s->points[index < f->points ? index : f->points - 1];
    if (!p->count || value < p->min)
        p->min = value;
    if (!p->count || value > p->max)
        p->max = value;
    if (step > p->step)
        p->step = step;
    p->sum += value;
    p->count++;
}

static void fold_line(folding *f, char *line)
{
    int64_t step;
    double value;
    char *name;

    if (!step_of(&line, &step) || step < f->first || step > f->last)
        return;
    while (next_figure(&line, &name, &value))
        add(f, name, step, value);
}

// note_line only looks how far the steps reach.
static void note_line(folding *f, char *line)
{
    int64_t step;

    if (!step_of(&line, &step))
        return;
    if (f->last < 0 || step < f->first)
        f->first = step;
    if (step > f->last)
        f->last = step;
}

// ---- the file

// Whole lines of text; of one that begins in the middle of the file the first is not whole.
static void each_line(folding *f, char *text, bool middle, void (*see)(folding *f, char *line))
{
    char *line = text, *end;

    if (middle) {
        line = strchr(text, '\n');
        if (!line)
            return;
        line++;
    }
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        see(f, line);
    }
}

static akssl_status read_span(folding *f, int fd, off_t from, size_t size,
                              void (*see)(folding *f, char *line))
{
    char *text = ak_alloc(size + 1, 1);
    ssize_t n = pread(fd, text, size, from);
    akssl_status rc = n < 0 ? ak_fail_errno(errno, "file '%s'", f->path) : AKSSL_OK;

    for (ssize_t i = 0; i < n; i++) // a crash may have left some, as a line of its own
        text[i] = text[i] ? text[i] : '\n';
    if (n > 0)
        each_line(f, text, from > 0, see);
    free(text);
    return rc;
}

static akssl_status read_all(folding *f, int fd, off_t size, void (*see)(folding *f, char *line))
{
    size_t span = AK_SERIES_WHOLE / AK_SERIES_SPANS;
    akssl_status rc = AKSSL_OK;

    if (size <= AK_SERIES_WHOLE)
        return read_span(f, fd, 0, (size_t)size, see);
    for (int i = 0; i < AK_SERIES_SPANS && rc == AKSSL_OK; i++)
        rc = read_span(f, fd, (size - (off_t)span) * i / (AK_SERIES_SPANS - 1), span, see);
    return rc;
}

static bool is_listed(const ak_series_list *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->at[i].name, name) == 0)
            return true;
    return false;
}

static void list_series(const folding *f, const folded *from, ak_series_list *list)
{
    size_t points = (size_t)f->points;
    ak_series *to;

    if (is_listed(list, from->name))
        return;
    list->at = ak_realloc(list->at, (size_t)list->count + 1, sizeof *list->at);
    to = &list->at[list->count++];
    memset(to, 0, sizeof *to);
    strcpy(to->name, from->name);
    to->several = f->last - f->first + 1 > f->points;
    to->step = ak_alloc(points, sizeof *to->step);
    to->mean = ak_alloc(points, sizeof *to->mean);
    to->least = ak_alloc(points, sizeof *to->least);
    to->greatest = ak_alloc(points, sizeof *to->greatest);
    for (int64_t i = 0; i < f->points; i++) {
        const point *p = &from->points[i];

        if (!p->count)
            continue;
        to->step[to->count] = p->step;
        to->mean[to->count] = p->sum / (double)p->count;
        to->least[to->count] = p->min;
        to->greatest[to->count++] = p->max;
    }
}

static akssl_status fold(folding *f, int fd, ak_series_list *list)
{
    struct stat st;
    akssl_status rc;

    if (fstat(fd, &st) < 0)
        return ak_fail_errno(errno, "file '%s'", f->path);
    rc = read_all(f, fd, st.st_size, note_line);
    if (rc == AKSSL_OK && f->last >= 0)
        rc = read_all(f, fd, st.st_size, fold_line);
    for (int i = 0; i < f->count; i++) {
        if (rc == AKSSL_OK)
            list_series(f, &f->series[i], list);
        free(f->series[i].points);
    }
    return rc;
}

akssl_status ak_series_read(const char *path, int64_t points, ak_series_list *list)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    folding *f;
    akssl_status rc;

    if (fd < 0 && errno == ENOENT)
        return AKSSL_OK;
    if (fd < 0)
        return ak_fail_errno(errno, "file '%s'", path);
    f = ak_alloc(1, sizeof *f);
    f->path = path;
    f->points = points;
    f->last = -1;
    rc = fold(f, fd, list);
    free(f);
    close(fd);
    return rc;
}

akssl_status ak_series_of_job(const char *folder, int64_t points, ak_series_list *list)
{
    static const char *const files[] = { "metrics.jsonl", "evaluations.jsonl" };
    akssl_status rc = AKSSL_OK;

    for (size_t i = 0; i < sizeof files / sizeof *files && rc == AKSSL_OK; i++) {
        char *path = ak_path("%s/%s", folder, files[i]);

        rc = ak_series_read(path, points, list);
        free(path);
    }
    return rc;
}

void ak_series_list_fini(ak_series_list *list)
{
    for (int i = 0; i < list->count; i++) {
        free(list->at[i].step);
        free(list->at[i].mean);
        free(list->at[i].least);
        free(list->at[i].greatest);
    }
    free(list->at);
    *list = (ak_series_list){ 0 };
}
