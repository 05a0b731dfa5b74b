// tests/unit/worker/tensor/winograd/kernels.c -- tests worker/tensor/winograd, each instruction set
// that this CPU has, against the definition in double.

#include "tests/unit/worker/rig.h"
#include "worker/tensor/winograd/winograd.h"

enum {
    TILES = AK_WINOGRAD_ROWS,
    IN = 2 * AK_WINOGRAD_COLUMNS,
    OUT = AK_WINOGRAD_COLUMNS,
    TAPS = AK_WINOGRAD_TAPS,
    PIXELS = AK_WINOGRAD_MOST_PIXELS,
    PANEL = AK_WINOGRAD_PANEL,
    OTHER = 3 // floats between points beyond their own
};

static const ak_winograd_kernels *kernels_at(int i)
{
    const ak_winograd_kernels *all[3] = { &ak_winograd_plain };
    int count = 1;

#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        all[count++] = &ak_winograd_avx2;
    if (__builtin_cpu_supports("avx512f"))
        all[count++] = &ak_winograd_avx512;
#endif
    return i < count ? all[i] : NULL;
}

typedef struct tiles {
    float x[TILES][PIXELS][IN], dy[TILES][PIXELS][OUT], y[TILES][PIXELS][OUT];
    float w[TAPS][IN][OUT], dw[TAPS][IN][OUT];
    float u[PIXELS * IN * OUT], v[PIXELS * (TILES * IN + OTHER)], m[PIXELS * (TILES * OUT + OTHER)];
    double want_y[TILES][PIXELS][OUT], want_dw[TAPS][IN][OUT];
} tiles;

// Both by the definition, over the inputs that a tile has.
static void define(tiles *t, const ak_winograd_form *f, int tile, int pixel, int tap)
{
    int row = pixel / f->out - 1 + f->before + tap / 3,
        column = pixel % f->out - 1 + f->before + tap % 3;

    if (row < 0 || row >= f->reach || column < 0 || column >= f->reach)
        return;
    for (int i = 0; i < IN; i++)
        for (int o = 0; o < OUT; o++) {
            double x = (double)t->x[tile][row * f->reach + column][i];

            t->want_y[tile][pixel][o] += x * (double)t->w[tap][i][o];
            t->want_dw[tap][i][o] += x * (double)t->dy[tile][pixel][o];
        }
}

static void convolve(tiles *t, const ak_winograd_kernels *k, const ak_winograd_form *f)
{
    int points = f->points * f->points, v_apart = TILES * IN + OTHER, m_apart = TILES * OUT + OTHER;

    for (int i = 0; i < IN; i++)
        for (int o = 0; o < OUT; o += PANEL)
            f->expand(&t->w[0][i][o], IN * OUT, t->u + o * IN + i * PANEL, IN * OUT, PANEL);
    for (int n = 0; n < TILES; n++) {
        const float *at[PIXELS];

        for (int p = 0; p < PIXELS; p++)
            at[p] = t->x[n][p];
        f->take(at, t->v + n * IN, v_apart, IN);
    }
    for (int p = 0; p < points; p++)
        k->product(t->m + p * m_apart, t->v + p * v_apart, t->u + p * IN * OUT, TILES, OUT, IN);
    for (int n = 0; n < TILES; n++) {
        float *at[PIXELS];

        for (int p = 0; p < PIXELS; p++)
            at[p] = p == n % (f->out * f->out) ? NULL : t->y[n][p]; // one that is not asked for
        f->give(t->m + n * OUT, m_apart, at, OUT);
    }
}

static void differentiate(tiles *t, const ak_winograd_kernels *k, const ak_winograd_form *f)
{
    int points = f->points * f->points, v_apart = TILES * IN + OTHER, m_apart = TILES * OUT + OTHER;

    memset(t->u, 0, sizeof t->u);
    for (int n = 0; n < TILES; n++) {
        const float *at[PIXELS];

        for (int p = 0; p < PIXELS; p++)
            at[p] = t->dy[n][p];
        f->spread(at, t->m + n * OUT, m_apart, OUT);
    }
    for (int p = 0; p < points; p++)
        for (int half = 0; half < 2; half++) // of the tiles: sums go on
            k->gather(t->u + p * IN * OUT, OUT, t->v + p * v_apart + half * 3 * IN, IN,
                      t->m + p * m_apart + half * 3 * OUT, OUT, IN, OUT, half ? TILES - 3 : 3);
    f->fold(t->u, IN * OUT, t->dw[0][0], IN * OUT, IN * OUT);
}

static void compare(const tiles *t, const ak_winograd_form *f)
{
    const double bound = 1e-5 * IN;

    for (int n = 0; n < TILES; n++)
        for (int p = 0; p < f->out * f->out; p++)
            for (int o = 0; o < OUT; o++)
                if (p == n % (f->out * f->out))
                    ck_assert(t->y[n][p][o] == 7);
                else
                    ck_assert_double_eq_tol((double)t->y[n][p][o], t->want_y[n][p][o], bound);
    for (int tap = 0; tap < TAPS; tap++)
        for (int i = 0; i < IN; i++)
            for (int o = 0; o < OUT; o++)
                ck_assert_double_eq_tol((double)t->dw[tap][i][o], t->want_dw[tap][i][o], bound);
}

static void check(const ak_winograd_kernels *k, const ak_winograd_form *f)
{
    tiles *t = ak_alloc(1, sizeof *t);

    ak_rig_fill(t->x[0][0], TILES * PIXELS * IN, 1, 1);
    ak_rig_fill(t->dy[0][0], TILES * PIXELS * OUT, 2, 1);
    ak_rig_fill(t->w[0][0], TAPS * IN * OUT, 3, 1);
    for (int n = 0; n < TILES; n++)
        for (int p = 0; p < PIXELS; p++)
            for (int o = 0; o < OUT; o++)
                t->y[n][p][o] = 7;
    for (int n = 0; n < TILES; n++)
        for (int p = 0; p < f->out * f->out; p++)
            for (int tap = 0; tap < TAPS; tap++)
                define(t, f, n, p, tap);
    convolve(t, k, f);
    differentiate(t, k, f);
    compare(t, f);
    free(t);
}

START_TEST(tiles_of_4x4)
{
    for (int i = 0; kernels_at(i); i++)
        check(kernels_at(i), &kernels_at(i)->tile4);
}
END_TEST

START_TEST(whole_maps_of_2x2)
{
    for (int i = 0; kernels_at(i); i++)
        check(kernels_at(i), &kernels_at(i)->whole2);
}
END_TEST

AK_TEST_MAIN(AK_CASE(tiles_of_4x4), AK_CASE(whole_maps_of_2x2))
