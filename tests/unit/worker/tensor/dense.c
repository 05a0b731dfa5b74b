// tests/unit/worker/tensor/dense.c -- tests worker/tensor/dense.c: each f, forward and backward,
// against the formulas in doubles; several blocks of rows, and the same bits for any threads.

#include "tests/unit/worker/rig.h"
#include "worker/tensor/dense.h"
#include "worker/tensor/kernel_vit.h"

enum { ROWS = 403, MOST = 150 };

typedef struct layer {
    ak_dense d;
    float *x, *w, *bias, *norm_w, *norm_b, *base, *dy; // given
    float *y, *dx, *norm, *dw, *dbias, *stats;         // results
} layer;

typedef struct wanted {
    double *u, *slope; // f(x); GELU's derivative
    double *y, *du, *dx, *norm, *dw, *dbias;
} wanted;

static double *zeros(int64_t n)
{
    return ak_alloc((size_t)n, sizeof(double));
}

static layer layer_new(int64_t in, int64_t out, bool norm, bool gelu)
{
    layer l = { .x = ak_rig_values(ROWS * in, 1, 3),
                .w = ak_rig_values(in * out, 2, 1),
                .bias = ak_rig_values(out, 3, 1),
                .norm_w = ak_rig_values(in, 4, 1),
                .norm_b = ak_rig_values(in, 5, 1),
                .base = ak_rig_values(ROWS * out, 6, 1),
                .dy = ak_rig_values(ROWS * out, 7, 1),
                .y = ak_rig_values(ROWS * out, 8, 1),
                .dx = ak_rig_values(ROWS * in, 9, 1),
                .norm = ak_rig_values(2 * in, 10, 1),
                .dw = ak_rig_values(in * out, 11, 1),
                .dbias = ak_rig_values(out, 12, 1),
                .stats = ak_rig_values(2 * ROWS, 13, 1) };

    l.d = (ak_dense){ .rows = ROWS,
                      .in = in,
                      .out = out,
                      .w = l.w,
                      .bias = l.bias,
                      .norm_w = norm ? l.norm_w : NULL,
                      .norm_b = norm ? l.norm_b : NULL,
                      .gelu = gelu,
                      .kernels = ak_dense_kernels_of(ak_isa_of_cpu(), false) };
    return l;
}

static void layer_free(layer *l)
{
    float *all[] = { l->x, l->w,  l->bias, l->norm_w, l->norm_b, l->base, l->dy,
                     l->y, l->dx, l->norm, l->dw,     l->dbias,  l->stats };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void run(layer *l, int threads, bool accumulate)
{
    bool norm = l->d.norm_w != NULL;
    float *room;

    l->d.threads = threads;
    room = ak_rig_values(ak_dense_room(&l->d), 14, 9);
    ak_dense_load(&l->d, false, room);
    ak_dense_forward(&l->d, l->y, norm ? l->stats : NULL, l->x, l->base, room);
    ak_rig_fill(l->dx, ROWS * l->d.in, 9, 1);
    ak_dense_load(&l->d, true, room);
    ak_dense_backward(&l->d, l->dx, accumulate, norm ? l->norm : NULL, l->dy, l->x,
                      norm ? l->stats : NULL, room);
    ak_dense_weights(&l->d, l->dw, l->dbias, l->dy, l->x, norm ? l->stats : NULL, room);
    free(room);
}

// ---- the formulas

static double inverse_of(const float *x, int64_t n, double *mean)
{
    double var = 0;

    *mean = 0;
    for (int64_t i = 0; i < n; i++)
        *mean += (double)x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        var += ((double)x[i] - *mean) * ((double)x[i] - *mean) / (double)n;
    return 1 / sqrt(var + AK_KERNEL_NORM_EPS);
}

static void apply(const layer *l, wanted *w, int64_t r)
{
    int64_t in = l->d.in;
    const float *x = l->x + r * in;
    double mean, inverse = inverse_of(x, in, &mean);

    for (int64_t i = 0; i < in; i++) {
        double at = (double)x[i], below = 0.5 * erfc(-at / sqrt(2));

        w->u[r * in + i] = l->d.gelu ? at * below : at;
        w->slope[r * in + i] =
            l->d.gelu ? below + at * exp(-at * at / 2) / sqrt(2 * acos(-1.0)) : 1;
        if (l->d.norm_w)
            w->u[r * in + i] = (at - mean) * inverse * (double)l->norm_w[i] + (double)l->norm_b[i];
    }
}

static void norm_back(const layer *l, wanted *w, int64_t r)
{
    int64_t in = l->d.in;
    const double *du = w->du + r * in;
    double mean, inverse = inverse_of(l->x + r * in, in, &mean), level = 0, along = 0;

    for (int64_t i = 0; i < in; i++) {
        double xhat = ((double)l->x[r * in + i] - mean) * inverse, g = du[i] * (double)l->norm_w[i];

        level += g / (double)in;
        along += g * xhat / (double)in;
        w->norm[i] += du[i] * xhat;
        w->norm[in + i] += du[i];
    }
    for (int64_t i = 0; i < in; i++) {
        double xhat = ((double)l->x[r * in + i] - mean) * inverse;

        w->dx[r * in + i] = (du[i] * (double)l->norm_w[i] - level - xhat * along) * inverse;
    }
}

static void define(const layer *l, wanted *w, bool accumulate)
{
    int64_t in = l->d.in, out = l->d.out;
    float *held = ak_rig_values(ROWS * in, 9, 1);

    for (int64_t r = 0; r < ROWS; r++) {
        apply(l, w, r);
        for (int64_t o = 0; o < out; o++) {
            double dy = (double)l->dy[r * out + o];
            double sum = (double)l->bias[o] + (double)l->base[r * out + o];

            for (int64_t i = 0; i < in; i++) {
                sum += (double)l->w[o * in + i] * w->u[r * in + i];
                w->du[r * in + i] += dy * (double)l->w[o * in + i];
                w->dw[o * in + i] += dy * w->u[r * in + i];
            }
            w->y[r * out + o] = sum;
            w->dbias[o] += dy;
        }
        for (int64_t i = 0; i < in; i++)
            w->dx[r * in + i] = w->du[r * in + i] * w->slope[r * in + i];
        if (l->d.norm_w)
            norm_back(l, w, r);
    }
    for (int64_t i = 0; i < ROWS * in && accumulate; i++)
        w->dx[i] += (double)held[i];
    free(held);
}

static void compare(const layer *l, bool accumulate)
{
    int64_t in = l->d.in, out = l->d.out;
    wanted w = { .u = zeros(ROWS * in),
                 .slope = zeros(ROWS * in),
                 .y = zeros(ROWS * out),
                 .du = zeros(ROWS * in),
                 .dx = zeros(ROWS * in),
                 .norm = zeros(2 * in),
                 .dw = zeros(in * out),
                 .dbias = zeros(out) };
    double *all[] = { w.u, w.slope, w.y, w.du, w.dx, w.norm, w.dw, w.dbias };

    define(l, &w, accumulate);
    ak_rig_close("y", l->y, w.y, ROWS * out, 1e-6);
    ak_rig_close("dx", l->dx, w.dx, ROWS * in, 2e-6);
    ak_rig_close("dw", l->dw, w.dw, in * out, 2e-6);
    ak_rig_close("dbias", l->dbias, w.dbias, out, 2e-6);
    if (l->d.norm_w)
        ak_rig_close("norm", l->norm, w.norm, 2 * in, 2e-6);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void check(int64_t in, int64_t out, bool norm, bool gelu)
{
    layer l = layer_new(in, out, norm, gelu), other = layer_new(in, out, norm, gelu);

    for (int accumulate = 0; accumulate < 2; accumulate++) {
        run(&l, 1, accumulate);
        compare(&l, accumulate);
        for (int threads = 2; threads < 6; threads++) {
            run(&other, threads, accumulate);
            ak_rig_same("y", l.y, other.y, ROWS * out);
            ak_rig_same("dx", l.dx, other.dx, ROWS * in);
            ak_rig_same("dw", l.dw, other.dw, in * out);
            ak_rig_same("dbias", l.dbias, other.dbias, out);
            ak_rig_same("norm", l.norm, other.norm, 2 * in);
        }
    }
    layer_free(&l);
    layer_free(&other);
}

START_TEST(alone)
{
    check(53, 70, false, false);
    check(MOST, 7, false, false);
}
END_TEST

START_TEST(behind_a_layer_norm)
{
    check(53, MOST, true, false);
    check(96, 33, true, false);
}
END_TEST

START_TEST(behind_gelu)
{
    check(MOST, 48, false, true);
    check(21, 40, false, true);
}
END_TEST

AK_TEST_MAIN(AK_CASE(alone), AK_CASE(behind_a_layer_norm), AK_CASE(behind_gelu))
