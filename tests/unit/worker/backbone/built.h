// tests/unit/worker/backbone/built.h -- a backbone by itself, from "NAME:key=value,...".

#ifndef AK_TESTS_WORKER_BUILT_H
#define AK_TESTS_WORKER_BUILT_H

#include "tests/oracle.h"
#include "tests/unit/worker/rig.h"
#include "worker/backbone/backbone.h"
#include "worker/tensor/gemm.h"

typedef struct ak_built {
    const ak_backbone *row;
    void *self;
    ak_model model;
} ak_built;

// Without values: for its names and shapes.
static inline ak_built ak_built_bare(const char *text, int64_t image_size)
{
    ak_built b = { NULL, NULL, { 0 } };

    ak_rig_ok(ak_backbone_find(&b.row, text));
    ak_rig_ok(ak_backbone_bind(&b.self, b.row, text));
    if (b.row->check)
        ak_rig_ok(b.row->check(b.self, image_size));
    ak_model_init(&b.model);
    b.row->build(b.self, &b.model, "backbone", image_size);
    ak_rig_ok(ak_model_allocate(&b.model));
    return b;
}

static inline ak_built ak_built_new(const char *text, int64_t image_size)
{
    ak_built b = ak_built_bare(text, image_size);

    ak_model_seed(&b.model, 3);
    return b;
}

static inline void ak_built_free(ak_built *b)
{
    ak_backbone_unbind(b->self, b->row);
    ak_model_fini(&b->model);
}

static inline const ak_param *ak_built_param(const ak_built *b, const char *name)
{
    char full[128];
    const ak_param *p;

    snprintf(full, sizeof full, "backbone.%s", name);
    p = ak_model_find(&b->model, full);
    ck_assert_msg(p != NULL, "there is no '%s'", full);
    return p;
}

static inline void ak_built_shape(const ak_built *b, const char *name, int dims,
                                  const int64_t *shape)
{
    const ak_param *p = ak_built_param(b, name);

    ck_assert_msg(p->dims == dims && memcmp(p->shape, shape, (size_t)dims * sizeof *shape) == 0,
                  "'%s' has another shape", name);
}

// The case has a gradient norm for each parameter of torchvision's or timm's, in their order.
static inline void ak_built_has_names_of(const ak_built *b, const char *name)
{
    ak_safetensors *c = ak_oracle_open(name);
    int at = 0;

    for (int i = 0; i < ak_safetensors_count(c); i++) {
        const char *tensor = ak_safetensors_at(c, i)->name;

        if (strncmp(tensor, "grad_norm.", 10) != 0 || strcmp(tensor, "grad_norm.x") == 0)
            continue;
        while (at < b->model.count && b->model.params[at]->role != AK_ROLE_TRAINED)
            at++;
        ck_assert_msg(at < b->model.count, "there is no '%s'", tensor + 10);
        ck_assert_str_eq(b->model.params[at]->name + strlen("backbone."), tensor + 10);
        at++;
    }
    for (; at < b->model.count; at++)
        ck_assert_msg(b->model.params[at]->role != AK_ROLE_TRAINED, "'%s' is one too many",
                      b->model.params[at]->name);
    ak_safetensors_close(c);
}

// Features [n][width] of n random images of this side; step: of the randomness.
static inline float *ak_built_features(const ak_built *b, int64_t n, int64_t side, bool training,
                                       int shards, int64_t step)
{
    const int64_t shape[4] = { n / shards, side, side, 3 };
    ak_world world = ak_rig_world(shards, 1);
    float *out = ak_alloc((size_t)(n * b->row->width), sizeof *out);
    float *images = ak_rig_values(n * side * side * 3, 77, 1);
    ak_graph *g = NULL;
    ak_tensor *x, *y;

    ak_gemm_threads(1);
    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = training }));
    x = ak_graph_input(g, 4, shape);
    y = b->row->apply(b->self, g, x);
    ak_rig_ok(ak_graph_compile(g, NULL, y));
    for (int s = 0; s < shards; s++)
        memcpy(ak_value(g, x, s), images + s * x->numel, (size_t)x->numel * sizeof(float));
    ak_graph_set_step(g, 5, step);
    ak_graph_forward(g);
    for (int s = 0; s < shards; s++)
        memcpy(out + s * y->numel, ak_value(g, y, s), (size_t)y->numel * sizeof(float));
    free(images);
    ak_graph_free(g);
    ak_comm_close(world.comm);
    return out;
}

#endif
