// tests/unit/worker/tensor/op/swav_codes.c -- tests worker/tensor/op/swav_codes.c.
//
// The reference works with the matrix of the paper, in doubles, as in SwAV's Algorithm 1.

#include "tests/unit/worker/tensor/op/probe.h"

enum { B = 12, D = 8, K = 21, VIEWS = 3 };

typedef struct codes {
    ak_swav_queue queue;
    double entropy, usage; // as the reference has them
} codes;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    union {
        const void *in;
        codes *out;
    } c = { .in = p->ctx };

    return ak_swav_codes(g, x[0], x[0]->shape[0] / VIEWS, &c.out->queue);
}

static int row_of(int shards, int views, int v, int i)
{
    int images = B / shards;

    return (i / images * views + v) * images + i % images;
}

static void sinkhorn(double *q, int n, int64_t iterations)
{
    for (int64_t t = 0; t < iterations; t++) {
        for (int k = 0; k < K; k++) {
            double sum = 0;

            for (int i = 0; i < n; i++)
                sum += q[i * K + k];
            for (int i = 0; i < n; i++)
                q[i * K + k] /= sum * K;
        }
        for (int i = 0; i < n; i++) {
            double sum = 0;

            for (int k = 0; k < K; k++)
                sum += q[i * K + k];
            for (int k = 0; k < K; k++)
                q[i * K + k] /= sum * n;
        }
    }
    for (int i = 0; i < n * K; i++)
        q[i] *= n;
}

static void scores_of(const codes *c, const ak_probe *p, int shards, int view, double *q)
{
    for (int i = 0; i < B; i++)
        for (int k = 0; k < K; k++)
            q[i * K + k] =
                exp((double)p->x[0][row_of(shards, VIEWS, view, i) * K + k] / c->queue.epsilon);
    for (int64_t j = 0; c->queue.used && j < c->queue.length; j++)
        for (int k = 0; k < K; k++) {
            double s = 0;

            for (int d = 0; d < D; d++)
                s += (double)c->queue.rows[(2 * j + view) * D + d] *
                     (double)c->queue.prototypes->value[k * D + d];
            q[(B + j) * K + k] = exp(s / c->queue.epsilon);
        }
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    union {
        const void *in;
        codes *out;
    } c = { .in = p->ctx };
    int n = B + (c.out->queue.used ? (int)c.out->queue.length : 0);
    double *q = ak_alloc((size_t)(n * K), sizeof *q), used[K] = { 0 };

    c.out->entropy = c.out->usage = 0;
    for (int view = 0; view < 2; view++) {
        scores_of(c.out, p, shards, view, q);
        sinkhorn(q, n, c.out->queue.iterations);
        for (int i = 0; i < B * K; i++) {
            want->y[row_of(shards, 2, view, i / K) * K + i % K] = q[i];
            used[i % K] += q[i] / (2 * B);
            c.out->entropy -= q[i] > 0 ? q[i] * log(q[i]) / (2 * B) : 0;
        }
    }
    for (int k = 0; k < K; k++)
        c.out->usage -= used[k] > 0 ? used[k] * log(used[k]) : 0;
    c.out->usage = exp(c.out->usage) / K;
    free(q);
}

static void unit_rows(float *rows, int64_t count)
{
    for (int64_t r = 0; r < count; r++, rows += D) {
        double sum = 0;

        for (int i = 0; i < D; i++)
            sum += (double)rows[i] * (double)rows[i];
        for (int i = 0; i < D; i++)
            rows[i] = (float)((double)rows[i] / sqrt(sum));
    }
}

static void check(double epsilon, int64_t iterations, int64_t length, bool used)
{
    const int64_t shape[2] = { K, D };
    float *rows = ak_rig_values(2 * length * D, 4, 1);
    codes c = { .queue = { .epsilon = epsilon,
                           .iterations = iterations,
                           .rows = rows,
                           .length = length,
                           .used = used } };
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &c,
                   .inputs = 1,
                   .dims = 2,
                   .shape = { { VIEWS * B, K } },
                   .y_numel = 2 * B * K,
                   .constant = { true },
                   .inexact = true,
                   .mode.training = true,
                   .tolerance = 2e-5 };

    unit_rows(rows, 2 * length);
    ak_model_init(&p.model);
    c.queue.prototypes =
        ak_model_param(&p.model, "c", "weight", AK_ROLE_TRAINED, 2, shape, AK_INIT_ZERO, 0);
    ak_probe_model(&p);
    unit_rows(p.model.trained, K);
    p.x[0] = ak_rig_values(VIEWS * B * K, 8, 1);
    ak_probe_init(&p);
    for (int shards = 1; shards <= 4; shards *= 2) {
        ak_probe_check_on(&p, shards);
        ck_assert_msg(fabs(c.queue.entropy - c.entropy) <= 1e-5 * (1 + c.entropy),
                      "entropy %.9g instead of %.9g", c.queue.entropy, c.entropy);
        ck_assert_msg(fabs(c.queue.usage - c.usage) <= 1e-5, "usage %.9g instead of %.9g",
                      c.queue.usage, c.usage);
    }
    ak_probe_fini(&p);
    free(rows);
}

START_TEST(of_a_batch)
{
    check(0.05, 3, 0, false);
    check(0.5, 1, 0, false);
    check(2, 10, 0, false);
}
END_TEST

START_TEST(with_a_queue)
{
    check(0.05, 3, 36, true);
    check(0.2, 2, 1, true);  // shorter than the shards
    check(0.2, 3, 37, true); // and not divisible by them
}
END_TEST

START_TEST(queue_not_yet_used)
{
    check(0.05, 3, 36, false);
}
END_TEST

START_TEST(sharpest)
{
    check(0.025, 3, 36, true);
    check(0.025, 100, 0, false);
}
END_TEST

// All alike in, all alike out; rows add up to 1.
START_TEST(even_scores)
{
    const int64_t shape[2] = { 2 * B, K }, c[2] = { K, D };
    ak_swav_queue queue = { .epsilon = 0.05, .iterations = 3 };
    ak_world world = ak_rig_world(1, 1);
    ak_graph *g = NULL;
    ak_tensor *s, *q;
    ak_model m;

    ak_model_init(&m);
    queue.prototypes = ak_model_param(&m, "c", "weight", AK_ROLE_TRAINED, 2, c, AK_INIT_ZERO, 0);
    ak_rig_ok(ak_model_allocate(&m));
    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
    s = ak_graph_input(g, 2, shape);
    q = ak_swav_codes(g, s, B, &queue);
    ak_rig_ok(ak_graph_compile(g, NULL, q));
    for (int i = 0; i < 2 * B * K; i++)
        ak_value(g, s, 0)[i] = 0.7f;
    ak_graph_forward(g);
    for (int i = 0; i < 2 * B * K; i++)
        ck_assert_double_le(fabs((double)ak_value(g, q, 0)[i] * K - 1), 1e-6);
    ck_assert_double_le(fabs(queue.entropy - log(K)), 1e-6);
    ck_assert_double_le(fabs(queue.usage - 1), 1e-6);
    ak_graph_free(g);
    ak_model_fini(&m);
    ak_comm_close(world.comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(of_a_batch), AK_CASE(with_a_queue), AK_CASE(queue_not_yet_used),
             AK_CASE(sharpest), AK_CASE(even_scores))
