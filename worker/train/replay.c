// worker/train/replay.c -- training steps on given views from given weights.

#include "worker/train/replay.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "worker/train/trainer.h"

typedef struct run {
    ak_trainer *trainer;
    const ak_replay *replay;
    ak_rate rate;
    ak_safetensors *views;
    float *losses;
} run;

// A state that is a parameter has come with the model.
static akssl_status read_states(ak_trainer *t, const ak_safetensors *file)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < t->state_count && rc == AKSSL_OK; i++) {
        ak_state *state = t->states[i];

        if (state->param || !ak_safetensors_find(file, state->name))
            continue;
        rc = ak_safetensors_read_f32(file, state->name, state->rows, state->length * state->width);
        state->filled = state->length;
    }
    return rc;
}

static akssl_status read_init(ak_trainer *t, const char *path)
{
    ak_safetensors *file;
    akssl_status rc;

    if (!path[0]) {
        ak_trainer_seed(t);
        return AKSSL_OK;
    }
    ak_trainer_seed_states(t);
    rc = ak_safetensors_open(&file, path);
    if (rc < 0)
        return ak_wrap(rc, "init");
    rc = ak_model_read(&t->model, file, false, "");
    if (rc == AKSSL_OK)
        rc = read_states(t, file);
    ak_safetensors_close(file);
    return rc < 0 ? ak_wrap(rc, "init '%s'", path) : rc;
}

// The file's [B,3,S,S], which may start at any byte, becomes the trainer's [b,S,S,3] of each shard.
static void place_view(ak_trainer *t, int view, const char *images)
{
    int64_t cells = ak_trainer_size(t, view) * ak_trainer_size(t, view);

    for (int s = 0; s < t->world.local; s++)
        for (int64_t i = 0; i < t->per_shard; i++) {
            const char *from =
                images + ak_trainer_sample(t, view, s, i) * 3 * cells * (int64_t)sizeof(float);
            float *to = ak_trainer_view(t, view, s, i);

            for (int64_t p = 0; p < cells; p++)
                for (int c = 0; c < 3; c++)
                    memcpy(to + p * 3 + c, from + (c * cells + p) * (int64_t)sizeof(float),
                           sizeof(float));
        }
}

static akssl_status read_view(run *r, int64_t step, int view)
{
    ak_trainer *t = r->trainer;
    const int64_t side = ak_trainer_size(t, view), shape[4] = { t->batch, 3, side, side };
    const ak_safetensors_entry *e;
    char name[64];

    snprintf(name, sizeof name, "step%" PRId64 ".view%d", step, view);
    e = ak_safetensors_find(r->views, name);
    if (!e)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "views '%s': '%s' is missing: give one a step and view",
                       r->replay->views, name);
    if (e->dtype != AK_F32 || e->dims != 4 || memcmp(e->shape, shape, sizeof shape) != 0)
        return ak_fail(AKSSL_ERR_INVALID,
                       "views '%s': '%s' is not F32 [%" PRId64 ",3,%" PRId64 ",%" PRId64
                       "]: make batch and image-size the views'",
                       r->replay->views, name, shape[0], shape[2], shape[3]);
    place_view(t, view, ak_safetensors_data(r->views, e));
    return AKSSL_OK;
}

static akssl_status step(run *r, int64_t index)
{
    ak_trainer *t = r->trainer;
    akssl_status rc = AKSSL_OK;
    double loss;

    ak_trainer_begin(t);
    for (int v = 0; v < t->view_count && rc == AKSSL_OK; v++)
        rc = read_view(r, index, v);
    if (rc == AKSSL_OK)
        rc = ak_trainer_compute(t, &loss);
    if (rc < 0)
        return rc;
    r->losses[index] = (float)loss;
    ak_trainer_update(t, ak_schedule_lr(&r->rate, index));
    return AKSSL_OK;
}

typedef struct sink {
    float *values;
    int64_t at;
} sink;

static akssl_status take(void *ctx, const float *values, int64_t count)
{
    sink *s = ctx;

    memcpy(s->values + s->at, values, (size_t)count * sizeof *values);
    s->at += count;
    return AKSSL_OK;
}

static void declare(run *r, ak_safetensors_writer *w)
{
    const ak_model *m = &r->trainer->model;

    if (r->replay->steps) {
        ak_safetensors_declare(w, "loss", AK_F32, 1, &r->replay->steps);
        for (int i = 0; i < m->count; i++) {
            ak_str name = AK_STR_INIT;

            if (m->params[i]->role != AK_ROLE_TRAINED)
                continue;
            ak_str_format(&name, "grad.%s", m->params[i]->name);
            ak_safetensors_declare(w, name.text, AK_F32, m->params[i]->dims, m->params[i]->shape);
            ak_str_fini(&name);
        }
    }
    ak_model_declare(m, w, "");
    for (int i = 0; i < r->trainer->state_count; i++) {
        const ak_state *state = r->trainer->states[i];

        if (!state->param)
            ak_safetensors_declare(w, state->name, AK_F32, 2,
                                   (const int64_t[]){ state->length, state->width });
    }
}

static akssl_status write_out(run *r, const float *gradient)
{
    const ak_model *m = &r->trainer->model;
    ak_safetensors_writer *w;
    akssl_status rc = ak_safetensors_create(&w, r->replay->out);

    if (rc < 0)
        return rc;
    declare(r, w);
    if (r->replay->steps) {
        rc = ak_safetensors_write(w, r->losses, (size_t)r->replay->steps * sizeof(float));
        if (rc == AKSSL_OK)
            rc = ak_safetensors_write(w, gradient, (size_t)m->trained_size * sizeof(float));
    }
    if (rc == AKSSL_OK)
        rc = ak_model_write(m, w, "");
    for (int i = 0; i < r->trainer->state_count && rc == AKSSL_OK; i++) {
        const ak_state *state = r->trainer->states[i];

        if (!state->param)
            rc = ak_safetensors_write(w, state->rows,
                                      (size_t)(state->length * state->width) * sizeof(float));
    }
    if (rc == AKSSL_OK)
        rc = ak_safetensors_commit(w, NULL, NULL);
    ak_safetensors_writer_free(w);
    return rc;
}

static akssl_status finish(run *r)
{
    ak_trainer *t = r->trainer;
    bool root = ak_comm_rank(t->world.comm) == 0;
    sink all = { root ? ak_try_alloc((size_t)t->model.trained_size, sizeof(float)) : NULL, 0 };
    akssl_status rc;

    if (root && !all.values)
        return AKSSL_ERR_NO_MEMORY;
    rc = ak_slices_gather(t->slices, t->world.comm, t->sums, take, &all);
    if (rc == AKSSL_OK && root)
        rc = write_out(r, all.values);
    free(all.values);
    return rc;
}

static akssl_status steps(run *r)
{
    akssl_status rc = AKSSL_OK;

    if (r->replay->steps) {
        rc = ak_safetensors_open(&r->views, r->replay->views);
        if (rc < 0)
            return ak_wrap(rc, "views");
    }
    r->losses = ak_alloc((size_t)r->replay->steps + 1, sizeof *r->losses);
    for (int64_t i = 0; i < r->replay->steps && rc == AKSSL_OK; i++)
        rc = step(r, i);
    return rc == AKSSL_OK ? finish(r) : rc;
}

akssl_status ak_replay_run(const ak_replay *replay, const ak_spec *spec, ak_comm *comm)
{
    run r = { .replay = replay };
    akssl_status rc = ak_update_rate(&r.rate, spec, 0, replay->steps);

    if (rc == AKSSL_OK)
        rc = ak_trainer_new(&r.trainer, spec, comm);
    if (rc == AKSSL_OK)
        rc = read_init(r.trainer, replay->init);
    if (rc == AKSSL_OK)
        rc = steps(&r);
    free(r.losses);
    ak_safetensors_close(r.views);
    ak_trainer_free(r.trainer);
    return rc;
}
