// daemon/http/series.c -- lines of figures, folded into a bounded number of points.

#include "daemon/http/series.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef struct point {
    int64_t step, count;
    double sum, min, max;
} point;

typedef struct series {
    char name[AK_SERIES_NAME + 1];
    point *points;
} series;

typedef struct folding {
    const char *path;
    int64_t points, first, last; // of the steps in the file
    series series[AK_SERIES_NAMES];
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

static series *find_series(folding *f, const char *name)
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
    series *s = isfinite(value) ? find_series(f, name) : NULL;
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

    if (n > 0 && !memchr(text, '\0', (size_t)n))
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

static json_t *describe(const folding *f, const series *s)
{
    bool several = f->last - f->first + 1 > f->points;
    json_t *object = json_object(), *step = json_array(), *mean = json_array();
    json_t *min = json_array(), *max = json_array();

    for (int64_t i = 0; i < f->points; i++) {
        const point *p = &s->points[i];

        if (!p->count)
            continue;
        json_array_append_new(step, json_integer(p->step));
        json_array_append_new(mean, json_real(p->sum / (double)p->count));
        json_array_append_new(min, json_real(p->min));
        json_array_append_new(max, json_real(p->max));
    }
    json_object_set_new(object, "step", step);
    json_object_set_new(object, "mean", mean);
    if (several) {
        json_object_set(object, "min", min);
        json_object_set(object, "max", max);
    }
    json_decref(min);
    json_decref(max);
    return object;
}

static akssl_status fold(folding *f, int fd, json_t *object)
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
            json_object_set_new(object, f->series[i].name, describe(f, &f->series[i]));
        free(f->series[i].points);
    }
    return rc;
}

akssl_status ak_series_read(const char *path, int64_t points, json_t *object)
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
    rc = fold(f, fd, object);
    free(f);
    close(fd);
    return rc;
}
