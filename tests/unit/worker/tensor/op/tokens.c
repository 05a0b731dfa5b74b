// tests/unit/worker/tensor/op/tokens.c -- tests worker/tensor/op/tokens.c.

#include "tests/unit/worker/tensor/op/probe.h"
#include "proto/format/safetensors.h"

enum { SAMPLES = 4, WIDTH = 9 };

typedef struct layer {
    ak_param *cls, *pos;
    int64_t grid, side;
    const float *matrix; // [side * side][grid * grid]
} layer;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const layer *l = p->ctx;

    return ak_tokens(g, x[0], l->cls, l->pos);
}

static double of(const ak_param *p, int64_t i)
{
    return (double)p->value[i];
}

static void add(const ak_param *p, int64_t i, double v, ak_probe_want *want)
{
    if (!p->fixed)
        want->gradient[p->offset + i] += v;
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    const layer *l = p->ctx;
    int64_t cells = l->grid * l->grid, m = l->side * l->side;

    (void)shards;
    for (int64_t n = 0; n < SAMPLES; n++)
        for (int64_t t = 0; t <= m; t++)
            for (int64_t d = 0; d < WIDTH; d++) {
                int64_t at = (n * (1 + m) + t) * WIDTH + d;
                double up = (double)p->upstream[at], *y = &want->y[at];

                if (t == 0) {
                    *y = of(l->cls, d) + of(l->pos, d);
                    add(l->cls, d, up, want);
                    add(l->pos, d, up, want);
                    continue;
                }
                *y = (double)p->x[0][(n * m + t - 1) * WIDTH + d];
                want->dx[0][(n * m + t - 1) * WIDTH + d] = up;
                for (int64_t c = 0; c < cells; c++) {
                    double weight = l->matrix ? (double)l->matrix[(t - 1) * cells + c] : c == t - 1;

                    *y += weight * of(l->pos, (1 + c) * WIDTH + d);
                    add(l->pos, (1 + c) * WIDTH + d, weight * up, want);
                }
            }
}

static void check(int64_t grid, int64_t side, const float *matrix, bool fixed)
{
    const int64_t cls[3] = { 1, 1, WIDTH }, pos[3] = { 1, 1 + grid * grid, WIDTH };
    layer l = { .grid = grid, .side = side, .matrix = matrix };
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &l,
                   .inputs = 1,
                   .dims = 3,
                   .shape = { { SAMPLES, side * side, WIDTH } },
                   .y_numel = SAMPLES * (1 + side * side) * WIDTH,
                   .mode.training = true,
                   .tolerance = 2e-6,
                   .half_tolerance = 1e-2 };

    ak_model_init(&p.model);
    l.pos = ak_model_param(&p.model, "v", "pos_embed", AK_ROLE_TRAINED, 3, pos, AK_INIT_ZERO, 0);
    l.cls = ak_model_param(&p.model, "v", "cls_token", AK_ROLE_TRAINED, 3, cls, AK_INIT_ZERO, 0);
    l.pos->fixed = fixed;
    ak_probe_model(&p);
    ak_probe_check(&p);
}

START_TEST(adds_the_positions)
{
    check(3, 3, NULL, false);
    check(1, 1, NULL, false);
}
END_TEST

START_TEST(of_fixed_positions)
{
    check(3, 3, NULL, true);
}
END_TEST

// By PyTorch's matrices: positions.py.
START_TEST(resizes_as_dino_does)
{
    static const int64_t sizes[][2] = {
        { 14, 6 }, { 7, 3 }, { 8, 4 }, { 4, 7 }, { 6, 7 }, { 3, 1 }
    };
    ak_safetensors *file = NULL;

    ak_rig_ok(ak_safetensors_open(&file, TEST_SOURCE_DIR "/golden/positions.safetensors"));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t from = sizes[i][0], to = sizes[i][1], n = from * from * to * to;
        float *matrix = ak_alloc((size_t)n, sizeof *matrix);
        char name[64];

        snprintf(name, sizeof name, "matrix.%d_%d", (int)from, (int)to);
        ak_rig_ok(ak_safetensors_read_f32(file, name, matrix, n));
        check(from, to, matrix, i == 1);
        free(matrix);
    }
    ak_safetensors_close(file);
}
END_TEST

AK_TEST_MAIN(AK_CASE(adds_the_positions), AK_CASE(of_fixed_positions),
             AK_CASE(resizes_as_dino_does))
