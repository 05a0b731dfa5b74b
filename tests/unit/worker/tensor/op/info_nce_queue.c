// tests/unit/worker/tensor/op/info_nce_queue.c -- tests worker/tensor/op/info_nce_queue.c.

#include "tests/unit/worker/tensor/op/differences.h"

enum { B = 12, D = 21, K = 53 };

static const uint32_t mixed[B] = { 5, 0, 11, 3, 7, 1, 2, 10, 4, 9, 8, 6 };

typedef struct loss {
    ak_queue_view view;
    double temperature;
} loss;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const loss *l = p->ctx;

    return ak_info_nce_queue(g, x[0], x[1], &l->view, l->temperature);
}

static double dot(const float *a, const float *b)
{
    double sum = 0;

    for (int c = 0; c < D; c++)
        sum += (double)a[c] * (double)b[c];
    return sum;
}

// The key of sample i: position p holds that of sample order[p].
static const float *key_of(const ak_probe *p, int i)
{
    const loss *l = p->ctx;

    for (int at = 0; at < B; at++)
        if ((l->view.order ? (int)l->view.order[at] : at) == i)
            return p->x[1] + at * D;
    ck_abort_msg("no key of sample %d", i);
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    const loss *l = p->ctx;
    double t = l->temperature, scale = (double)p->upstream[0] / (t * B);

    (void)shards;
    for (int i = 0; i < B; i++) {
        const float *q = p->x[0] + i * D, *k = key_of(p, i);
        double sum = 1, positive = dot(q, k) / t;

        for (int j = 0; j < K; j++)
            sum += exp(dot(q, l->view.rows + j * D) / t - positive);
        want->loss += log(sum) / B;
        for (int c = 0; c < D; c++)
            want->dx[0][i * D + c] = scale * (1 / sum - 1) * (double)k[c];
        for (int j = 0; j < K; j++) {
            double share = exp(dot(q, l->view.rows + j * D) / t - positive) / sum;

            for (int c = 0; c < D; c++)
                want->dx[0][i * D + c] += scale * share * (double)l->view.rows[j * D + c];
        }
    }
}

static float *unit_rows(int rows, uint32_t stream)
{
    float *x = ak_rig_values(rows * D, stream, 1);

    for (int r = 0; r < rows; r++) {
        double length = sqrt(dot(x + r * D, x + r * D));

        for (int c = 0; c < D; c++)
            x[r * D + c] = (float)((double)x[r * D + c] / length);
    }
    return x;
}

static ak_probe make(loss *l)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = l,
                   .inputs = 2,
                   .dims = 2,
                   .shape = { { B, D }, { B, D } },
                   .constant = { false, true },
                   .inexact = true,
                   .mode.training = true,
                   .tolerance = 1e-5 };

    p.x[0] = unit_rows(B, 1);
    p.x[1] = unit_rows(B, 2);
    l->view.rows = unit_rows(K, 3);
    l->view.length = K;
    return p;
}

static void end(loss *l)
{
    union {
        const float *in;
        float *own;
    } rows = { .in = l->view.rows };

    free(rows.own);
}

START_TEST(against_reference)
{
    static const double temperatures[] = { 0.07, 0.2, 1, 50 };

    for (int i = 0; i < 4; i++) {
        loss l = { .temperature = temperatures[i] };
        ak_probe p = make(&l);

        ak_probe_check(&p);
        end(&l);
    }
}
END_TEST

START_TEST(shuffled_keys)
{
    loss l = { .temperature = 0.2, .view.order = mixed };
    ak_probe p = make(&l);

    ak_probe_check(&p);
    end(&l);
}
END_TEST

START_TEST(gathers_keys_by_sample)
{
    const int64_t shape[2] = { B / 4, D };
    loss l = { .temperature = 0.2, .view.order = mixed };
    ak_probe p = make(&l);
    ak_world world = ak_rig_world(4, 1);
    ak_graph *g = NULL;
    ak_tensor *q, *k, *out;

    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
    q = ak_graph_input(g, 2, shape);
    k = ak_graph_input(g, 2, shape);
    out = ak_info_nce_queue(g, q, k, &l.view, 0.2);
    ak_rig_ok(ak_graph_compile(g, out, NULL));
    for (int s = 0; s < 4; s++) {
        memcpy(ak_value(g, q, s), p.x[0] + s * q->numel, (size_t)q->numel * sizeof(float));
        memcpy(ak_value(g, k, s), p.x[1] + s * k->numel, (size_t)k->numel * sizeof(float));
    }
    ak_graph_forward(g);
    for (int i = 0; i < B; i++)
        ak_rig_same("key", ak_gathered(out) + i * D, key_of(&p, i), D);
    ak_graph_free(g);
    ak_comm_close(world.comm);
    ak_probe_fini(&p);
    end(&l);
}
END_TEST

// A key that could take a gradient gets none, and its network neither: zeros, not leftovers.
static ak_tensor *record_trained_key(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const loss *l = p->ctx;
    ak_tensor *k = ak_linear(g, x[1], ak_model_find(&p->model, "k.weight"), NULL);

    return ak_info_nce_queue(g, x[0], ak_l2norm(g, k), &l->view, l->temperature);
}

START_TEST(no_gradient_to_the_key)
{
    const int64_t shape[2] = { D, D };
    loss l = { .temperature = 0.2 };
    ak_probe p = make(&l);
    ak_probe_result r;

    ak_model_init(&p.model);
    (void)ak_model_param(&p.model, "k", "weight", AK_ROLE_TRAINED, 2, shape, AK_INIT_ZERO, 0);
    ak_probe_model(&p);
    p.record = record_trained_key;
    ak_probe_init(&p);
    r = ak_probe_run(&p, 2, 1, false);
    for (int64_t i = 0; i < p.model.trained_size; i++)
        ck_assert_msg(r.gradient[i] == 0, "gradient[%lld] is %g", (long long)i,
                      (double)r.gradient[i]);
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
    end(&l);
}
END_TEST

// ---- both views

// The mean of each view's queries against the other view's keys and half of the queue.
static double both_formula(const ak_probe *p, int shards, double *const x[])
{
    const loss *l = p->ctx;
    double sum = 0;

    for (int v = 0; v < 2; v++)
        for (int64_t at = 0; at < B; at++) {
            const double *q = x[0] + ak_pair_row(B, shards, v, at) * D, *k = NULL;
            int64_t sample = v && l->view.order ? l->view.order[at] : at;
            double own, all = 1;

            for (int64_t i = 0; i < B; i++)
                if (sample == (!v && l->view.order ? l->view.order[i] : i))
                    k = x[1] + ak_pair_row(B, shards, 1 - v, i) * D;
            own = ak_pair_dot(q, k, D) / l->temperature;
            for (int j = 0; j < K; j++) {
                double s = 0;

                for (int c = 0; c < D; c++)
                    s += q[c] * (double)l->view.rows[j * 2 * D + (1 - v) * D + c];
                all += exp(s / l->temperature - own);
            }
            sum += log(all) / (2 * B);
        }
    return sum;
}

static void both_naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    ak_differences_of_loss(p, both_formula, shards, want);
}

static ak_probe make_both(loss *l)
{
    ak_probe p = make(l);

    end(l);
    free(p.x[0]);
    free(p.x[1]);
    p.x[0] = unit_rows(2 * B, 1);
    p.x[1] = unit_rows(2 * B, 2);
    l->view.rows = unit_rows(2 * K, 3);
    l->view.both = true;
    p.shape[0][0] = p.shape[1][0] = 2 * B;
    p.naive = both_naive;
    p.tolerance = 2e-5;
    return p;
}

START_TEST(both_views)
{
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        loss l = { .temperature = 0.2, .view.order = shuffled ? mixed : NULL };
        ak_probe p = make_both(&l);

        ak_probe_check(&p);
        end(&l);
    }
}
END_TEST

// A row of what is enqueued: the sample's key of view 0, then of view 1.
START_TEST(gathers_both_keys_by_sample)
{
    const int64_t shape[2] = { 2 * B / 4, D };
    loss l = { .temperature = 0.2, .view.order = mixed };
    ak_probe p = make_both(&l);
    ak_world world = ak_rig_world(4, 1);
    ak_graph *g = NULL;
    ak_tensor *q, *k, *out;

    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
    q = ak_graph_input(g, 2, shape);
    k = ak_graph_input(g, 2, shape);
    out = ak_info_nce_queue(g, q, k, &l.view, 0.2);
    ak_rig_ok(ak_graph_compile(g, out, NULL));
    for (int s = 0; s < 4; s++) {
        memcpy(ak_value(g, q, s), p.x[0] + s * q->numel, (size_t)q->numel * sizeof(float));
        memcpy(ak_value(g, k, s), p.x[1] + s * k->numel, (size_t)k->numel * sizeof(float));
    }
    ak_graph_forward(g);
    for (int64_t at = 0; at < B; at++) {
        ak_rig_same("key of view 0", ak_gathered(out) + at * 2 * D,
                    p.x[1] + ak_pair_row(B, 4, 0, at) * D, D);
        ak_rig_same("key of view 1", ak_gathered(out) + (mixed[at] * 2 + 1) * D,
                    p.x[1] + ak_pair_row(B, 4, 1, at) * D, D);
    }
    ak_graph_free(g);
    ak_comm_close(world.comm);
    ak_probe_fini(&p);
    end(&l);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(shuffled_keys), AK_CASE(gathers_keys_by_sample),
             AK_CASE(no_gradient_to_the_key), AK_CASE(both_views),
             AK_CASE(gathers_both_keys_by_sample))
