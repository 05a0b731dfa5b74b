// tests/unit/worker/tensor/op/batch_norm.c -- tests worker/tensor/op/batch_norm.c.

#include "tests/unit/worker/tensor/op/probe.h"
#include "worker/nn/layer.h"

enum { N = 8, H = 7, W = 13 }; // rows of a shard are no multiple of a kernel's piece

typedef struct layer {
    ak_norm norm;
    bool relu, add;
    int64_t channels;
} layer;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const layer *l = p->ctx;

    return ak_batch_norm(g, x[0], &l->norm, l->add ? x[1] : NULL, l->relu);
}

typedef struct channel {
    double mean, var, weight, bias;
    double sum, along; // of g, of g * xhat
} channel;

// One channel over rows [from, to): the reference needs two passes, forward and backward.
static void one_channel(const ak_probe *p, ak_probe_want *want, int64_t c, int64_t from, int64_t to,
                        double share)
{
    const layer *l = p->ctx;
    channel k = { .weight = l->norm.weight ? (double)l->norm.weight->value[c] : 1,
                  .bias = l->norm.bias ? (double)l->norm.bias->value[c] : 0 };
    double m = (double)(to - from), inverse;

    if (p->mode.training) {
        for (int64_t r = from; r < to; r++)
            k.mean += (double)p->x[0][r * l->channels + c] / m;
        for (int64_t r = from; r < to; r++)
            k.var += pow((double)p->x[0][r * l->channels + c] - k.mean, 2) / m;
        want->buffers[l->norm.mean->offset + c] += share * 0.1 * k.mean;
        want->buffers[l->norm.var->offset + c] += share * 0.1 * k.var * m / (m > 1 ? m - 1 : 1);
    } else {
        k.mean = (double)p->start[l->norm.mean->offset + c];
        k.var = (double)p->start[l->norm.var->offset + c];
    }
    inverse = 1 / sqrt(k.var + 1e-5);
    for (int64_t r = from; r < to; r++) {
        int64_t at = r * l->channels + c;
        double y = ((double)p->x[0][at] - k.mean) * inverse * k.weight + k.bias +
                   (l->add ? (double)p->x[1][at] : 0);
        double g = l->relu && y <= 0 ? 0 : (double)p->upstream[at];

        want->y[at] = l->relu && y <= 0 ? 0 : y;
        k.sum += g;
        k.along += g * ((double)p->x[0][at] - k.mean) * inverse;
        if (l->add)
            want->dx[1][at] = g;
    }
    for (int64_t r = from; r < to; r++) {
        int64_t at = r * l->channels + c;
        double y = ((double)p->x[0][at] - k.mean) * inverse * k.weight + k.bias +
                   (l->add ? (double)p->x[1][at] : 0);
        double g = l->relu && y <= 0 ? 0 : (double)p->upstream[at];
        double xhat = ((double)p->x[0][at] - k.mean) * inverse;

        want->dx[0][at] = k.weight * inverse * (g - k.sum / m - xhat * k.along / m);
    }
    if (l->norm.weight)
        want->gradient[l->norm.weight->offset + c] += k.along;
    if (l->norm.bias)
        want->gradient[l->norm.bias->offset + c] += k.sum;
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    const layer *l = p->ctx;
    int64_t rows = p->y_numel / l->channels;
    int groups = p->mode.training && p->mode.shard_norm ? shards : 1;

    for (int64_t i = 0; p->mode.training && i < p->model.buffer_size; i++)
        want->buffers[i] *= 0.9;
    for (int64_t c = 0; c < l->channels; c++)
        for (int s = 0; s < groups; s++)
            one_channel(p, want, c, rows / groups * s, rows / groups * (s + 1), 1.0 / groups);
}

static ak_probe make(layer *l, int dims, bool affine)
{
    const int64_t c[1] = { l->channels };
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = l,
                   .inputs = 1 + l->add,
                   .dims = dims,
                   .tolerance = 1e-5,
                   .half_tolerance = 1e-2,
                   .mode.training = true };

    ak_model_init(&p.model);
    if (affine) {
        l->norm.weight =
            ak_model_param(&p.model, "n", "weight", AK_ROLE_TRAINED, 1, c, AK_INIT_ONE, 0);
        l->norm.bias =
            ak_model_param(&p.model, "n", "bias", AK_ROLE_TRAINED, 1, c, AK_INIT_ZERO, 0);
    }
    l->norm.mean = ak_model_param(&p.model, "n", "mean", AK_ROLE_BUFFER, 1, c, AK_INIT_ZERO, 0);
    l->norm.var = ak_model_param(&p.model, "n", "var", AK_ROLE_BUFFER, 1, c, AK_INIT_ONE, 0);
    l->norm.count = ak_model_param(&p.model, "n", "count", AK_ROLE_COUNT, 0, NULL, AK_INIT_ZERO, 0);
    ak_probe_model(&p);
    p.y_numel = dims == 4 ? N * H * W * l->channels : 48 * l->channels;
    for (int k = 0; k < 2; k++)
        memcpy(p.shape[k],
               dims == 4 ? (int64_t[]){ N, H, W, l->channels }
                         : (int64_t[]){ 48, l->channels, 0, 0 },
               sizeof p.shape[k]);
    return p;
}

static void check(layer l, int dims, bool affine, bool shard_norm)
{
    ak_probe p = make(&l, dims, affine);

    p.mode.shard_norm = shard_norm;
    ak_probe_check(&p);
}

START_TEST(over_the_batch)
{
    check((layer){ .channels = 67 }, 4, true, false);
    check((layer){ .channels = 128, .relu = true }, 4, true, false);
}
END_TEST

START_TEST(per_shard)
{
    check((layer){ .channels = 67 }, 4, true, true);
    check((layer){ .channels = 19, .relu = true, .add = true }, 4, true, true);
}
END_TEST

START_TEST(with_addition)
{
    check((layer){ .channels = 64, .add = true }, 4, true, false);
    check((layer){ .channels = 67, .add = true, .relu = true }, 4, true, false);
}
END_TEST

START_TEST(of_rows)
{
    check((layer){ .channels = 33, .relu = true }, 2, true, false);
    check((layer){ .channels = 33 }, 2, false, false); // not affine
}
END_TEST

START_TEST(evaluation_uses_running_statistics)
{
    layer l = { .channels = 67, .relu = true, .add = true };
    ak_probe p = make(&l, 4, true);

    p.mode.training = false;
    ak_probe_check(&p);
    ck_assert_int_eq(l.channels, 67);
}
END_TEST

START_TEST(counts_batches)
{
    layer l = { .channels = 5 };
    ak_probe p = make(&l, 2, true);

    ak_probe_init(&p);
    for (int i = 0; i < 3; i++) {
        ak_probe_result r = ak_probe_run(&p, 2, 1, false);

        ak_probe_result_fini(&r);
        ck_assert_int_eq(l.norm.count->count, i + 1);
    }
    p.mode.training = false;
    {
        ak_probe_result r = ak_probe_run(&p, 2, 1, false);

        ak_probe_result_fini(&r);
    }
    ck_assert_int_eq(l.norm.count->count, 3);
    ak_probe_fini(&p);
}
END_TEST

// What is added may be the input itself, or have had a reader already.
static ak_tensor *record_self(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const layer *l = p->ctx;

    return ak_batch_norm(g, x[0], &l->norm, x[0], l->relu);
}

static void naive_self(const ak_probe *p, int shards, ak_probe_want *want)
{
    layer l = *(const layer *)p->ctx;
    ak_probe q = *p;
    double *other = ak_probe_zeros(p->y_numel);

    l.add = true;
    q.ctx = &l;
    q.x[1] = p->x[0];
    want->dx[1] = other;
    naive(&q, shards, want);
    want->dx[1] = NULL;
    for (int64_t i = 0; i < p->y_numel; i++)
        want->dx[0][i] += other[i];
    free(other);
}

START_TEST(added_to_itself)
{
    layer l = { .channels = 31, .relu = true };
    ak_probe p = make(&l, 4, true);

    p.record = record_self;
    p.naive = naive_self;
    ak_probe_check(&p);
}
END_TEST

// Far from 0 the variance is a small difference of large numbers.
START_TEST(large_means)
{
    layer l = { .channels = 20 };
    ak_probe p = make(&l, 4, true);

    p.x[0] = ak_rig_values(p.y_numel, 4, 2);
    for (int64_t i = 0; i < p.y_numel; i++)
        p.x[0][i] += 30;
    p.tolerance = 1e-3;
    ak_probe_check(&p);
}
END_TEST

START_TEST(a_constant_channel_gives_its_bias)
{
    layer l = { .channels = 9 };
    ak_probe p = make(&l, 2, true);
    ak_probe_result r;

    p.x[0] = ak_rig_values(p.y_numel, 4, 2);
    for (int64_t row = 0; row < 48; row++)
        p.x[0][row * 9 + 3] = 0.625f;
    ak_probe_init(&p);
    r = ak_probe_run(&p, 2, 1, false);
    for (int64_t row = 0; row < 48; row++)
        ck_assert_float_eq_tol(r.y[row * 9 + 3], l.norm.bias->value[3], 1e-5f);
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

// ---- groups

enum { VIEW_ROWS = 12, WIDTH = 5 }; // of a view, over all shards

typedef struct grouped {
    ak_model model;
    ak_norm norm;
    float y[2][VIEW_ROWS * WIDTH], dx[2][VIEW_ROWS * WIDTH];
    float gradient[2][2 * WIDTH]; // of weight and bias: a graph each, or all in the first
} grouped;

static void run_views(grouped *r, int shards, bool alone, const int *views, int count)
{
    ak_world world = ak_rig_world(shards, 1);
    ak_graph_mode mode = { .training = true, .shard_norm = alone, .differentiate = true };
    const int64_t shape[2] = { VIEW_ROWS / shards, WIDTH }, n = VIEW_ROWS / shards * WIDTH;
    ak_tensor *x[2], *y;
    ak_graph *g = NULL;

    ak_rig_ok(ak_graph_new(&g, &world, mode));
    for (int k = 0; k < count; k++)
        x[k] = ak_graph_input(g, 2, shape);
    y = ak_join(g, x, count, count);
    y->needs_grad = true;
    x[0] = y;
    y = ak_batch_norm(g, y, &r->norm, NULL, false);
    ak_rig_ok(ak_graph_compile(g, ak_nt_xent(g, ak_l2norm(g, y), 0.5), y));
    ak_graph_set_gradient(g, r->gradient[views[0]], 2 * WIDTH);
    for (int s = 0; s < shards; s++)
        for (int k = 0; k < count; k++) {
            float all[VIEW_ROWS * WIDTH];

            ak_rig_fill(all, VIEW_ROWS * WIDTH, (uint32_t)views[k], views[k] + 1);
            memcpy(ak_value(g, x[0], s) + k * n, all + s * n, (size_t)n * sizeof(float));
        }
    ak_graph_forward(g);
    for (int s = 0; s < shards; s++)
        for (int k = 0; k < count; k++)
            for (int64_t i = 0; i < n; i++) // any upstream gradient, the same in both runs
                ak_grad(g, y, s)[k * n + i] = (float)((views[k] * 7 + s * n + i) % 11) - 5;
    y->producer->kind->backward(y->producer, g);
    for (int s = 0; s < shards; s++)
        for (int k = 0; k < count; k++) {
            memcpy(r->y[views[k]] + s * n, ak_value(g, y, s) + k * n, (size_t)n * sizeof(float));
            memcpy(r->dx[views[k]] + s * n, ak_grad(g, x[0], s) + k * n, (size_t)n * sizeof(float));
        }
    ak_graph_free(g);
    ak_comm_close(world.comm);
}

static void make_grouped(grouped *r)
{
    memset(r, 0, sizeof *r);
    ak_model_init(&r->model);
    r->norm = ak_norm_new(&r->model, "bn", WIDTH, false);
    ak_rig_ok(ak_model_allocate(&r->model));
    ak_model_seed(&r->model, 1);
}

// Views joined in groups give what the same views give one after the other.
static void groups_are_forwards(int shards, bool alone)
{
    static grouped apart, joined;

    make_grouped(&apart);
    make_grouped(&joined);
    run_views(&apart, shards, alone, (const int[]){ 0 }, 1);
    run_views(&apart, shards, alone, (const int[]){ 1 }, 1);
    run_views(&joined, shards, alone, (const int[]){ 0, 1 }, 2);
    for (int v = 0; v < 2; v++) {
        ak_rig_same("y", apart.y[v], joined.y[v], VIEW_ROWS * WIDTH);
        ak_rig_same("dx", apart.dx[v], joined.dx[v], VIEW_ROWS * WIDTH);
    }
    for (int i = 0; i < 2 * WIDTH; i++)
        ck_assert_float_eq_tol(joined.gradient[0][i], apart.gradient[0][i] + apart.gradient[1][i],
                               1e-4f);
    ak_rig_same("running statistics", apart.model.buffers, joined.model.buffers,
                apart.model.buffer_size);
    ck_assert_int_eq(joined.norm.count->count, 2);
    ak_model_fini(&apart.model);
    ak_model_fini(&joined.model);
}

START_TEST(groups)
{
    for (int shards = 1; shards <= 4; shards *= 2)
        for (int alone = 0; alone < 2; alone++)
            groups_are_forwards(shards, alone);
}
END_TEST

AK_TEST_MAIN(AK_CASE(over_the_batch), AK_CASE(per_shard), AK_CASE(with_addition), AK_CASE(of_rows),
             AK_CASE(evaluation_uses_running_statistics), AK_CASE(counts_batches),
             AK_CASE(added_to_itself), AK_CASE(large_means),
             AK_CASE(a_constant_channel_gives_its_bias), AK_CASE(groups))
