// tests/unit/worker/tensor/dense/rows.c -- tests worker/tensor/dense/bf16_rows.c against the
// definitions in double; nothing is to be tested on a CPU without AVX512_BF16.

#include <math.h>

#include "tests/unit/worker/rig.h"
#include "worker/tensor/dense/dense.h"
#include "worker/tensor/half.h"
#include "worker/tensor/isa.h"

#define EPS 1e-6
#define ROUNDS 5e-3 // of the greatest value: bf16 rounds by 4e-3

enum { ROWS = 5, MOST = 100, ROW = 112, ROOM = ROWS * ROW, MARK = 7 };

typedef struct numbers {
    ak_half x[ROOM], y[ROOM], dx[ROOM];
    float floats[ROOM], dy[ROOM], w[MOST], b[MOST], stats[2 * ROWS], sums[2 * MOST];
    double want[ROOM], want_sums[2 * MOST];
} numbers;

static const ak_dense_rows *loops(void)
{
#ifdef __x86_64__
    if (ak_isa_has_bf16())
        return &ak_dense_rows_bf16;
#endif
    return NULL;
}

static double at(const numbers *t, int64_t i)
{
    return (double)ak_half_get(t->x[i]);
}

static void fill(numbers *t, double wide)
{
    ak_rig_fill(t->floats, ROOM, 1, 1);
    for (int i = 0; i < ROOM; i++)
        t->x[i] = ak_half_of(t->floats[i] * (float)wide);
    ak_rig_fill(t->dy, ROOM, 2, 1);
    ak_rig_fill(t->w, MOST, 3, 1);
    ak_rig_fill(t->b, MOST, 4, 1);
    for (int i = 0; i < ROOM; i++)
        t->y[i] = t->dx[i] = ak_half_of(MARK);
}

static void close_to(const char *what, numbers *t, const ak_half *got, int64_t n)
{
    ak_half_widen(t->floats, got, ROOM);
    ak_rig_close(what, t->floats, t->want, n, ROUNDS);
    for (int64_t i = n; i < ROOM; i++)
        ck_assert_msg(t->floats[i] == MARK, "%s: something was written behind it", what);
}

static void norm_wanted(numbers *t, int64_t width)
{
    for (int64_t r = 0; r < ROWS; r++) {
        double mean = 0, spread = 0;

        for (int64_t i = 0; i < width; i++)
            mean += at(t, r * width + i) / (double)width;
        for (int64_t i = 0; i < width; i++)
            spread += pow(at(t, r * width + i) - mean, 2) / (double)width;
        for (int64_t i = 0; i < width; i++)
            t->want[r * width + i] =
                (at(t, r * width + i) - mean) / sqrt(spread + EPS) * (double)t->w[i] +
                (double)t->b[i];
    }
}

// dx and the sums, from the stats that norm left.
static void norm_back_wanted(numbers *t, int64_t width)
{
    memset(t->want_sums, 0, sizeof t->want_sums);
    for (int64_t r = 0; r < ROWS; r++) {
        double inverse = (double)t->stats[2 * r + 1], level = 0, along = 0;

        for (int64_t i = 0; i < width; i++) {
            double dy = (double)t->dy[r * width + i], g = dy * (double)t->w[i];
            double xhat = (at(t, r * width + i) - (double)t->stats[2 * r]) * inverse;

            level += g / (double)width;
            along += g * xhat / (double)width;
            t->want_sums[i] += dy * xhat;
            t->want_sums[width + i] += dy;
        }
        for (int64_t i = 0; i < width; i++) {
            double g = (double)t->dy[r * width + i] * (double)t->w[i];
            double xhat = (at(t, r * width + i) - (double)t->stats[2 * r]) * inverse;

            t->want[r * width + i] = (g - level - xhat * along) * inverse;
        }
    }
}

static void check_norm(numbers *t, int64_t width)
{
    const ak_dense_rows *rows = loops();
    int64_t from = width / 3, n = ROWS * width;

    fill(t, 3);
    rows->norm(t->y, t->stats, t->x, t->w, t->b, ROWS, width, EPS);
    norm_wanted(t, width);
    close_to("norm", t, t->y, n);
    rows->norm_again(t->dx, t->x, t->stats, t->w, t->b, ROWS, width, from, width);
    for (int64_t r = 0; r < ROWS; r++)
        ck_assert(memcmp(t->dx + r * (width - from), t->y + r * width + from,
                         (size_t)(width - from) * sizeof *t->y) == 0);

    norm_back_wanted(t, width);
    fill(t, 3);
    rows->norm_backward(t->dx, t->sums, t->dy, t->x, t->stats, t->w, ROWS, width, false);
    close_to("dx", t, t->dx, n);
    ak_rig_close("sums", t->sums, t->want_sums, 2 * width, 1e-5);
    rows->norm_backward(t->dx, NULL, t->dy, t->x, t->stats, t->w, ROWS, width, true);
    for (int64_t i = 0; i < n; i++)
        t->want[i] *= 2;
    close_to("dx and dx", t, t->dx, n);
}

START_TEST(layer_norm)
{
    static numbers t;

    if (!loops())
        return;
    check_norm(&t, MOST);
    check_norm(&t, 96);
    check_norm(&t, 3);
}
END_TEST

static void check_gelu(numbers *t, int64_t n, double wide)
{
    const ak_dense_rows *rows = loops();

    fill(t, wide);
    rows->gelu(t->y, t->x, n);
    for (int64_t i = 0; i < n; i++)
        t->want[i] = at(t, i) * erfc(-at(t, i) * M_SQRT1_2) / 2;
    close_to("gelu", t, t->y, n);
    fill(t, wide);
    rows->gelu_backward(t->dx, t->dy, t->x, n, false);
    for (int64_t i = 0; i < n; i++)
        t->want[i] =
            (double)t->dy[i] * (erfc(-at(t, i) * M_SQRT1_2) / 2 +
                                at(t, i) * exp(-at(t, i) * at(t, i) / 2) * M_SQRT1_2 / sqrt(M_PI));
    close_to("gelu's dx", t, t->dx, n);
    rows->gelu_backward(t->dx, t->dy, t->x, n, true);
    for (int64_t i = 0; i < n; i++)
        t->want[i] *= 2;
    close_to("gelu's dx and dx", t, t->dx, n);
}

START_TEST(gelu)
{
    static numbers t;

    if (!loops())
        return;
    check_gelu(&t, ROOM - 1, 1);
    check_gelu(&t, 48, 10);
    check_gelu(&t, 7, 100);
}
END_TEST

// The numbers behind n in a row are zeros up to a whole vector.
static void check_softmax(numbers *t, int64_t n)
{
    const ak_dense_rows *rows = loops();
    float scores[ROOM], dp[ROOM], inverse[ROWS], logs[ROWS];

    fill(t, 1);
    ak_rig_fill(scores, ROOM, 5, 1);
    ak_rig_fill(dp, ROOM, 6, 1);
    rows->softmax(t->y, inverse, logs, scores, ROWS, ROW, n, 9);
    ak_half_widen(t->floats, t->y, ROOM);
    for (int64_t r = 0; r < ROWS; r++) {
        double most = -INFINITY, sum = 0, down = 0, p[MOST], ds[MOST];
        float got[MOST];

        for (int64_t i = 0; i < n; i++)
            most = fmax(most, (double)scores[r * ROW + i]);
        for (int64_t i = 0; i < n; i++)
            sum += exp(9 * ((double)scores[r * ROW + i] - most));
        ck_assert_double_eq_tol((double)logs[r], 9 * most + log(sum), 1e-5);
        for (int64_t i = 0; i < n; i++) {
            p[i] = exp(9 * ((double)scores[r * ROW + i] - most)) / sum;
            down += p[i] * (double)dp[r * ROW + i];
            got[i] = t->floats[r * ROW + i] * inverse[r];
        }
        ak_rig_close("softmax", got, p, n, ROUNDS);
        for (int64_t i = 0; i < n; i++)
            ds[i] = p[i] * ((double)dp[r * ROW + i] - down) * 9;
        for (int64_t i = n; i < (n + 15) / 16 * 16; i++)
            ck_assert(t->floats[r * ROW + i] == 0);
        rows->softmax_backward(t->dx, t->y, scores + r * ROW, dp + r * ROW, logs + r, 1, ROW, n, 9);
        ak_half_widen(got, t->dx, n);
        ak_rig_close("the same softmax", got, p, n, ROUNDS);
        ak_half_widen(got, t->y, n);
        ak_rig_close("ds", got, ds, n, ROUNDS);
    }
}

START_TEST(softmax)
{
    static numbers t;

    if (!loops())
        return;
    check_softmax(&t, MOST);
    check_softmax(&t, 96);
    check_softmax(&t, 2);
}
END_TEST

AK_TEST_MAIN(AK_CASE(layer_norm), AK_CASE(gelu), AK_CASE(softmax))
