// tests/oracle/crops.h -- a part of cases.c: the losses and heads of DINO and SwAV.
//
// A shard holds its images' rows view above view, so rows of view v of the case are cut and put
// apart.

#ifndef AK_TESTS_ORACLE_CROPS_H
#define AK_TESTS_ORACLE_CROPS_H

// Rows of view v in or out of a tensor of `views` views.
static void put_view(ak_graph *g, const ak_tensor *t, int views, int v, const float *rows,
                     int shards)
{
    int64_t n = t->numel / views;

    for (int s = 0; s < shards; s++)
        memcpy(ak_value(g, t, s) + v * n, rows + s * n, (size_t)n * sizeof(float));
}

static void check_view(ak_graph *g, const ak_tensor *t, int views, int v, const char *name,
                       const ak_safetensors *c, int shards, bool gradient)
{
    int64_t n = t->numel / views;
    float *got = ak_alloc((size_t)(n * shards), sizeof(float));

    for (int s = 0; s < shards; s++)
        memcpy(got + s * n, (gradient ? ak_grad(g, t, s) : ak_value(g, t, s)) + v * n,
               (size_t)n * sizeof(float));
    compare(name, got, values_of(c, name, n * shards), n * shards, 1e-4);
    free(got);
}

// An input of all views' rows, filled from "<prefix>0", "<prefix>1", ...
static ak_tensor *views_input(ak_graph *g, const ak_safetensors *c, const char *prefix, int views,
                              int shards)
{
    int64_t shape[4];
    char name[32];

    snprintf(name, sizeof name, "%s0", prefix);
    shape_of(c, name, shape);
    ck_assert_int_eq((int)(shape[0] % shards), 0);
    shape[0] = shape[0] / shards * views;
    return ak_graph_input(g, 2, shape);
}

static void put_views(ak_graph *g, const ak_tensor *t, const ak_safetensors *c, const char *prefix,
                      int views, int shards)
{
    for (int v = 0; v < views; v++) {
        char name[32];

        snprintf(name, sizeof name, "%s%d", prefix, v);
        put_view(g, t, views, v, values_of(c, name, t->numel / views * shards), shards);
    }
}

static void check_slopes(ak_graph *g, const ak_tensor *t, const ak_safetensors *c,
                         const char *prefix, int views, int shards)
{
    for (int v = 0; v < views; v++) {
        char name[32];

        snprintf(name, sizeof name, "grad.%s%d", prefix, v);
        check_view(g, t, views, v, name, c, shards, true);
    }
}

static void dino_on(const ak_safetensors *c, int shards)
{
    int views = (int)ak_oracle_number(c, "crops");
    double keep = ak_oracle_number(c, "center_momentum");
    ak_dino_teacher teacher = { .temperature = ak_oracle_number(c, "temp_teacher") };
    ak_world world;
    ak_graph *g = graph_of(&world, shards, true, NULL);
    ak_tensor *student = views_input(g, c, "student", views, shards), *targets, *loss;
    ak_tensor *logits = views_input(g, c, "teacher", 2, shards);
    int64_t k = student->shape[1];
    float *center = ak_alloc((size_t)k, sizeof(float));

    student->needs_grad = true;
    teacher.center = values_of(c, "center", k);
    targets = ak_dino_targets(g, logits, &teacher);
    loss = ak_cross_views(g, student, targets, ak_oracle_number(c, "temp_student"));
    ok(ak_graph_compile(g, loss, NULL));
    put_views(g, student, c, "student", views, shards);
    put_views(g, logits, c, "teacher", 2, shards);
    check_loss(g, c);
    check_slopes(g, student, c, "student", views, shards);
    for (int64_t i = 0; i < k; i++)
        center[i] =
            (float)(keep * (double)teacher.center[i] + (1 - keep) * teacher.batch_center[i]);
    compare("new_center", center, values_of(c, "new_center", k), k, 1e-5);
    free(center);
    graph_end(g, &world);
}

static void test_dino(const ak_safetensors *c, const char *name)
{
    (void)name;
    for (int shards = 1; shards <= 4; shards *= 2)
        dino_on(c, shards);
}

// The case has [2][L][d]; a row of the queue is a sample's two embeddings.
static float *queue_of(const ak_safetensors *c, int64_t *length)
{
    const ak_safetensors_entry *e = ak_safetensors_find(c, "queue");
    const float *from;
    float *rows;

    *length = 0;
    if (!e)
        return NULL;
    *length = e->shape[1];
    from = values_of(c, "queue", 2 * e->shape[1] * e->shape[2]);
    rows = ak_alloc((size_t)(2 * e->shape[1] * e->shape[2]), sizeof(float));
    for (int64_t i = 0; i < *length; i++)
        for (int view = 0; view < 2; view++)
            memcpy(rows + (2 * i + view) * e->shape[2], from + (view * *length + i) * e->shape[2],
                   (size_t)e->shape[2] * sizeof(float));
    return rows;
}

static void swav_on(const ak_safetensors *c, int shards)
{
    int views = (int)ak_oracle_number(c, "crops");
    int64_t shape[4];
    ak_swav_queue queue = { .epsilon = ak_oracle_number(c, "epsilon"),
                            .iterations = (int64_t)ak_oracle_number(c, "sinkhorn_iterations") };
    float *rows = queue_of(c, &queue.length), *gradient;
    ak_world world;
    ak_model m;
    ak_param *prototypes;
    ak_tensor *z, *scores, *codes, *loss;
    ak_graph *g;

    shape_of(c, "prototypes", shape);
    ak_model_init(&m);
    prototypes =
        ak_model_param(&m, "prototypes", "weight", AK_ROLE_TRAINED, 2, shape, AK_INIT_ZERO, 0);
    ok(ak_model_allocate(&m));
    memcpy(prototypes->value, values_of(c, "prototypes", prototypes->numel),
           (size_t)prototypes->numel * sizeof(float));
    gradient = ak_alloc((size_t)m.trained_size, sizeof(float));
    g = graph_of(&world, shards, true, gradient);
    queue.prototypes = prototypes;
    queue.rows = rows;
    queue.used = rows != NULL;
    z = views_input(g, c, "z", views, shards);
    z->needs_grad = true;
    scores = ak_linear(g, ak_l2norm(g, z), prototypes, NULL);
    codes = ak_swav_codes(g, scores, z->shape[0] / views, &queue);
    loss = ak_cross_views(g, scores, codes, ak_oracle_number(c, "temperature"));
    ok(ak_graph_compile(g, loss, codes));
    put_views(g, z, c, "z", views, shards);
    check_loss(g, c);
    check_view(g, codes, 2, 0, "codes0", c, shards, false);
    check_view(g, codes, 2, 1, "codes1", c, shards, false);
    check_slopes(g, z, c, "z", views, shards);
    compare("grad.prototypes", gradient, values_of(c, "grad.prototypes", prototypes->numel),
            prototypes->numel, 1e-4);
    graph_end(g, &world);
    free(gradient);
    free(rows);
    ak_model_fini(&m);
}

static void test_swav(const ak_safetensors *c, const char *name)
{
    (void)name;
    for (int shards = 1; shards <= 4; shards *= 2)
        swav_on(c, shards);
}

// ---- heads

typedef struct crops_head {
    ak_model model;
    ak_mlp mlp;        // SwAV's
    ak_dino_head dino; // layers 0: the other
} crops_head;

static void build_crops_head(crops_head *h, const ak_safetensors *c, const char *name, int64_t in,
                             int64_t out)
{
    int64_t shape[4];

    memset(h, 0, sizeof *h);
    ak_model_init(&h->model);
    if (strstr(name, "swav")) {
        shape_of(c, "param.layers.0.weight", shape);
        ak_mlp_add(&h->mlp, &h->model, "h", in, shape[0], true, true);
        ak_mlp_add(&h->mlp, &h->model, "h", shape[0], out, false, false);
    } else {
        ak_dino_shape dino = { .in = in, .out = out, .layers = 3 };

        dino.norm = strstr(name, "_bn") != NULL;
        shape_of(c, "param.mlp.0.weight", shape);
        dino.hidden = shape[0];
        shape_of(c, "param.last_layer.weight_v", shape);
        dino.bottleneck = shape[1];
        ak_dino_head_new(&h->dino, &h->model, "h", dino);
    }
    ok(ak_model_allocate(&h->model));
    ak_model_seed(&h->model, 0);
    load_head(&h->model, c);
}

// A bias before a batch norm has a gradient of 0, but for rounding: that of the case's largest
// gradients, which is what cancels in it.
static void check_crops_head(const ak_model *m, const ak_safetensors *c, const float *gradient)
{
    double largest = 0;

    for (int64_t i = 0; i < m->trained_size; i++)
        largest = fmax(largest, fabs((double)gradient[i]));
    for (int i = 0; i < m->count; i++) {
        const ak_param *p = m->params[i];
        bool trained = p->role == AK_ROLE_TRAINED;
        char name[64];

        if (p->role == AK_ROLE_COUNT)
            continue;
        snprintf(name, sizeof name, "%s.%s", trained ? "grad" : "buffer", p->name + 2);
        ak_oracle_compare(name, trained ? gradient + p->offset : p->value,
                          values_of(c, name, p->numel), p->numel, 1e-6 * largest, 1e-4);
    }
}

static void crops_head_on(const ak_safetensors *c, const char *name, int shards)
{
    int64_t in[4], out[4];
    crops_head h;
    ak_world world;
    ak_graph *g;
    ak_tensor *x, *y, *loss;
    float *gradient;

    shape_of(c, "x", in);
    shape_of(c, "y", out);
    build_crops_head(&h, c, name, in[1], out[1]);
    gradient = ak_alloc((size_t)h.model.trained_size, sizeof(float));
    g = graph_of(&world, shards, true, gradient);
    in[0] /= shards;
    x = ak_graph_input(g, 2, in);
    x->needs_grad = true;
    y = h.mlp.count ? ak_mlp_apply(g, &h.mlp, x) : ak_dino_head_apply(g, &h.dino, x, NULL);
    loss = weighed(g, y, values_of(c, "grad.y", out[0] * out[1]));
    ok(ak_graph_compile(g, loss, y));
    put_view(g, x, 1, 0, values_of(c, "x", x->numel * shards), shards);
    ak_graph_forward(g);
    ak_graph_backward(g);
    check_view(g, y, 1, 0, "y", c, shards, false);
    check_view(g, x, 1, 0, "grad.x", c, shards, true);
    check_crops_head(&h.model, c, gradient);
    graph_end(g, &world);
    free(gradient);
    ak_model_fini(&h.model);
}

static void test_crops_head(const ak_safetensors *c, const char *name)
{
    for (int shards = 1; shards <= 2; shards *= 2)
        crops_head_on(c, name, shards);
}

#endif
