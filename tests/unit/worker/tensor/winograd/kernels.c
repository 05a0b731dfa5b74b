// tests/unit/worker/tensor/winograd/kernels.c -- tests worker/tensor/winograd, each instruction set
// that this CPU has, against the definition in double.

#include "tests/unit/worker/rig.h"
#include "worker/tensor/half.h"
#include "worker/tensor/isa.h"
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
    const ak_winograd_kernels *all[4] = { &ak_winograd_plain };
    int count = 1;

#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        all[count++] = &ak_winograd_avx2;
    if (__builtin_cpu_supports("avx512f"))
        all[count++] = &ak_winograd_avx512;
    if (ak_isa_has_bf16())
        all[count++] = &ak_winograd_bf16;
#endif
    return i < count ? all[i] : NULL;
}

typedef struct tiles {
    float x[TILES][PIXELS][IN], dy[TILES][PIXELS][OUT], y[TILES][PIXELS][OUT];
    ak_half half_x[TILES][PIXELS][IN], half_dy[TILES][PIXELS][OUT], half_y[TILES][PIXELS][OUT];
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

static ak_winograd_place place_of(int index)
{
    return index % 2 ? AK_WINOGRAD_SECOND : AK_WINOGRAD_FIRST;
}

static void convolve(tiles *t, const ak_winograd_kernels *k, const ak_winograd_form *f)
{
    int points = f->points * f->points, depth = IN / k->pair;
    int v_apart = TILES * depth + OTHER, m_apart = TILES * OUT + OTHER;
    bool half = k->pair == 2;

    for (int i = 0; i < IN; i++)
        for (int o = 0; o < OUT; o += PANEL)
            f->expand(&t->w[0][i][o], IN * OUT, t->u + o * depth + i / k->pair * PANEL, depth * OUT,
                      PANEL, place_of(i));
    for (int n = 0; n < TILES; n++) {
        const void *at[PIXELS];

        for (int p = 0; p < PIXELS; p++)
            at[p] = half ? (const void *)t->half_x[n][p] : t->x[n][p];
        f->take(at, t->v + n * depth, v_apart, IN, AK_WINOGRAD_ROW);
    }
    for (int p = 0; p < points; p++)
        k->product(t->m + p * m_apart, t->v + p * v_apart, t->u + p * depth * OUT, TILES, OUT,
                   depth);
    for (int n = 0; n < TILES; n++) {
        void *at[PIXELS];

        for (int p = 0; p < PIXELS; p++)
            at[p] = half ? (void *)t->half_y[n][p] : t->y[n][p];
        at[n % (f->out * f->out)] = NULL; // one that is not asked for
        f->give(t->m + n * OUT, m_apart, at, OUT);
        if (half)
            ak_half_widen(t->y[n][0], t->half_y[n][0], PIXELS * OUT);
    }
}

// Points of tiles [0, TILES), pairs of them where a sum takes those.
static void take_tiles(tiles *t, const ak_winograd_kernels *k, const ak_winograd_form *f,
                       int v_apart, int m_apart)
{
    for (int n = 0; n < TILES; n++) {
        const void *x[PIXELS], *dy[PIXELS];

        for (int p = 0; p < PIXELS; p++) {
            x[p] = k->pair == 2 ? (const void *)t->half_x[n][p] : t->x[n][p];
            dy[p] = k->pair == 2 ? (const void *)t->half_dy[n][p] : t->dy[n][p];
        }
        f->take(x, t->v + n / k->pair * IN, v_apart, IN, place_of(n));
        f->spread(dy, t->m + n / k->pair * OUT, m_apart, OUT, place_of(n));
    }
}

static void differentiate(tiles *t, const ak_winograd_kernels *k, const ak_winograd_form *f)
{
    int points = f->points * f->points, v_apart = TILES * IN + OTHER, m_apart = TILES * OUT + OTHER;

    int rows = TILES / k->pair;

    memset(t->u, 0, sizeof t->u);
    take_tiles(t, k, f, v_apart, m_apart);
    for (int p = 0; p < points; p++)
        for (int half = 0; half < 2; half++) // of the tiles: sums go on
            k->gather(t->u + p * IN * OUT, OUT, t->v + p * v_apart + half * 3 * IN, IN,
                      t->m + p * m_apart + half * 3 * OUT, OUT, IN, OUT, half ? rows - 3 : 3);
    f->fold(t->u, IN * OUT, t->dw[0][0], IN * OUT, IN * OUT);
}

static void compare(const tiles *t, const ak_winograd_form *f, double bound)
{
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
    ak_half_narrow(t->half_x[0][0], t->x[0][0], TILES * PIXELS * IN, 1);
    ak_half_narrow(t->half_dy[0][0], t->dy[0][0], TILES * PIXELS * OUT, 1);
    ak_half_narrow(t->half_y[0][0], t->y[0][0], TILES * PIXELS * OUT, 1);
    for (int n = 0; n < TILES; n++)
        for (int p = 0; p < f->out * f->out; p++)
            for (int tap = 0; tap < TAPS; tap++)
                define(t, f, n, p, tap);
    convolve(t, k, f);
    differentiate(t, k, f);
    compare(t, f, (k->pair == 2 ? 8e-3 : 1e-5) * IN); // sums are up to 30 or so
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
