// tests/oracle/pairs.h -- a part of cases.c: losses of two views, heads that are layers in a row.

#ifndef AK_TESTS_ORACLE_PAIRS_H
#define AK_TESTS_ORACLE_PAIRS_H

// ---- losses: of p, the rows that get gradients, and z, those that are held constant (or NULL)

typedef ak_tensor *pair_loss(ak_graph *g, const ak_safetensors *c, ak_tensor *p, ak_tensor *z);

static ak_tensor *pair_nt_xent(ak_graph *g, const ak_safetensors *c, ak_tensor *p, ak_tensor *z)
{
    (void)z;
    return ak_nt_xent(g, ak_l2norm(g, p), ak_oracle_number(c, "temperature"));
}

static ak_tensor *pair_info_nce(ak_graph *g, const ak_safetensors *c, ak_tensor *p, ak_tensor *z)
{
    return ak_info_nce_batch(g, ak_l2norm(g, p), ak_l2norm(g, z),
                             ak_oracle_number(c, "temperature"));
}

static ak_tensor *pair_cosine(ak_graph *g, const ak_safetensors *c, ak_tensor *p, ak_tensor *z)
{
    (void)c;
    return ak_negative_cosine(g, ak_l2norm(g, p), ak_l2norm(g, z), true);
}

static ak_tensor *pair_byol(ak_graph *g, const ak_safetensors *c, ak_tensor *p, ak_tensor *z)
{
    (void)c;
    return ak_byol(g, ak_l2norm(g, p), ak_l2norm(g, z));
}

static ak_tensor *pair_barlow(ak_graph *g, const ak_safetensors *c, ak_tensor *p, ak_tensor *z)
{
    ak_barlow how = { ak_oracle_number(c, "lambda_param"),
                      ak_oracle_number(c, "off_diagonal_target"), 1 };

    (void)z;
    return ak_barlow_twins(g, ak_standard_columns(g, p, 2), &how);
}

typedef struct pair {
    const char *prefix; // of the case's name
    pair_loss *loss;
    const char *p, *z; // names in the case, without the view's number
} pair;

static const pair pairs[] = {
    { "loss_nt_xent", pair_nt_xent, "z", NULL },
    { "loss_info_nce_batch", pair_info_nce, "q", "k" },
    { "loss_negative_cosine", pair_cosine, "p", "z" },
    { "loss_byol", pair_byol, "p", "target" },
    { "loss_barlow_twins", pair_barlow, "z", NULL },
};

static void pair_on(const ak_safetensors *c, const pair *how, int shards)
{
    ak_world world;
    ak_graph *g = graph_of(&world, shards, true, NULL);
    ak_tensor *p = views_input(g, c, how->p, 2, shards), *z = NULL, *loss;

    if (how->z)
        z = views_input(g, c, how->z, 2, shards);
    p->needs_grad = true;
    loss = how->loss(g, c, p, z);
    ok(ak_graph_compile(g, loss, NULL));
    put_views(g, p, c, how->p, 2, shards);
    if (z)
        put_views(g, z, c, how->z, 2, shards);
    check_loss(g, c);
    check_slopes(g, p, c, how->p, 2, shards);
    graph_end(g, &world);
}

static void test_pair(const ak_safetensors *c, const char *name)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strncmp(name, pairs[i].prefix, strlen(pairs[i].prefix)) == 0)
            for (int shards = 1; shards <= 4; shards *= 2)
                pair_on(c, &pairs[i], shards);
}

// ---- heads

typedef struct row_head {
    const char *name; // within the case's
    int layers;
    ak_mlp_end end;
} row_head;

static const row_head row_heads[] = {
    { "head_simclr_v1_projection", 2, AK_MLP_NORM },
    { "head_simclr_v2_projection", 3, AK_MLP_NORM },
    { "head_barlow_twins_projection", 3, AK_MLP_BIAS },
    { "head_byol_projection", 2, AK_MLP_BIAS },
    { "head_byol_prediction", 2, AK_MLP_BIAS },
    { "head_simsiam_projection", 3, AK_MLP_PLAIN_NORM },
    { "head_simsiam_prediction", 2, AK_MLP_BIAS },
};

static void check_row_head(const ak_safetensors *c, ak_model *m, const ak_mlp *head, int shards)
{
    int64_t in[4], out[4];
    ak_world world;
    float *gradient = ak_alloc((size_t)m->trained_size, sizeof(float));
    ak_graph *g = graph_of(&world, shards, true, gradient);
    ak_tensor *x, *y, *loss;

    shape_of(c, "x", in);
    shape_of(c, "y", out);
    in[0] /= shards;
    x = ak_graph_input(g, 2, in);
    x->needs_grad = true;
    y = ak_mlp_apply(g, head, x);
    loss = weighed(g, y, values_of(c, "grad.y", out[0] * out[1]));
    ok(ak_graph_compile(g, loss, y));
    put_rows(g, x, values_of(c, "x", x->numel * shards), shards);
    ak_graph_forward(g);
    ak_graph_backward(g);
    check_view(g, y, 1, 0, "y", c, shards, false);
    check_view(g, x, 1, 0, "grad.x", c, shards, true);
    check_head(m, c, gradient);
    graph_end(g, &world);
    free(gradient);
}

static void row_head_on(const ak_safetensors *c, const row_head *how, int shards)
{
    int64_t hidden[4], x[4], y[4];
    ak_mlp head = { 0 };
    ak_mlp_shape shape = { .layers = how->layers, .norm = true, .end = how->end };
    ak_model m;

    shape_of(c, "param.layers.0.weight", hidden);
    shape_of(c, "x", x);
    shape_of(c, "y", y);
    shape.in = x[1];
    shape.hidden = hidden[0];
    shape.out = y[1];
    ak_model_init(&m);
    ak_mlp_build(&head, &m, "h", &shape);
    ok(ak_model_allocate(&m));
    ak_model_seed(&m, 0);
    load_head(&m, c);
    check_row_head(c, &m, &head, shards);
    ak_model_fini(&m);
}

static void test_row_head(const ak_safetensors *c, const char *name)
{
    int known = 0;

    for (size_t i = 0; i < sizeof row_heads / sizeof *row_heads; i++)
        if (strcmp(name, row_heads[i].name) == 0) {
            row_head_on(c, &row_heads[i], 1);
            row_head_on(c, &row_heads[i], 2);
            known++;
        }
    ck_assert_msg(known == 1, "no head is known as '%s'", name);
}

#endif
