// tests/unit/worker/tensor/op/attention.c -- tests worker/tensor/op/attention.c.

#include "tests/unit/worker/tensor/op/differences.h"

typedef struct shape {
    int64_t n, tokens, heads, d;
} shape;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    return ak_attention(g, x[0], ((const shape *)p->ctx)->heads);
}

// Where number i of part (0: Q, 1: K, 2: V) of a head's token is.
static int64_t at(const shape *s, int64_t n, int64_t h, int64_t part, int64_t token, int64_t i)
{
    return ((n * s->tokens + token) * 3 + part) * s->heads * s->d + h * s->d + i;
}

// A row of the softmax.
static void soften(const shape *s, const double *x, int64_t n, int64_t h, int64_t query, double *p)
{
    double sum = 0, most = -INFINITY;

    for (int64_t key = 0; key < s->tokens; key++) {
        p[key] = 0;
        for (int64_t i = 0; i < s->d; i++)
            p[key] += x[at(s, n, h, 0, query, i)] * x[at(s, n, h, 1, key, i)] / sqrt((double)s->d);
        most = fmax(most, p[key]);
    }
    for (int64_t key = 0; key < s->tokens; key++)
        sum += p[key] = exp(p[key] - most);
    for (int64_t key = 0; key < s->tokens; key++)
        p[key] /= sum;
}

static void formula(const ak_probe *probe, double *const x[], const double *trained, double *y)
{
    const shape *s = probe->ctx;
    double *p = ak_probe_zeros(s->tokens);

    (void)trained;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t h = 0; h < s->heads; h++)
            for (int64_t q = 0; q < s->tokens; q++) {
                soften(s, x[0], n, h, q, p);
                for (int64_t key = 0; key < s->tokens; key++)
                    for (int64_t i = 0; i < s->d; i++)
                        y[((n * s->tokens + q) * s->heads + h) * s->d + i] +=
                            p[key] * x[0][at(s, n, h, 2, key, i)];
            }
    free(p);
}

static void by_differences(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    ak_differences(p, formula, want);
}

// dS of one query, from the textbook: dS_j = P_j (dP_j - sum_k P_k dP_k).
static void back(const shape *s, const double *x, const double *p, const float *dy, int64_t n,
                 int64_t h, int64_t q, double *dx)
{
    double *dp = ak_probe_zeros(s->tokens), mean = 0, scale = 1 / sqrt((double)s->d);

    for (int64_t key = 0; key < s->tokens; key++) {
        for (int64_t i = 0; i < s->d; i++) {
            dp[key] += (double)dy[i] * x[at(s, n, h, 2, key, i)];
            dx[at(s, n, h, 2, key, i)] += p[key] * (double)dy[i];
        }
        mean += p[key] * dp[key];
    }
    for (int64_t key = 0; key < s->tokens; key++)
        for (int64_t i = 0; i < s->d; i++) {
            double ds = p[key] * (dp[key] - mean) * scale;

            dx[at(s, n, h, 0, q, i)] += ds * x[at(s, n, h, 1, key, i)];
            dx[at(s, n, h, 1, key, i)] += ds * x[at(s, n, h, 0, q, i)];
        }
    free(dp);
}

static void by_textbook(const ak_probe *probe, int shards, ak_probe_want *want)
{
    const shape *s = probe->ctx;
    double *x = ak_differences_copy(probe->x[0], ak_probe_numel(probe, 0));
    double *p = ak_probe_zeros(s->tokens);

    (void)shards;
    formula(probe, &x, NULL, want->y);
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t h = 0; h < s->heads; h++)
            for (int64_t q = 0; q < s->tokens; q++) {
                soften(s, x, n, h, q, p);
                back(s, x, p, probe->upstream + ((n * s->tokens + q) * s->heads + h) * s->d, n, h,
                     q, want->dx[0]);
            }
    free(x);
    free(p);
}

static void check_to(double tolerance, shape s, double bound,
                     void (*naive)(const ak_probe *, int, ak_probe_want *))
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &s,
                   .inputs = 1,
                   .dims = 3,
                   .shape = { { s.n, s.tokens, 3 * s.heads * s.d } },
                   .y_numel = s.n * s.tokens * s.heads * s.d,
                   .mode.training = true,
                   .tolerance = tolerance,
                   .half_tolerance = 2e-2 };

    p.x[0] = ak_rig_values(ak_probe_numel(&p, 0), 10, bound);
    ak_probe_check(&p);
}

static void check(shape s, double bound, void (*naive)(const ak_probe *, int, ak_probe_want *))
{
    check_to(4e-6, s, bound, naive);
}

START_TEST(against_differences)
{
    check((shape){ 4, 5, 2, 3 }, 2, by_differences);
    check((shape){ 4, 1, 1, 4 }, 2, by_differences); // a token alone: y = V
}
END_TEST

// Widths and numbers of tokens around those of the tiles, and above a block of queries.
START_TEST(against_the_textbook)
{
    check((shape){ 4, 5, 2, 3 }, 2, by_textbook); // as the differences above
    check((shape){ 4, 17, 3, 16 }, 2, by_textbook);
    check((shape){ 4, 48, 1, 35 }, 2, by_textbook);
    check((shape){ 4, 65, 3, 64 }, 2, by_textbook);
    check((shape){ 4, 257, 1, 20 }, 2, by_textbook);
}
END_TEST

// Scores of hundreds, whose last bits are of 3e-5, do not overflow; one key takes it all.
START_TEST(of_large_scores)
{
    check_to(1e-4, (shape){ 4, 33, 2, 16 }, 12, by_textbook);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_differences), AK_CASE(against_the_textbook), AK_CASE(of_large_scores))
