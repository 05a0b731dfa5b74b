// tests/unit/worker/tensor/op/patch_embed.c -- tests worker/tensor/op/patch_embed.c.

#include "tests/unit/worker/tensor/op/differences.h"

enum { IMAGES = 4, WIDTH = 7 };

typedef struct layer {
    ak_param *w, *bias;
    int64_t side, patch;
} layer;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const layer *l = p->ctx;

    return ak_patch_embed(g, x[0], l->w, l->bias);
}

// A convolution with a stride of its kernel's size, w [out,3,k,k].
static void formula(const ak_probe *p, double *const x[], const double *trained, double *y)
{
    const layer *l = p->ctx;
    int64_t k = l->patch, grid = l->side / k;
    const double *w = trained + l->w->offset, *bias = trained + l->bias->offset;

    for (int64_t n = 0; n < IMAGES; n++)
        for (int64_t cell = 0; cell < grid * grid; cell++)
            for (int64_t o = 0; o < WIDTH; o++) {
                double sum = bias[o];

                for (int64_t i = 0; i < 3 * k * k; i++) {
                    int64_t c = i / (k * k), row = cell / grid * k + i / k % k,
                            column = cell % grid * k + i % k;

                    sum += w[o * 3 * k * k + i] *
                           x[0][((n * l->side + row) * l->side + column) * 3 + c];
                }
                y[(n * grid * grid + cell) * WIDTH + o] = sum;
            }
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    ak_differences(p, formula, want);
}

static void check(int64_t side, int64_t patch, bool constant)
{
    const int64_t w[4] = { WIDTH, 3, patch, patch };
    layer l = { .side = side, .patch = patch };
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &l,
                   .inputs = 1,
                   .dims = 4,
                   .shape = { { IMAGES, side, side, 3 } },
                   .y_numel = IMAGES * (side / patch) * (side / patch) * WIDTH,
                   .constant = { constant },
                   .inexact = true,
                   .mode.training = true,
                   .tolerance = 2e-6,
                   .images = true,
                   .half_tolerance = 1e-2 };

    ak_model_init(&p.model);
    l.w = ak_model_param(&p.model, "proj", "weight", AK_ROLE_TRAINED, 4, w, AK_INIT_ZERO, 0);
    l.bias = ak_model_param(&p.model, "proj", "bias", AK_ROLE_TRAINED, 1, w, AK_INIT_ZERO, 0);
    ak_probe_model(&p);
    ak_probe_check(&p);
}

START_TEST(against_differences)
{
    check(8, 4, false);
    check(4, 1, false);
}
END_TEST

START_TEST(what_fills_no_patch_is_left_out)
{
    check(8, 3, false);
}
END_TEST

START_TEST(of_images)
{
    check(9, 3, true);
}
END_TEST

static ak_param *param(ak_model *m, int dims, const int64_t *shape)
{
    return ak_model_param(m, "p", "p", AK_ROLE_TRAINED, dims, shape, AK_INIT_ZERO, 0);
}

START_TEST(a_view_smaller_than_a_patch_is_refused)
{
    const int64_t w[4] = { WIDTH, 3, 8, 8 }, x[4] = { 2, 6, 6, 3 };
    ak_world world = ak_rig_world(1, 1);
    ak_graph *g = NULL;
    ak_model m;
    ak_tensor *y;

    ak_model_init(&m);
    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
    y = ak_patch_embed(g, ak_graph_input(g, 4, x), param(&m, 4, w), param(&m, 1, w));
    ak_rig_refused(ak_graph_compile(g, NULL, y), AKSSL_ERR_INVALID,
                   "a view of 6 pixels has no patch of 8");
    ak_graph_free(g);
    ak_comm_close(world.comm);
    ak_model_fini(&m);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_differences), AK_CASE(what_fills_no_patch_is_left_out),
             AK_CASE(of_images), AK_CASE(a_view_smaller_than_a_patch_is_refused))
