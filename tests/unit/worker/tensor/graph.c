// tests/unit/worker/tensor/graph.c -- tests recording, the plan of memory, and that steps allocate
// nothing.

#include <malloc.h>

#include "tests/unit/worker/rig.h"
#include "worker/nn/layer.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

// ---- calls for memory, counted by who makes them

// Where the program's own code lies: calls from libraries are not the engine's.
extern char __executable_start, etext;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS = 0 };
static int own_calls;
#else
enum { COUNTS = 1 };
static int own_calls;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

#define COUNT_OWN()                                                                                \
    (own_calls += (char *)__builtin_return_address(0) >= &__executable_start &&                    \
                  (char *)__builtin_return_address(0) < &etext)

void *malloc(size_t size)
{
    COUNT_OWN();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    COUNT_OWN();
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    COUNT_OWN();
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    COUNT_OWN();
    return __libc_memalign(align, size);
}
#endif

// ---- a random network of every operation

enum { SIDE = 8, CHANNELS = 8, IMAGES = 2, NODES = 24 };

typedef struct node {
    int kind, a, b; // readers of nodes a and b
    ak_param *w;
    ak_norm norm;
} node;

typedef struct network {
    ak_model model;
    node nodes[NODES];
    ak_param *head;
} network;

enum { CONV3, CONV1, NORM, NORM_RELU, NORM_ADD, RELU, KINDS };

static void build(network *n, uint32_t seed)
{
    ak_rng rng = ak_rng_at(seed, AK_RNG_BENCH, 1, 0, 0);

    ak_model_init(&n->model);
    for (int i = 0; i < NODES; i++) {
        node *x = &n->nodes[i];
        char name[32];

        snprintf(name, sizeof name, "n%d", i);
        x->kind = i == 0 ? CONV3 : (int)ak_rng_below(&rng, KINDS);
        // mostly the newest, sometimes one long ago: short and long lives, several readers
        x->a = i - 1 - (ak_rng_below(&rng, 3) ? 0 : (int)ak_rng_below(&rng, (uint32_t)(i ? i : 1)));
        x->b = i ? (int)ak_rng_below(&rng, (uint32_t)i) : 0;
        if (x->kind == CONV3 || x->kind == CONV1)
            x->w = ak_conv_weight(&n->model, name, CHANNELS, i ? CHANNELS : 3,
                                  x->kind == CONV3 ? 3 : 1);
        if (x->kind == NORM || x->kind == NORM_RELU || x->kind == NORM_ADD)
            x->norm = ak_norm_new(&n->model, name, CHANNELS, false);
    }
    n->head = ak_model_param(&n->model, "head", "weight", AK_ROLE_TRAINED, 2,
                             (const int64_t[]){ 16, CHANNELS }, AK_INIT_NORMAL, 0.5);
    ak_rig_ok(ak_model_allocate(&n->model));
    ak_model_seed(&n->model, seed);
}

static ak_tensor *record_node(ak_graph *g, const node *x, ak_tensor *const *t)
{
    switch (x->kind) {
    case CONV3:
        return ak_conv2d(g, t[x->a + 1], x->w, 1, 1);
    case CONV1:
        return ak_conv2d(g, t[x->a + 1], x->w, 1, 0);
    case NORM:
        return ak_batch_norm(g, t[x->a + 1], &x->norm, NULL, false);
    case NORM_RELU:
        return ak_batch_norm(g, t[x->a + 1], &x->norm, NULL, true);
    case NORM_ADD:
        return ak_batch_norm(g, t[x->a + 1], &x->norm, t[x->b + 1], true);
    default:
        return ak_relu(g, t[x->a + 1]);
    }
}

// t[0] is the image, t[i + 1] node i.  The last node, pooled, goes to the loss.
static ak_graph *record(network *n, const ak_world *world, ak_tensor *t[NODES + 1], float *gradient,
                        bool recompute)
{
    const int64_t shape[4] = { 2 * IMAGES, SIDE, SIDE, 3 };
    ak_graph *g = NULL;
    ak_tensor *y;

    ak_rig_ok(ak_graph_new(
        &g, world,
        (ak_graph_mode){ .training = true, .differentiate = gradient, .recompute = recompute }));
    ak_graph_set_gradient(g, gradient, 0);
    t[0] = ak_graph_input(g, 4, shape);
    for (int i = 0; i < NODES; i++)
        t[i + 1] = record_node(g, &n->nodes[i], t);
    y = ak_mean_pool(g, ak_max_pool(g, t[NODES]));
    y = ak_l2norm(g, ak_linear(g, y, n->head, NULL));
    ak_rig_ok(ak_graph_compile(g, ak_nt_xent(g, y, 0.5), NULL));
    return g;
}

static void set_input(ak_graph *g, const ak_tensor *x)
{
    for (int s = 0; s < g->world.local; s++)
        ak_rig_fill(ak_value(g, x, s), x->numel, (uint32_t)s, 1);
}

static void poison(ak_graph *g)
{
    for (int64_t i = 0; i < g->arena_size * g->world.local; i++)
        g->arena[i] = NAN;
}

// ---- the plan

typedef struct interval {
    int64_t at, size;
    int first, last;
} interval;

static int intervals_of(const ak_graph *g, interval *out)
{
    int count = 0;

    for (int i = 0; i < g->tensor_count; i++) {
        const ak_tensor *t = g->tensors[i];

        if (t->value_at >= 0)
            out[count++] = (interval){ t->value_at, t->numel, t->value_first, t->value_last };
        if (t->again && t->back_first >= 0)
            out[count++] = (interval){ t->again_at, t->numel, t->back_first, t->back_last };
        if (t->grad_at >= 0)
            out[count++] = (interval){ t->grad_at, t->numel, t->grad_first, t->grad_last };
    }
    return count;
}

static void check_intervals(const ak_graph *g)
{
    interval *all = ak_alloc((size_t)g->tensor_count * 3, sizeof *all);
    int count = intervals_of(g, all);

    for (int i = 0; i < count; i++) {
        ck_assert(all[i].at >= 0 && all[i].at + all[i].size <= g->arena_size);
        ck_assert_int_le(all[i].first, all[i].last);
        for (int j = 0; j < i; j++) {
            bool together = all[i].first <= all[j].last && all[j].first <= all[i].last;
            bool overlap =
                all[i].at < all[j].at + all[j].size && all[j].at < all[i].at + all[i].size;

            ck_assert_msg(!together || !overlap, "tensors %d and %d share memory while both live",
                          i, j);
        }
    }
    free(all);
}

// Gives every value and gradient a place of its own: the graph that cannot go wrong.
static int64_t spread_out(ak_graph *g)
{
    int64_t planned = g->arena_size, size = 0;

    for (int i = 0; i < g->tensor_count; i++) {
        ak_tensor *t = g->tensors[i];

        if (t->value_at >= 0) {
            t->value_at = t->first_at = t->again_at = size;
            size += (t->numel + 15) / 16 * 16;
        }
        if (t->grad_at >= 0) {
            t->grad_at = size;
            size += (t->numel + 15) / 16 * 16;
        }
    }
    free(g->arena);
    g->arena_size = size;
    g->arena = ak_try_alloc((size_t)g->world.local, (size_t)size * sizeof(float));
    ck_assert_ptr_nonnull(g->arena);
    return planned;
}

static double run(ak_graph *g, network *n, ak_tensor *const *t, float *buffers)
{
    double loss;

    set_input(g, t[0]);
    poison(g);
    memcpy(n->model.buffers, buffers, (size_t)n->model.buffer_size * sizeof(float));
    ak_graph_forward(g);
    loss = ak_graph_loss(g);
    ak_graph_backward(g);
    return loss;
}

enum { USUAL, RECOMPUTED, APART, WAYS };

START_TEST(live_tensors_never_overlap)
{
    for (uint32_t seed = 0; seed < 40; seed++) {
        ak_world world = ak_rig_world(2, 1);
        float *gradient[WAYS], *buffers;
        ak_tensor *t[NODES + 1];
        double loss[WAYS];
        network n = { 0 };

        ak_gemm_threads(1);
        build(&n, seed);
        buffers = ak_rig_values(n.model.buffer_size, 1, 1);
        for (int way = 0; way < WAYS; way++) {
            ak_graph *g;

            gradient[way] = ak_alloc((size_t)n.model.trained_size, sizeof(float));
            g = record(&n, &world, t, gradient[way], way == RECOMPUTED);
            check_intervals(g);
            if (way == APART)
                ck_assert_int_lt(spread_out(g), g->arena_size); // else nothing was shared
            loss[way] = run(g, &n, t, buffers);
            ak_graph_free(g);
        }
        for (int way = 0; way < APART; way++) {
            ck_assert_msg(isfinite(loss[way]) && loss[way] == loss[APART],
                          "seed %u, way %d: %.17g, apart %.17g", seed, way, loss[way], loss[APART]);
            ak_rig_same("gradient", gradient[way], gradient[APART], n.model.trained_size);
        }
        for (int way = 0; way < WAYS; way++)
            free(gradient[way]);
        free(buffers);
        ak_model_fini(&n.model);
        ak_comm_close(world.comm);
    }
}
END_TEST

START_TEST(what_is_kept_outlives_the_step)
{
    const int64_t shape[2] = { 4, 40 };
    ak_world world = ak_rig_world(2, 1);
    ak_graph *g = NULL;
    ak_tensor *x, *kept, *y;

    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ 0 }));
    x = ak_graph_input(g, 2, shape);
    kept = y = ak_relu(g, x);
    for (int i = 0; i < 6; i++)
        y = ak_l2norm(g, y);
    ak_rig_ok(ak_graph_compile(g, NULL, kept));
    set_input(g, x);
    ak_graph_forward(g);
    for (int s = 0; s < 2; s++)
        for (int64_t i = 0; i < x->numel; i++) {
            float v = ak_value(g, x, s)[i];

            ck_assert_float_eq(ak_value(g, kept, s)[i], v > 0 ? v : 0);
        }
    ak_graph_free(g);
    ak_comm_close(world.comm);
}
END_TEST

// ---- refusals

static ak_param *matrix(ak_model *m, const char *name)
{
    return ak_model_param(m, name, "weight", AK_ROLE_TRAINED, 2, (const int64_t[]){ 6, 6 },
                          AK_INIT_NORMAL, 1);
}

typedef struct setting {
    ak_world world;
    ak_model model;
    ak_param *w, *v;
    float gradient[2 * 72]; // two lanes
} setting;

static ak_graph *start(setting *s)
{
    ak_graph *g = NULL;

    ak_rig_ok(
        ak_graph_new(&g, &s->world, (ak_graph_mode){ .training = true, .differentiate = true }));
    ak_graph_set_gradient(g, s->gradient, s->model.trained_size);
    return g;
}

static setting make_setting(void)
{
    setting s = { .world = ak_rig_world(1, 1) };

    ak_model_init(&s.model);
    s.w = matrix(&s.model, "w");
    s.v = matrix(&s.model, "v");
    ak_rig_ok(ak_model_allocate(&s.model));
    ak_model_seed(&s.model, 1);
    return s;
}

static void end_setting(setting *s)
{
    ak_model_fini(&s->model);
    ak_comm_close(s->world.comm);
}

static ak_tensor *rows(ak_graph *g)
{
    return ak_graph_input(g, 2, (const int64_t[]){ 4, 6 });
}

// The gradient of a parameter that is read twice is the sum of its lanes.
START_TEST(a_parameter_read_twice_has_two_lanes)
{
    setting s = make_setting();
    ak_graph *g = start(&s);
    ak_tensor *x = rows(g), *y = ak_linear(g, ak_linear(g, x, s.w, NULL), s.w, NULL);
    const double h = 1e-2;

    ak_rig_ok(ak_graph_compile(g, ak_nt_xent(g, ak_l2norm(g, y), 1), NULL));
    ck_assert_int_eq(ak_graph_lanes(g), 2);
    set_input(g, x);
    ak_graph_forward(g);
    ak_graph_backward(g);
    for (int64_t i = 0; i < s.w->numel; i++) {
        double sum = (double)s.gradient[s.w->offset + i] +
                     (double)s.gradient[s.model.trained_size + s.w->offset + i];
        float w = s.w->value[i];
        double up, down;

        s.w->value[i] = w + (float)h;
        ak_graph_forward(g);
        up = ak_graph_loss(g);
        s.w->value[i] = w - (float)h;
        ak_graph_forward(g);
        down = ak_graph_loss(g);
        s.w->value[i] = w;
        ck_assert_double_le(fabs((up - down) / (2 * h) - sum), 2e-3);
    }
    for (int64_t i = 0; i < s.v->numel; i++)
        ck_assert_float_eq(s.gradient[s.v->offset + i], 0);
    ak_graph_free(g);
    end_setting(&s);
}
END_TEST

START_TEST(a_fixed_parameter_gets_no_gradient)
{
    setting s = make_setting();
    ak_graph *g = start(&s);
    ak_tensor *x = rows(g), *y;

    s.w->fixed = true;
    y = ak_linear(g, ak_linear(g, x, s.v, NULL), s.w, NULL);
    ak_rig_ok(ak_graph_compile(g, ak_nt_xent(g, ak_l2norm(g, y), 1), NULL));
    set_input(g, x);
    ak_graph_forward(g);
    ak_graph_backward(g);
    for (int64_t i = 0; i < s.w->numel; i++)
        ck_assert_float_eq(s.gradient[s.w->offset + i], 0);
    ck_assert_float_ne(s.gradient[s.v->offset], 0);
    ak_graph_free(g);
    end_setting(&s);
}
END_TEST

START_TEST(a_parameter_serves_the_next_graph)
{
    setting s = make_setting();

    for (int i = 0; i < 3; i++) {
        ak_graph *g = start(&s);
        ak_tensor *y = ak_linear(g, rows(g), s.w, NULL);

        if (i != 1) // a recording that is given up in between
            ak_rig_ok(ak_graph_compile(g, ak_nt_xent(g, y, 1), NULL));
        ak_graph_free(g);
    }
    end_setting(&s);
}
END_TEST

START_TEST(failures_are_sticky)
{
    setting s = make_setting();
    ak_graph *g = start(&s);
    ak_tensor *x = rows(g), *other = rows(g), *y;
    int ops;

    y = ak_join(g, (ak_tensor *const[]){ other, x }, 2, 1); // the first failure
    ops = g->op_count;
    y = ak_linear(g, y, s.w, NULL);
    y = ak_relu(g, ak_linear(g, y, s.w, NULL)); // would be the second
    y = ak_mean_pool(g, ak_max_pool(g, ak_conv2d(g, y, s.w, 1, 1)));
    y = ak_nt_xent(g, ak_l2norm(g, ak_join(g, (ak_tensor *const[]){ y, y }, 2, 1)), 1);
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(g->op_count, ops);
    (void)ak_fail(AKSSL_ERR_STATE, "another sentence");
    ak_rig_refused(ak_graph_compile(g, y, NULL), AKSSL_ERR_INTERNAL,
                   "joined inputs are not neighbours");
    ak_graph_free(g);
    end_setting(&s);
}
END_TEST

static void join_refused(int a, int b, int c)
{
    setting s = make_setting();
    ak_graph *g = start(&s);
    ak_tensor *x[4] = { rows(g), rows(g), rows(g), NULL };
    ak_tensor *y;

    x[3] = ak_relu(g, x[0]);
    y = ak_join(g, (ak_tensor *const[]){ x[a], x[b], x[c] }, 3, 1);
    ak_rig_refused(ak_graph_compile(g, ak_nt_xent(g, y, 1), NULL), AKSSL_ERR_INTERNAL,
                   "not neighbours");
    ak_graph_free(g);
    end_setting(&s);
}

START_TEST(a_join_of_strangers_is_refused)
{
    join_refused(0, 2, 1);
    join_refused(1, 0, 2);
    join_refused(0, 1, 1);
    join_refused(0, 1, 3); // no input
    join_refused(3, 0, 1);
}
END_TEST

START_TEST(a_join_is_its_inputs_in_order)
{
    setting s = make_setting();
    ak_graph *g = start(&s);
    ak_tensor *x[3] = { rows(g), rows(g), rows(g) }, *both = ak_join(g, x + 1, 2, 1), *y;

    ck_assert(both->dims == 2 && both->shape[0] == 8 && both->shape[1] == 6);
    y = ak_linear(g, both, s.w, NULL);
    ak_rig_ok(ak_graph_compile(g, ak_nt_xent(g, y, 1), NULL));
    ak_rig_fill(ak_value(g, x[1], 0), 24, 1, 1);
    ak_rig_fill(ak_value(g, x[2], 0), 24, 2, 1);
    ak_rig_same("join", ak_value(g, both, 0), ak_value(g, x[1], 0), 24);
    ak_rig_same("join", ak_value(g, both, 0) + 24, ak_value(g, x[2], 0), 24);
    ak_graph_free(g);
    end_setting(&s);
}
END_TEST

// A layer whose output the loss does not read gets no gradient, not what memory holds.
START_TEST(a_dead_branch_gets_no_gradient)
{
    setting s = make_setting();
    ak_graph *g = start(&s);
    ak_tensor *x = rows(g), *y = ak_linear(g, x, s.w, NULL);

    (void)ak_relu(g, ak_linear(g, y, s.v, NULL));
    ak_rig_ok(ak_graph_compile(g, ak_nt_xent(g, y, 1), NULL));
    set_input(g, x);
    poison(g);
    ak_graph_forward(g);
    ak_graph_backward(g);
    for (int i = 0; i < 36; i++) {
        ck_assert(isfinite(s.gradient[s.w->offset + i]) && s.gradient[s.w->offset + i] != 0);
        ck_assert(s.gradient[s.v->offset + i] == 0);
    }
    ak_graph_free(g);
    end_setting(&s);
}
END_TEST

START_TEST(nothing_to_train_is_no_backward)
{
    setting s = make_setting();
    ak_graph *g = NULL;
    ak_tensor *x;

    ak_rig_ok(ak_graph_new(&g, &s.world, (ak_graph_mode){ .training = true }));
    x = rows(g);
    ak_rig_ok(ak_graph_compile(g, ak_nt_xent(g, ak_linear(g, x, s.w, NULL), 1), NULL));
    set_input(g, x);
    ak_graph_forward(g);
    ak_graph_backward(g);
    ck_assert(isfinite(ak_graph_loss(g)));
    ak_graph_free(g);
    end_setting(&s);
}
END_TEST

// ---- a step

START_TEST(a_step_allocates_nothing)
{
    ak_world world = ak_rig_world(4, 1);
    float *gradient;
    ak_tensor *t[NODES + 1];
    network n = { 0 };
    ak_graph *g;
    size_t before;
    int own;

    build(&n, 3);
    gradient = ak_alloc((size_t)n.model.trained_size, sizeof(float));
    ck_assert(!COUNTS || own_calls > 0); // the counter counts
    g = record(&n, &world, t, gradient, false);
    set_input(g, t[0]);
    for (int i = 0; i < 3; i++) {
        ak_graph_forward(g);
        ak_graph_backward(g);
    }
    own = own_calls;
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (int i = 0; i < 50; i++) {
        ak_graph_forward(g);
        (void)ak_graph_loss(g);
        ak_graph_backward(g);
    }
    ck_assert_int_eq(own_calls, own);
    ck_assert_uint_eq(mallinfo2().uordblks + mallinfo2().hblkhd, before); // libraries' too
    ak_graph_free(g);
    free(gradient);
    ak_model_fini(&n.model);
    ak_comm_close(world.comm);
}
END_TEST

START_TEST(time_is_kept_by_kind)
{
    setting s = make_setting();
    ak_graph *g = start(&s);
    ak_tensor *x = rows(g);
    double all = 0;
    int kinds = 0;

    ak_rig_ok(ak_graph_compile(
        g, ak_nt_xent(g, ak_relu(g, ak_linear(g, ak_relu(g, x), s.w, NULL)), 1), NULL));
    set_input(g, x);
    ak_graph_forward(g);
    ak_graph_backward(g);
    for (; ak_graph_kind(g, kinds); kinds++)
        all += ak_graph_seconds(g, ak_graph_kind(g, kinds));
    ck_assert_int_eq(kinds, 3);
    ck_assert(all > 0 && fabs(all - ak_graph_seconds(g, NULL)) < 1e-9);
    ck_assert_int_gt(ak_graph_bytes(g), 0);
    ak_graph_free(g);
    end_setting(&s);
}
END_TEST

AK_TEST_MAIN(AK_CASE(live_tensors_never_overlap), AK_CASE(what_is_kept_outlives_the_step),
             AK_CASE(a_parameter_read_twice_has_two_lanes),
             AK_CASE(a_fixed_parameter_gets_no_gradient),
             AK_CASE(a_parameter_serves_the_next_graph), AK_CASE(failures_are_sticky),
             AK_CASE(a_join_of_strangers_is_refused), AK_CASE(a_join_is_its_inputs_in_order),
             AK_CASE(a_dead_branch_gets_no_gradient), AK_CASE(nothing_to_train_is_no_backward),
             AK_CASE(a_step_allocates_nothing), AK_CASE(time_is_kept_by_kind))
