// tests/unit/worker/tensor/kernel.c -- tests the loops over floats: values, odd sizes, threads,
// NaN.

#include <float.h>

#include "tests/unit/worker/rig.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/kernel_optim.h"

// No multiples of a vector's lanes, of a kernel's piece, or of one another.
static const int64_t sizes[] = {
    1, 2, 7, 15, 16, 17, 31, 63, 65, 1000, 16383, 16384, 16385, 50021
};

enum { SIZES = sizeof sizes / sizeof *sizes, GUARD = 16 };

// ---- exp

static double relative_error(float x)
{
    float value[1] = { x };
    double want = exp((double)x);

    (void)ak_kernel_exp(value, 1, 0);
    return fabs((double)value[0] - want) / want;
}

START_TEST(exp_is_libms)
{
    double worst = 0;
    float vector[1024];

    for (double x = -80; x <= 80; x += 0.0037)
        worst = fmax(worst, relative_error((float)x));
    ck_assert_msg(worst < 2e-7, "relative error %g", worst); // as kernel.h says
    for (int i = 0; i < 1024; i++)
        vector[i] = (float)(i - 512) / 6.4f;
    (void)ak_kernel_exp(vector, 1024, 0); // the vector part as the scalar one
    for (int i = 0; i < 1024; i++) {
        double want = exp((double)((float)(i - 512) / 6.4f));

        ck_assert(fabs((double)vector[i] - want) <= 3e-7 * want);
    }
}
END_TEST

START_TEST(exp_of_extremes)
{
    float x[6] = { 0, -INFINITY, -1e30f, -FLT_MAX, 1e-30f, -1e-30f };

    (void)ak_kernel_exp(x, 6, 0);
    ck_assert(x[0] == 1 && x[4] == 1 && x[5] == 1);
    for (int i = 1; i < 4; i++)
        ck_assert(x[i] >= 0 && x[i] < 2e-38f);
    x[0] = NAN;
    ck_assert(isnan(ak_kernel_exp(x, 6, 0)) && isnan(x[0]) && !isnan(x[1]));
}
END_TEST

START_TEST(exp_sums_what_it_writes)
{
    for (int k = 0; k < SIZES; k++) {
        float *x = ak_rig_values(sizes[k], 1, 3), *y = ak_rig_values(sizes[k], 1, 3);
        double sum = 0, got = ak_kernel_exp(x, sizes[k], 1.5f);

        for (int64_t i = 0; i < sizes[k]; i++) {
            double want = exp((double)(y[i] - 1.5f));

            if (!(fabs((double)x[i] - want) <= 3e-7 * want))
                ck_abort_msg("exp of %.9g is %.9g", (double)(y[i] - 1.5f), (double)x[i]);
            sum += (double)x[i];
        }
        ck_assert_double_le(fabs(got - sum), 1e-6 * sum);
        free(x);
        free(y);
    }
}
END_TEST

START_TEST(max_of_rows)
{
    for (int k = 0; k < SIZES; k++) {
        float *x = ak_rig_values(sizes[k], 1, 3);

        for (int64_t at = 0; at < sizes[k]; at += 1 + sizes[k] / 5) {
            float before = x[at];

            x[at] = 4;
            ck_assert_float_eq(ak_kernel_max(x, sizes[k]), 4);
            x[at] = before;
        }
        free(x);
    }
}
END_TEST

// ---- element by element

// What a kernel makes of n elements: on one thread and on three, and nothing behind them.
typedef void (*elementwise)(float *y, const float *a, const float *b, int64_t n, int threads);

static void each(elementwise kernel, double (*want)(double y, double a, double b))
{
    for (int k = 0; k < SIZES; k++) {
        int64_t n = sizes[k];
        float *a = ak_rig_values(n, 1, 2), *b = ak_rig_values(n, 2, 2);
        float *one = ak_rig_values(n + GUARD, 3, 2), *three = ak_rig_values(n + GUARD, 3, 2);
        float *start = ak_rig_values(n + GUARD, 3, 2);

        kernel(one, a, b, n, 1);
        kernel(three, a, b, n, 3);
        ak_rig_same("by threads", one, three, n + GUARD);
        ak_rig_same("behind the end", one + n, start + n, GUARD);
        for (int64_t i = 0; i < n; i++) {
            double w = want((double)start[i], (double)a[i], (double)b[i]);

            if (!(fabs((double)one[i] - w) <= 3e-7 * (fabs(w) + 1)))
                ck_abort_msg("%lld of %lld: %.9g instead of %.9g", (long long)i, (long long)n,
                             (double)one[i], w);
        }
        free(a);
        free(b);
        free(one);
        free(three);
        free(start);
    }
}

static double want_add(double y, double a, double b)
{
    (void)y;
    return a + b;
}

static void call_average(float *y, const float *a, const float *b, int64_t n, int threads)
{
    (void)b;
    ak_kernel_average(y, a, 0.99, n, threads);
}

static double want_average(double y, double a, double b)
{
    (void)b;
    return 0.99 * y + 0.01 * a;
}

static void call_relu(float *y, const float *a, const float *b, int64_t n, int threads)
{
    (void)b;
    ak_kernel_relu(y, a, n, threads);
}

static double want_relu(double y, double a, double b)
{
    (void)y;
    (void)b;
    return a > 0 ? a : 0;
}

static void call_relu_backward(float *y, const float *a, const float *b, int64_t n, int threads)
{
    ak_kernel_relu_backward(y, a, b, n, false, threads);
}

static double want_relu_backward(double y, double a, double b)
{
    (void)y;
    return b > 0 ? a : 0;
}

static void call_relu_onto(float *y, const float *a, const float *b, int64_t n, int threads)
{
    ak_kernel_relu_backward(y, a, b, n, true, threads);
}

static double want_relu_onto(double y, double a, double b)
{
    return y + (b > 0 ? a : 0);
}

START_TEST(elementwise_kernels)
{
    each(ak_kernel_add, want_add);
    each(call_average, want_average);
    each(call_relu, want_relu);
    each(call_relu_backward, want_relu_backward);
    each(call_relu_onto, want_relu_onto);
}
END_TEST

START_TEST(nan_passes)
{
    float x[40], y[40], one[1] = { 1 }, none[1] = { 0 };

    for (int i = 0; i < 40; i++)
        x[i] = i % 3 ? -1 : NAN;
    ak_kernel_relu(y, x, 40, 1);
    for (int i = 0; i < 40; i++)
        ck_assert(i % 3 ? y[i] == 0 : isnan(y[i]));
    for (int i = 0; i < 40; i++)
        x[i] = 1;
    ak_kernel_relu_backward(y, x, y, 40, false, 1);
    for (int i = 0; i < 40; i++)
        ck_assert(i % 3 ? y[i] == 0
                        : y[i] == 1); // "not y <= 0": the upstream gradient comes through
    for (int i = 0; i < 40; i++)
        x[i] = i % 3 ? -1 : NAN;
    for (int i = 0; i < 40; i++) {
        ak_maps_single.normalize(y, x + i, NULL, one, none, 1, 1, true, 1);
        ck_assert(i % 3 ? y[0] == 0 : isnan(y[0]));
    }
}
END_TEST

// ---- batch norm

enum { PLACES = 200 }; // rows: three whole pieces and a part

static void norm_on(int64_t channels, int64_t rows)
{
    int64_t n = rows * channels, room_size = ak_kernel_room(rows, channels);
    float *x = ak_rig_values(n, 1, 2), *dy = ak_rig_values(n, 2, 2), *y = ak_rig_values(n, 3, 2);
    float *mean = ak_rig_values(channels, 4, 1), *inverse = ak_rig_values(channels, 5, 1);
    float *masked[2] = { ak_rig_values(n, 6, 1), ak_rig_values(n, 7, 1) };
    double *room = ak_alloc((size_t)room_size + 1, sizeof *room), *sums[2];

    for (int t = 0; t < 2; t++) {
        sums[t] = ak_alloc((size_t)channels * 2, sizeof(double));
        ak_maps_single.moments(x, rows, channels, sums[t], room, 1 + 2 * t);
    }
    ck_assert_mem_eq(sums[0], sums[1], (size_t)channels * 2 * sizeof(double));
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0, squares = 0;

        for (int64_t r = 0; r < rows; r++) {
            sum += (double)x[r * channels + c];
            squares += pow((double)x[r * channels + c], 2);
        }
        ck_assert(fabs(sums[0][c] - sum) <= 1e-5 * (double)rows);
        ck_assert(fabs(sums[0][channels + c] - squares) <= 1e-5 * (double)rows);
    }
    for (int t = 0; t < 2; t++)
        ak_maps_single.norm_sums(dy, y, x, mean, inverse, rows, channels, masked[t], sums[t], room,
                                 1 + 2 * t);
    ck_assert_mem_eq(sums[0], sums[1], (size_t)channels * 2 * sizeof(double));
    ak_rig_same("masked, by threads", masked[0], masked[1], n);
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0, along = 0;

        for (int64_t r = 0; r < rows; r++) {
            int64_t i = r * channels + c;
            double g = y[i] > 0 ? (double)dy[i] : 0;

            if ((double)masked[0][i] != g)
                ck_abort_msg("masked[%lld]", (long long)i);
            sum += g;
            along += g * ((double)x[i] - (double)mean[c]) * (double)inverse[c];
        }
        ck_assert(fabs(sums[0][c] - sum) <= 1e-5 * (double)rows);
        ck_assert(fabs(sums[0][channels + c] - along) <= 1e-5 * (double)rows);
    }
    for (int t = 0; t < 2; t++) {
        free(masked[t]);
        free(sums[t]);
    }
    free(x);
    free(dy);
    free(y);
    free(mean);
    free(inverse);
    free(room);
}

START_TEST(norm_sums)
{
    static const int64_t channels[] = { 1, 3, 63, 64, 65, 128, 200 };

    for (size_t k = 0; k < sizeof channels / sizeof *channels; k++) {
        norm_on(channels[k], PLACES);
        norm_on(channels[k], AK_KERNEL_ROWS);
        norm_on(channels[k], 1);
    }
}
END_TEST

static void norm_apply_on(int64_t channels, bool relu, bool add, bool accumulate)
{
    int64_t n = PLACES * channels;
    float *x = ak_rig_values(n, 1, 2), *other = ak_rig_values(n, 2, 2);
    float *a = ak_rig_values(channels, 4, 1), *b = ak_rig_values(channels, 5, 1);
    float *k = ak_rig_values(channels, 6, 1), *y[2], *dx[2];
    double *want = ak_alloc((size_t)n, sizeof *want);

    for (int t = 0; t < 2; t++) {
        y[t] = ak_rig_values(n, 7, 1);
        dx[t] = ak_rig_values(n, 8, 1);
        ak_maps_single.normalize(y[t], x, add ? other : NULL, a, b, PLACES, channels, relu,
                                 1 + 2 * t);
        ak_maps_single.norm_backward(dx[t], other, relu ? y[t] : NULL, x, a, b, k, PLACES, channels,
                                     accumulate, 1 + 2 * t);
    }
    ak_rig_same("y, by threads", y[0], y[1], n);
    ak_rig_same("dx, by threads", dx[0], dx[1], n);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = i % channels;

        want[i] = (double)x[i] * (double)a[c] + (double)b[c] + (add ? (double)other[i] : 0);
        want[i] = relu && want[i] < 0 ? 0 : want[i];
    }
    ak_rig_close("y", y[0], want, n, 1e-6);
    free(dx[1]);
    dx[1] = ak_rig_values(n, 8, 1);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = i % channels;
        double g = relu && y[0][i] <= 0 ? 0 : (double)other[i];

        want[i] = (double)a[c] * g + (double)b[c] * (double)x[i] + (double)k[c] +
                  (accumulate ? (double)dx[1][i] : 0);
    }
    ak_rig_close("dx", dx[0], want, n, 1e-6);
    for (int t = 0; t < 2; t++) {
        free(y[t]);
        free(dx[t]);
    }
    free(x);
    free(other);
    free(a);
    free(b);
    free(k);
    free(want);
}

START_TEST(norm_applied)
{
    for (int bits = 0; bits < 8; bits++) {
        norm_apply_on(67, bits & 1, bits & 2, bits & 4);
        norm_apply_on(16, bits & 1, bits & 2, bits & 4);
    }
}
END_TEST

// ---- columns

START_TEST(columns)
{
    for (int64_t channels = 1; channels < 80; channels += 13) {
        enum { ROWS = 137 };
        float *x = ak_rig_values(ROWS * channels, 1, 2), *y = ak_rig_values(ROWS * channels, 1, 2);
        float *bias = ak_rig_values(channels, 2, 2), *sums = ak_rig_values(channels, 3, 2);
        double *want = ak_alloc((size_t)channels, sizeof *want);
        float *room = ak_rig_values(ak_kernel_columns_room(ROWS, channels), 4, 1);

        ak_kernel_add_bias(y, bias, ROWS, channels, 2);
        ak_kernel_column_sums(sums, room, x, ROWS, channels, 2);
        for (int64_t i = 0; i < ROWS * channels; i++) {
            ck_assert(y[i] == x[i] + bias[i % channels]);
            want[i % channels] += (double)x[i];
        }
        ak_rig_close("column sums", sums, want, channels, 1e-5);
        free(x);
        free(y);
        free(bias);
        free(room);
        free(sums);
        free(want);
    }
}
END_TEST

// ---- optimisers

typedef struct state {
    float *w, *m, *v, *g;
} state;

static state make_state(int64_t n)
{
    return (state){ ak_rig_values(n + GUARD, 1, 1), ak_rig_values(n + GUARD, 2, 1),
                    ak_rig_values(n + GUARD, 3, 1), ak_rig_values(n + GUARD, 4, 1) };
}

static void end_state(state *s)
{
    free(s->w);
    free(s->m);
    free(s->v);
    free(s->g);
}

static void same_state(const state *a, const state *b, int64_t n)
{
    ak_rig_same("w, by threads", a->w, b->w, n + GUARD);
    ak_rig_same("m, by threads", a->m, b->m, n + GUARD);
    ak_rig_same("v, by threads", a->v, b->v, n + GUARD);
}

START_TEST(sgd)
{
    for (int k = 0; k < SIZES; k++) {
        int64_t n = sizes[k];
        state s[3] = { make_state(n), make_state(n), make_state(n) };
        double *w = ak_alloc((size_t)n, sizeof *w), *m = ak_alloc((size_t)n, sizeof *m);

        for (int t = 0; t < 2; t++)
            ak_kernel_sgd(s[t].w, s[t].m, s[t].g, 0.1f, 0.9f, 0.01f, n, 1 + 2 * t);
        same_state(&s[0], &s[1], n);
        ak_rig_same("behind the end", s[0].w + n, s[2].w + n, GUARD);
        for (int64_t i = 0; i < n; i++) {
            m[i] = 0.9 * (double)s[2].m[i] + (double)s[2].g[i] + 0.01 * (double)s[2].w[i];
            w[i] = (double)s[2].w[i] - 0.1 * m[i];
        }
        ak_rig_close("momentum", s[0].m, m, n, 5e-7);
        ak_rig_close("w", s[0].w, w, n, 5e-7);
        for (int t = 0; t < 3; t++)
            end_state(&s[t]);
        free(w);
        free(m);
    }
}
END_TEST

START_TEST(adam)
{
    const double c1 = 1 - pow(0.9, 3), c2 = 1 - pow(0.999, 3);

    for (int k = 0; k < SIZES; k++) {
        int64_t n = sizes[k];
        state s[3] = { make_state(n), make_state(n), make_state(n) };
        double *step = ak_alloc((size_t)n, sizeof *step);
        double *m = ak_alloc((size_t)n, sizeof *m), *v = ak_alloc((size_t)n, sizeof *v);
        float *taken = ak_alloc((size_t)n, sizeof *taken);

        for (int t = 0; t < 3; t++)
            for (int64_t i = 0; i < n + GUARD; i++)
                s[t].v[i] *= 0.01f * s[t].v[i]; // squares
        for (int t = 0; t < 2; t++)
            ak_kernel_adam(s[t].w, s[t].m, s[t].v, s[t].g, 0.5, 0.9, 0.999, 1e-8f, 0.01f, c1, c2, n,
                           1 + 2 * t);
        same_state(&s[0], &s[1], n);
        ak_rig_same("behind the end", s[0].w + n, s[2].w + n, GUARD);
        for (int64_t i = 0; i < n; i++) {
            double d = (double)s[2].g[i] + 0.01 * (double)s[2].w[i];

            m[i] = 0.9 * (double)s[2].m[i] + 0.1 * d;
            v[i] = 0.999 * (double)s[2].v[i] + 0.001 * d * d;
            step[i] = 0.5 * m[i] / c1 / (sqrt(v[i] / c2) + 1e-8);
            taken[i] = s[2].w[i] - s[0].w[i];
        }
        ak_rig_close("exp_avg", s[0].m, m, n, 1e-6);
        ak_rig_close("exp_avg_sq", s[0].v, v, n, 1e-6);
        ak_rig_close("step", taken, step, n, 1e-6);
        for (int t = 0; t < 3; t++)
            end_state(&s[t]);
        free(step);
        free(m);
        free(v);
        free(taken);
    }
}
END_TEST

// From nothing, the first step is lr in the gradient's direction, however small the gradient.
START_TEST(adam_starts_with_whole_steps)
{
    float w[5] = { 0 }, m[5] = { 0 }, v[5] = { 0 }, g[5] = { 1e-3f, -1e-4f, 3, -700, 0 };

    ak_kernel_adam(w, m, v, g, 0.25, 0.9, 0.999, 1e-8f, 0, 1 - 0.9, 1 - 0.999, 5, 1);
    for (int i = 0; i < 4; i++)
        ck_assert_double_le(fabs((double)w[i] + (g[i] > 0 ? 0.25 : -0.25)), 0.25 * 2e-4);
    ck_assert(w[4] == 0);
}
END_TEST

// A channel that hardly varies: its variance is not lost beside its mean.
START_TEST(moments_of_what_is_nearly_constant)
{
    enum { CHANNELS = 70 };
    float *x = ak_rig_values(PLACES * CHANNELS, 1, 1);
    double *room = ak_alloc((size_t)ak_kernel_room(PLACES, CHANNELS), sizeof *room);
    double sums[2 * CHANNELS];

    for (int i = 0; i < PLACES * CHANNELS; i++)
        x[i] = 1000 + x[i];
    ak_maps_single.moments(x, PLACES, CHANNELS, sums, room, 1);
    for (int c = 0; c < CHANNELS; c++) {
        double mean = 0, var = 0, got = sums[c] / PLACES;

        for (int r = 0; r < PLACES; r++)
            mean += (double)x[r * CHANNELS + c] / PLACES;
        for (int r = 0; r < PLACES; r++)
            var += pow((double)x[r * CHANNELS + c] - mean, 2) / PLACES;
        ck_assert_double_le(fabs(got - mean), 1e-6);
        ck_assert_double_le(fabs(sums[CHANNELS + c] / PLACES - got * got - var), 1e-5 * var);
    }
    free(room);
    free(x);
}
END_TEST

AK_TEST_MAIN(AK_CASE(exp_is_libms), AK_CASE(exp_of_extremes), AK_CASE(exp_sums_what_it_writes),
             AK_CASE(max_of_rows), AK_CASE(elementwise_kernels), AK_CASE(nan_passes),
             AK_CASE(norm_sums), AK_CASE(norm_applied), AK_CASE(moments_of_what_is_nearly_constant),
             AK_CASE(columns), AK_CASE(sgd), AK_CASE(adam), AK_CASE(adam_starts_with_whole_steps))
