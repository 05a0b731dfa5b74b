// worker/nn/model.c -- all parameters of a run.

#include "worker/nn/model.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "worker/nn/positions.h"
#include "worker/rng/rng.h"
#include "worker/tensor/kernel.h"

static const char target_prefix[] = "target.";

void ak_model_init(ak_model *m)
{
    memset(m, 0, sizeof *m);
}

void ak_model_fini(ak_model *m)
{
    for (int i = 0; i < m->count; i++) {
        free(m->params[i]->name);
        free(m->params[i]);
    }
    free(m->params);
    if (!m->placed)
        free(m->trained);
    free(m->targets);
    free(m->buffers);
    memset(m, 0, sizeof *m);
}

static int64_t *size_of(ak_model *m, ak_role role)
{
    return role == AK_ROLE_TRAINED  ? &m->trained_size
           : role == AK_ROLE_TARGET ? &m->target_size
                                    : &m->buffer_size;
}

ak_param *ak_model_param(ak_model *m, const char *prefix, const char *name, ak_role role, int dims,
                         const int64_t *shape, ak_init init, double scale)
{
    ak_param *p = ak_alloc(1, sizeof *p);
    ak_str full = AK_STR_INIT;

    ak_str_format(&full, "%s%s.%s", m->building_target ? target_prefix : "", prefix, name);
    p->name = ak_str_take(&full);
    p->role = role == AK_ROLE_TRAINED && m->building_target ? AK_ROLE_TARGET : role;
    p->dims = dims;
    p->numel = 1;
    for (int i = 0; i < dims; i++) {
        p->shape[i] = shape[i];
        p->numel *= shape[i];
    }
    p->init = init;
    p->scale = scale;
    if (p->role != AK_ROLE_COUNT) {
        p->offset = *size_of(m, p->role);
        *size_of(m, p->role) += p->numel;
    }
    m->params = ak_realloc(m->params, (size_t)m->count + 1, sizeof *m->params);
    m->params[m->count++] = p;
    return p;
}

static void point(ak_model *m)
{
    for (int i = 0; i < m->count; i++) {
        ak_param *p = m->params[i];

        if (p->role != AK_ROLE_COUNT)
            p->value = (p->role == AK_ROLE_TRAINED  ? m->trained
                        : p->role == AK_ROLE_TARGET ? m->targets
                                                    : m->buffers) +
                       p->offset;
    }
}

akssl_status ak_model_allocate(ak_model *m)
{
    if (m->trained_size > INT_MAX)
        return ak_fail(AKSSL_ERR_LIMIT, "a network of over 2^31 parameters: choose a smaller one");
    m->trained = ak_try_alloc((size_t)m->trained_size, sizeof(float));
    m->targets = ak_try_alloc((size_t)m->target_size, sizeof(float));
    m->buffers = ak_try_alloc((size_t)m->buffer_size, sizeof(float));
    if (!m->trained || !m->targets || !m->buffers)
        return AKSSL_ERR_NO_MEMORY;
    point(m);
    return AKSSL_OK;
}

void ak_model_place(ak_model *m, float *trained)
{
    free(m->trained);
    m->trained = trained;
    m->placed = true;
    point(m);
}

static void initial(ak_param *p, uint64_t seed)
{
    uint64_t hash = ak_fnv1a64(p->name);
    ak_rng rng = ak_rng_at(seed, AK_RNG_INIT, (uint32_t)hash, (uint32_t)(hash >> 32), 0);

    if (p->init == AK_INIT_POSITIONS)
        ak_positions_fill(p->value, p->shape[1], p->shape[2]);
    for (int64_t i = 0; i < p->numel; i++)
        switch (p->init) {
        case AK_INIT_POSITIONS:
            break;
        case AK_INIT_ZERO:
            p->value[i] = 0;
            break;
        case AK_INIT_ONE:
            p->value[i] = 1;
            break;
        case AK_INIT_UNIFORM:
            p->value[i] = (float)ak_rng_between(&rng, -p->scale, p->scale);
            break;
        case AK_INIT_NORMAL:
            p->value[i] = (float)(ak_rng_normal(&rng) * p->scale);
            break;
        case AK_INIT_TRUNCATED:
            do
                p->value[i] = (float)(ak_rng_normal(&rng) * p->scale);
            while (p->value[i] < -2 || p->value[i] > 2);
            break;
        }
}

static void copy_to_targets(ak_model *m)
{
    if (m->target_size)
        memcpy(m->targets, m->trained, (size_t)m->target_size * sizeof(float));
}

void ak_model_seed(ak_model *m, uint64_t seed)
{
    for (int i = 0; i < m->count; i++) {
        if (m->params[i]->role == AK_ROLE_COUNT)
            m->params[i]->count = 0;
        else if (m->params[i]->role != AK_ROLE_TARGET)
            initial(m->params[i], seed);
    }
    copy_to_targets(m);
}

void ak_model_follow(ak_model *m, double keep, int threads)
{
    int64_t from = 0; // what lies between two fixed ones is averaged in one go

    for (int i = 0; i < m->count; i++) {
        const ak_param *p = m->params[i];

        if (p->role != AK_ROLE_TARGET || !p->fixed)
            continue;
        ak_kernel_average(m->targets + from, m->trained + from, keep, p->offset - from, threads);
        from = p->offset + p->numel;
    }
    ak_kernel_average(m->targets + from, m->trained + from, keep, m->target_size - from, threads);
}

ak_param *ak_model_find(const ak_model *m, const char *name)
{
    for (int i = 0; i < m->count; i++)
        if (strcmp(m->params[i]->name, name) == 0)
            return m->params[i];
    return NULL;
}

static akssl_status read_count(ak_param *p, const ak_safetensors *file, const char *name)
{
    const ak_safetensors_entry *e = ak_safetensors_find(file, name);

    if (e->dtype != AK_I64 || ak_safetensors_numel(e) != 1)
        return ak_fail(AKSSL_ERR_INVALID, "'%s' is not one I64 number: give the file as saved",
                       name);
    memcpy(&p->count, ak_safetensors_data(file, e), sizeof p->count);
    return AKSSL_OK;
}

static akssl_status check_shape(const ak_param *p, const ak_safetensors_entry *e)
{
    bool same = e->dims == p->dims;

    for (int i = 0; same && i < p->dims; i++)
        same = e->shape[i] == p->shape[i];
    if (!same)
        return ak_fail(AKSSL_ERR_INVALID,
                       "'%s' has another shape than the network: check backbone and options",
                       e->name);
    return AKSSL_OK;
}

static akssl_status read_one(ak_param *p, const ak_safetensors *file, bool strict, const char *name)
{
    const ak_safetensors_entry *e = ak_safetensors_find(file, name);
    akssl_status rc;

    if (!e && (p->role == AK_ROLE_TRAINED || strict))
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "'%s' is missing: give the weights of this backbone and method", name);
    if (!e) {
        if (p->role == AK_ROLE_BUFFER)
            initial(p, 0);
        p->count = 0;
        return AKSSL_OK;
    }
    if (p->role == AK_ROLE_COUNT)
        return read_count(p, file, name);
    rc = check_shape(p, e);
    return rc < 0 ? rc : ak_safetensors_read_f32(file, name, p->value, p->numel);
}

akssl_status ak_model_read(ak_model *m, const ak_safetensors *file, bool strict, const char *only)
{
    size_t skip = strlen(only);
    akssl_status rc = AKSSL_OK;

    for (int pass = 0; pass < 2 && rc == AKSSL_OK; pass++) {
        if (pass == 1)
            copy_to_targets(m);
        for (int i = 0; i < m->count && rc == AKSSL_OK; i++) {
            ak_param *p = m->params[i];

            if (strncmp(p->name, only, skip) == 0 && (p->role == AK_ROLE_TARGET) == (pass == 1))
                rc = read_one(p, file, strict, p->name + skip);
        }
    }
    return rc;
}

static int in_file(const ak_param *p, const char *only)
{
    return strncmp(p->name, only, strlen(only)) == 0;
}

// check_rest refuses a file that has more of a part that the model has, as a network with more
// blocks does: "layer1.2.conv1.weight" where the model ends with layer1.1.
static akssl_status check_rest(const ak_model *m, const ak_safetensors *file, const char *only,
                               const char *as)
{
    akssl_status rc = AKSSL_OK;
    ak_str name = AK_STR_INIT;

    for (int i = 0; i < ak_safetensors_count(file) && rc == AKSSL_OK; i++) {
        const char *whole = ak_safetensors_at(file, i)->name, *theirs, *dot;

        if (strncmp(whole, as, strlen(as)) != 0)
            continue;
        theirs = whole + strlen(as);
        dot = strchr(theirs, '.');
        ak_str_clear(&name);
        ak_str_format(&name, "%s%s", only, theirs);
        if (!dot || ak_model_find(m, name.text))
            continue;
        for (int p = 0; p < m->count && rc == AKSSL_OK; p++)
            if (strncmp(m->params[p]->name, name.text, strlen(only) + (size_t)(dot + 1 - theirs)) ==
                0)
                rc = ak_fail(AKSSL_ERR_INVALID,
                             "they have '%.160s', which this backbone has not: give the --backbone "
                             "that they are of",
                             whole);
    }
    ak_str_fini(&name);
    return rc;
}

akssl_status ak_model_read_as(ak_model *m, const ak_safetensors *file, const char *only,
                              const char *as)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < m->count && rc == AKSSL_OK; i++) {
        ak_param *p = m->params[i];
        ak_str name = AK_STR_INIT;

        if (!in_file(p, only))
            continue;
        ak_str_format(&name, "%s%s", as, p->name + strlen(only));
        if (p->role == AK_ROLE_COUNT && !ak_safetensors_find(file, name.text))
            p->count = 0;
        else
            rc = read_one(p, file, true, name.text);
        ak_str_fini(&name);
    }
    return rc == AKSSL_OK ? check_rest(m, file, only, as) : rc;
}

void ak_model_declare(const ak_model *m, ak_safetensors_writer *w, const char *only)
{
    for (int i = 0; i < m->count; i++)
        if (in_file(m->params[i], only))
            ak_safetensors_declare(w, m->params[i]->name + strlen(only),
                                   m->params[i]->role == AK_ROLE_COUNT ? AK_I64 : AK_F32,
                                   m->params[i]->dims, m->params[i]->shape);
}

akssl_status ak_model_write(const ak_model *m, ak_safetensors_writer *w, const char *only)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < m->count && rc == AKSSL_OK; i++) {
        const ak_param *p = m->params[i];

        if (!in_file(p, only))
            continue;
        if (p->role == AK_ROLE_COUNT)
            rc = ak_safetensors_write(w, &p->count, sizeof p->count);
        else
            rc = ak_safetensors_write(w, p->value, (size_t)p->numel * sizeof(float));
    }
    return rc;
}
