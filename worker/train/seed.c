// worker/train/seed.c -- a run whose state starts from another job's.

#include "worker/train/seed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/option.h"
#include "proto/base/str.h"
#include "proto/format/safetensors.h"
#include "worker/train/machine.h"
#include "worker/train/trainer.h"

enum { TENSORS = 64 };

int ak_seed_find(const ak_seed *seeds, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(seeds[i].name, name) == 0)
            return i;
    return -1;
}

static void shape_text(const ak_seed *seed, ak_str *text)
{
    for (int i = 0; i < seed->dims; i++)
        ak_str_format(text, "%s%" PRId64, i ? " x " : "", seed->shape[i]);
}

static akssl_status differ(const ak_state *s, const ak_seed *seed)
{
    ak_str shape = AK_STR_INIT;
    akssl_status rc;

    shape_text(seed, &shape);
    rc = ak_fail(AKSSL_ERR_INVALID,
                 "state-from: %s is %s there and %" PRId64 " x %" PRId64
                 " here: give this job that one's options%s",
                 s->name, shape.text, s->length, s->width,
                 s->whole ? "" : " (only the length of a queue may differ)");
    ak_str_fini(&shape);
    return rc;
}

static akssl_status fits(const ak_state *s, const ak_seed *seeds, int count, int *at)
{
    const ak_seed *seed;

    *at = ak_seed_find(seeds, count, s->name);
    if (*at < 0)
        return ak_fail(AKSSL_ERR_INVALID,
                       "state-from: there is no %s, which this job holds (%" PRId64 " x %" PRId64
                       "): name a job of the same method and options",
                       s->name, s->length, s->width);
    seed = &seeds[*at];
    if (seed->dims != 2 || seed->shape[1] != s->width || (s->whole && seed->shape[0] != s->length))
        return differ(s, seed);
    if (seed->filled < 0 || seed->filled > seed->shape[0] || seed->position < 0 ||
        seed->position >= seed->shape[0])
        return ak_fail(AKSSL_ERR_CORRUPT,
                       "state-from: %s has %" PRId64 " rows in use and goes on at %" PRId64
                       ", of %" PRId64,
                       s->name, seed->filled, seed->position, seed->shape[0]);
    return AKSSL_OK;
}

static void take_ring(ak_state *s, const ak_seed *seed)
{
    int64_t length = seed->shape[0], count = seed->filled < s->length ? seed->filled : s->length;

    for (int64_t i = 0; i < count; i++) {
        int64_t row = (seed->position - count + i + length) % length;

        memcpy(s->rows + i * s->width, seed->rows + row * s->width,
               (size_t)s->width * sizeof(float));
    }
    s->filled = count;
    s->position = count % s->length;
}

akssl_status ak_seed_take(ak_state *s, const ak_seed *seeds, int count)
{
    int at;
    akssl_status rc = fits(s, seeds, count, &at);

    if (rc < 0)
        return rc;
    if (s->whole)
        memcpy(s->rows, seeds[at].rows, (size_t)(s->length * s->width) * sizeof(float));
    else
        take_ring(s, &seeds[at]);
    return AKSSL_OK;
}

// ---- a file

static akssl_status number(const ak_safetensors *file, const char *name, const char *field,
                           int64_t *value)
{
    ak_str key = AK_STR_INIT;
    const char *text;
    akssl_status rc = AKSSL_OK;

    ak_str_format(&key, "%s.%s", name, field);
    text = ak_safetensors_meta(file, key.text);
    if (!text || ak_parse_int(text, value) < 0)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "state-from: metadata '%s' is missing or no number",
                     key.text);
    ak_str_fini(&key);
    return rc;
}

static akssl_status read_seeds(const ak_safetensors *file, ak_seed seeds[TENSORS], int *count)
{
    akssl_status rc = AKSSL_OK;

    *count = ak_safetensors_count(file);
    if (*count > TENSORS)
        return ak_fail(AKSSL_ERR_LIMIT, "state-from: %d tensors are more than %d", *count, TENSORS);
    for (int i = 0; i < *count && rc == AKSSL_OK; i++) {
        const ak_safetensors_entry *entry = ak_safetensors_at(file, i);

        seeds[i] = (ak_seed){ .name = entry->name, .dims = entry->dims };
        if (entry->dtype != AK_F32 || entry->dims > AK_SEED_DIMS)
            return ak_fail(AKSSL_ERR_CORRUPT, "state-from: %s is no float32 tensor", entry->name);
        memcpy(seeds[i].shape, entry->shape, (size_t)entry->dims * sizeof *entry->shape);
        rc = number(file, entry->name, "filled", &seeds[i].filled);
        if (rc == AKSSL_OK)
            rc = number(file, entry->name, "position", &seeds[i].position);
    }
    return rc;
}

static akssl_status compare(const ak_trainer *t, const ak_seed *seeds, int count)
{
    bool wanted[TENSORS] = { false };
    akssl_status rc = AKSSL_OK;
    int at;

    for (int i = 0; i < t->state_count && rc == AKSSL_OK; i++) {
        rc = fits(t->states[i], seeds, count, &at);
        if (rc == AKSSL_OK)
            wanted[at] = true;
    }
    for (int i = 0; i < count && rc == AKSSL_OK; i++)
        if (!wanted[i])
            rc = ak_fail(AKSSL_ERR_INVALID,
                         "state-from: there is a %s, which this job does not hold: give it that "
                         "one's method and options",
                         seeds[i].name);
    return rc;
}

enum { SAMPLE = 4 }; // images: shapes of states depend on no batch

static akssl_status compare_with(const ak_spec *spec, const ak_seed *seeds, int count)
{
    ak_trainer *trainer;
    akssl_status rc;
    ak_comm *comm;
    ak_spec one;

    rc = ak_comm_open(&comm);
    if (rc < 0)
        return rc;
    rc = ak_machine_sample(&one, spec, SAMPLE);
    if (rc == AKSSL_OK)
        rc = ak_trainer_new(&trainer, &one, comm);
    if (rc == AKSSL_OK) {
        rc = compare(trainer, seeds, count);
        ak_trainer_free(trainer);
    }
    ak_spec_fini(&one);
    ak_comm_close(comm);
    return rc;
}

akssl_status ak_seed_check(const ak_spec *spec, const char *path)
{
    ak_safetensors *file;
    ak_seed *seeds;
    akssl_status rc = ak_safetensors_open(&file, path);
    int count = 0;

    if (rc < 0)
        return ak_wrap(rc, "state-from");
    seeds = calloc(TENSORS, sizeof *seeds);
    rc = seeds ? read_seeds(file, seeds, &count) : AKSSL_ERR_NO_MEMORY;
    if (rc == AKSSL_OK)
        rc = compare_with(spec, seeds, count);
    free(seeds);
    ak_safetensors_close(file);
    return rc;
}
