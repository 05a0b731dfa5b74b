// tests/unit/worker/tensor/dense/kernels.c -- tests worker/tensor/dense, each instruction set that
// this CPU has, against the definition in double.

#include "tests/unit/worker/rig.h"
#include "worker/tensor/dense/dense.h"
#include "worker/tensor/half.h"
#include "worker/tensor/isa.h"

enum { MOST = 101, ROOM = (MOST + 64) * (MOST + 64), PAD = 5 };

static const ak_dense_kernels *kernels_at(int i)
{
    const ak_dense_kernels *all[4] = { &ak_dense_plain };
    int count = 1;

#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        all[count++] = &ak_dense_avx2;
    if (__builtin_cpu_supports("avx512f"))
        all[count++] = &ak_dense_avx512;
    if (ak_isa_has_bf16())
        all[count++] = &ak_dense_bf16;
#endif
    return i < count ? all[i] : NULL;
}

// How a product is asked for.
typedef struct how {
    bool b_turned, a_packed, a_turned, bias, base;
} how;

typedef struct matrices {
    float a[ROOM], b[ROOM], c[ROOM], left[ROOM], right[ROOM], base[ROOM], bias[MOST + 64];
    float sums[MOST];
    ak_half half_a[ROOM], half_b[ROOM], half_c[ROOM], half_base[ROOM];
    double want[ROOM], want_sums[MOST];
} matrices;

// a is [k][m] where it is packed or turned, else [m][k]; rows of each end with PAD more floats.
static void define(matrices *t, how h, int m, int n, int k)
{
    bool tall = h.a_packed || h.a_turned;

    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = (h.bias ? (double)t->bias[j] : 0) +
                         (h.base ? (double)t->base[i * (n + PAD) + j] : 0);

            for (int q = 0; q < k; q++)
                sum += (double)(tall ? t->a[q * (m + PAD) + i] : t->a[i * (k + PAD) + q]) *
                       (double)(h.b_turned ? t->b[j * (k + PAD) + q] : t->b[q * (n + PAD) + j]);
            t->want[i * n + j] = sum;
        }
    for (int i = 0; i < m; i++) {
        t->want_sums[i] = 0;
        for (int q = 0; q < k; q++)
            t->want_sums[i] += (double)t->a[q * (m + PAD) + i];
    }
}

// What is given holds numbers of bf16, so that these products are exact but for the order of sums.
static void fill(matrices *t)
{
    float *given[] = { t->a, t->b, t->base, t->bias };

    for (uint32_t i = 0; i < 4; i++) {
        int64_t n = given[i] == t->bias ? MOST + 64 : ROOM;

        ak_rig_fill(given[i], n, 1 + i, 1);
        for (int64_t j = 0; j < n; j++)
            given[i][j] = ak_half_get(ak_half_of(given[i][j]));
    }
    ak_half_narrow(t->half_b, t->b, ROOM, 1);
    ak_half_narrow(t->half_base, t->base, ROOM, 1);
}

// Kernels of pairs: b, base and c floats or bf16, and rows of a as they read them.
static void check_pairs(const ak_dense_kernels *kernels, matrices *t, how h, bool half, int m,
                        int n, int k)
{
    int places = (k + 1) / 2, row = places + 1;
    ak_dense_product p = { .c = half ? (void *)t->half_c : t->c,
                           .c_half = half,
                           .c_row = n + PAD,
                           .a = h.a_packed ? t->left : (const float *)(const void *)t->half_a,
                           .a_row = row,
                           .a_column = 1,
                           .a_packed = h.a_packed,
                           .b = t->right,
                           .m = m,
                           .n = n,
                           .k = places,
                           .bias = h.bias ? t->bias : NULL,
                           .base = !h.base ? NULL
                                   : half  ? (const void *)t->half_base
                                           : t->base,
                           .base_row = n + PAD };

    define(t, h, m, n, k);
    memset(t->half_a, 0, sizeof t->half_a);
    for (int i = 0; i < m; i++)
        ak_half_narrow(t->half_a + (ptrdiff_t)i * 2 * row, t->a + (ptrdiff_t)i * (k + PAD), k, 1);
    ak_rig_fill(t->c, ROOM, 9, 7);
    kernels->pack(t->right, half ? (const void *)t->half_b : t->b, half, (h.b_turned ? k : n) + PAD,
                  h.b_turned, k, n);
    if (h.a_packed) {
        ak_half_narrow(t->half_a, t->a, ROOM, 1);
        kernels->pack_left(t->left, t->sums, half ? (const void *)t->half_a : t->a, half, m + PAD,
                           k, m);
        ak_rig_close("sums", t->sums, t->want_sums, m, 1e-6);
    }
    kernels->product(&p);
    if (half)
        ak_half_widen(t->c, t->half_c, (int64_t)m * (n + PAD));
    for (int i = 0; i < m; i++)
        ak_rig_close("c", t->c + i * (n + PAD), t->want + i * n, n, half ? 4e-3 : 3e-5);
}

static void check_one(const ak_dense_kernels *kernels, matrices *t, how h, int m, int n, int k)
{
    bool tall = h.a_packed || h.a_turned;
    ak_dense_product p = { .c = t->c,
                           .c_row = n + PAD,
                           .a = h.a_packed ? t->left : t->a,
                           .a_row = tall ? 1 : k + PAD,
                           .a_column = tall ? m + PAD : 1,
                           .a_packed = h.a_packed,
                           .b = t->right,
                           .m = m,
                           .n = n,
                           .k = k,
                           .bias = h.bias ? t->bias : NULL,
                           .base = h.base ? t->base : NULL,
                           .base_row = n + PAD };

    define(t, h, m, n, k);
    for (int i = 0; i < ROOM; i++)
        t->c[i] = 7;
    kernels->pack(t->right, t->b, false, (h.b_turned ? k : n) + PAD, h.b_turned, k, n);
    if (h.a_packed) {
        kernels->pack_left(t->left, t->sums, t->a, false, m + PAD, k, m);
        ak_rig_close("sums", t->sums, t->want_sums, m, 1e-6);
    }
    kernels->product(&p);
    for (int i = 0; i < m; i++) {
        ak_rig_close("c", t->c + i * (n + PAD), t->want + i * n, n, 3e-5);
        for (int j = n; j < n + PAD; j++)
            ck_assert(t->c[i * (n + PAD) + j] == 7); // nothing is written beside c
    }
}

static void check(how h)
{
    static const int sizes[][3] = { { 1, 1, 1 },    { 8, 48, 16 },  { 7, 5, 3 },
                                    { 65, 80, 64 }, { 13, 17, 33 }, { MOST, MOST, 70 } };
    matrices *t = ak_alloc(1, sizeof *t);

    fill(t);
    for (int i = 0; kernels_at(i); i++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            if (kernels_at(i)->pair == 1)
                check_one(kernels_at(i), t, h, sizes[s][0], sizes[s][1], sizes[s][2]);
            else
                for (int half = 0; half < 2 && !h.a_turned; half++)
                    check_pairs(kernels_at(i), t, h, half, sizes[s][0], sizes[s][1], sizes[s][2]);
    free(t);
}

START_TEST(forward)
{
    check((how){ .b_turned = true, .bias = true });
    check((how){ .b_turned = true, .bias = true, .base = true });
}
END_TEST

START_TEST(data)
{
    check((how){ .base = true });
    check((how){ .a_turned = true });
}
END_TEST

START_TEST(weights)
{
    check((how){ .a_packed = true });
    check((how){ .a_packed = true, .base = true });
}
END_TEST

AK_TEST_MAIN(AK_CASE(forward), AK_CASE(data), AK_CASE(weights))
