// client/cli/sweep.c -- many jobs of one spec.

#include "client/cli/sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 256 };

static int too_many(void)
{
    return ak_cli_error(AK_EXIT_USAGE, "a sweep makes at most %d jobs: give fewer values",
                        AK_SWEEP_MAX_JOBS);
}

// cut makes "key=a,b" an axis.
static int cut(ak_sweep_axis *axis, const char *text)
{
    char *at;

    axis->text = strdup(text);
    at = axis->text ? strchr(axis->text, '=') : NULL;
    if (!at || at == axis->text || !at[1])
        return ak_cli_error(AK_EXIT_USAGE,
                            "--sweep '%.64s': give a key and its values, as lr=0.1,0.3", text);
    *at++ = '\0';
    axis->key = axis->text;
    for (;;) {
        if (axis->count == AK_SWEEP_MAX_VALUES)
            return too_many();
        axis->values[axis->count++] = at;
        at = strchr(at, ',');
        if (!at)
            return AK_EXIT_DONE;
        *at++ = '\0';
    }
}

static bool read_index(const char **at, int64_t *value)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *value = strtoll(*at, &end, 10);
    *at = end;
    return !errno;
}

static int bad_array(const char *text)
{
    return ak_cli_error(AK_EXIT_USAGE,
                        "--array '%.64s': give indices, as 0-15, 1,3,7, 0-15:4 or 0-15%%4", text);
}

// list_indices writes the indices out: "0-6:3%2" becomes "seed=0,3,6".
static int list_indices(const char *text, ak_sweep *sweep, FILE *out)
{
    const char *at = text, *gap = "seed=";
    int64_t from, to, step, count = 0;

    while (read_index(&at, &from)) {
        to = from;
        step = 1;
        if (*at == '-' && (at++, !read_index(&at, &to)))
            return bad_array(text);
        if (*at == ':' && (at++, !read_index(&at, &step) || step < 1))
            return bad_array(text);
        if (to < from)
            return bad_array(text);
        for (; from <= to; from += step, gap = ",") {
            if (++count > AK_SWEEP_MAX_JOBS)
                return too_many();
            fprintf(out, "%s%" PRId64, gap, from);
        }
        if (*at != ',' || !at[1])
            break;
        at++;
    }
    if (*at == '%' && (at++, !read_index(&at, &sweep->at_once) || sweep->at_once < 1))
        return bad_array(text);
    return *at || !count ? bad_array(text) : AK_EXIT_DONE;
}

static int read_array(const char *text, ak_sweep *sweep, ak_sweep_axis *axis)
{
    char *list = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&list, &length);
    int code = out ? list_indices(text, sweep, out) : ak_cli_error(AK_EXIT_FAILED, "out of memory");

    if (out)
        fclose(out);
    if (code == AK_EXIT_DONE)
        code = cut(axis, list);
    free(list);
    return code;
}

int ak_sweep_read(ak_sweep *sweep, const ak_texts *sweeps, const char *array)
{
    int code = AK_EXIT_DONE;

    *sweep = (ak_sweep){ .jobs = 1 };
    sweep->axes = calloc((size_t)sweeps->count + 1, sizeof *sweep->axes);
    if (!sweep->axes)
        return ak_cli_error(AK_EXIT_FAILED, "out of memory");
    for (int i = 0; i < sweeps->count && code == AK_EXIT_DONE; i++)
        code = cut(&sweep->axes[sweep->axis_count++], sweeps->at[i]);
    if (array && code == AK_EXIT_DONE)
        code = read_array(array, sweep, &sweep->axes[sweep->axis_count++]);
    for (int i = 0; i < sweep->axis_count && code == AK_EXIT_DONE; i++) {
        sweep->jobs *= sweep->axes[i].count;
        if (sweep->jobs > AK_SWEEP_MAX_JOBS)
            code = too_many();
    }
    return code;
}

void ak_sweep_fini(ak_sweep *sweep)
{
    for (int i = 0; i < sweep->axis_count; i++)
        free(sweep->axes[i].text);
    free(sweep->axes);
    *sweep = (ak_sweep){ 0 };
}

int ak_sweep_apply(const ak_sweep *sweep, size_t index, akssl_job_spec *spec)
{
    size_t each = sweep->jobs;
    char name[NAME];

    snprintf(name, sizeof name, "%s", akssl_job_spec_get(spec, "name"));
    for (int i = 0; i < sweep->axis_count; i++) {
        const ak_sweep_axis *axis = &sweep->axes[i];
        const char *value = axis->values[index / (each / axis->count) % axis->count];
        size_t used = strlen(name);

        each /= axis->count;
        if (akssl_job_spec_set(spec, axis->key, value) < 0)
            return ak_cli_error(AK_EXIT_USAGE, "--sweep: %s", akssl_last_error());
        snprintf(name + used, sizeof name - used, "%s%s=%s", used ? "-" : "", axis->key, value);
    }
    if (sweep->axis_count && akssl_job_spec_set(spec, "name", name) < 0)
        return ak_cli_error(AK_EXIT_USAGE, "--sweep: %s", akssl_last_error());
    return AK_EXIT_DONE;
}
