// tests/unit/worker/tensor/op/conv2d.c -- tests worker/tensor/op/conv2d.c and
// worker/tensor/conv*.c.

#include "tests/unit/worker/tensor/op/probe.h"

typedef struct layer {
    ak_param *w;
    int64_t in, out, k, stride, padding, h, width;
} layer;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const layer *l = p->ctx;

    return ak_conv2d(g, x[0], l->w, l->stride, l->padding);
}

static int64_t size_out(const layer *l, int64_t size)
{
    return (size + 2 * l->padding - l->k) / l->stride + 1;
}

// Adds one output's products: y = x * w, and both gradients by the same terms.
static void one_output(const ak_probe *p, ak_probe_want *want, int64_t n, int64_t i, int64_t j,
                       int64_t o)
{
    const layer *l = p->ctx;
    int64_t at = ((n * size_out(l, l->h) + i) * size_out(l, l->width) + j) * l->out + o;

    for (int64_t a = 0; a < l->k; a++)
        for (int64_t b = 0; b < l->k; b++) {
            int64_t row = i * l->stride - l->padding + a, column = j * l->stride - l->padding + b;

            if (row < 0 || row >= l->h || column < 0 || column >= l->width)
                continue;
            for (int64_t c = 0; c < l->in; c++) {
                int64_t x = ((n * l->h + row) * l->width + column) * l->in + c;
                int64_t w = ((o * l->in + c) * l->k + a) * l->k + b;

                want->y[at] += (double)p->x[0][x] * (double)l->w->value[w];
                want->dx[0][x] += (double)p->upstream[at] * (double)l->w->value[w];
                want->gradient[l->w->offset + w] += (double)p->upstream[at] * (double)p->x[0][x];
            }
        }
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    const layer *l = p->ctx;

    (void)shards;
    for (int64_t n = 0; n < p->shape[0][0]; n++)
        for (int64_t i = 0; i < size_out(l, l->h); i++)
            for (int64_t j = 0; j < size_out(l, l->width); j++)
                for (int64_t o = 0; o < l->out; o++)
                    one_output(p, want, n, i, j, o);
}

static void check(layer l, bool constant)
{
    const int64_t w[4] = { l.out, l.in, l.k, l.k };
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &l,
                   .inputs = 1,
                   .dims = 4,
                   .shape = { { 4, l.h, l.width, l.in } },
                   .constant = { constant },
                   .y_numel = 4 * size_out(&l, l.h) * size_out(&l, l.width) * l.out,
                   .inexact = true,
                   .mode.training = true,
                   .tolerance = 5e-6,
                   .images = constant,
                   .half_tolerance = 3e-2 };

    ak_model_init(&p.model);
    l.w = ak_model_param(&p.model, "c", "weight", AK_ROLE_TRAINED, 4, w, AK_INIT_ZERO, 0);
    ak_probe_model(&p);
    ak_probe_check(&p);
}

START_TEST(three_by_three)
{
    check((layer){ .in = 16, .out = 32, .k = 3, .stride = 1, .padding = 1, .h = 9, .width = 7 },
          false);
    check((layer){ .in = 16, .out = 16, .k = 3, .stride = 1, .padding = 0, .h = 6, .width = 6 },
          false);
}
END_TEST

START_TEST(strides)
{
    check((layer){ .in = 16, .out = 24, .k = 3, .stride = 2, .padding = 1, .h = 9, .width = 8 },
          false);
    check((layer){ .in = 8, .out = 16, .k = 3, .stride = 2, .padding = 1, .h = 1, .width = 1 },
          false);
}
END_TEST

START_TEST(one_by_one)
{
    check((layer){ .in = 16, .out = 32, .k = 1, .stride = 1, .padding = 0, .h = 5, .width = 6 },
          false);
    check((layer){ .in = 32, .out = 16, .k = 1, .stride = 2, .padding = 0, .h = 7, .width = 6 },
          false);
    check((layer){ .in = 264, .out = 256, .k = 1, .stride = 1, .padding = 0, .h = 9, .width = 5 },
          false);
}
END_TEST

// Three channels, no gradient to the image: the first layer of a network.
START_TEST(stems)
{
    check((layer){ .in = 3, .out = 16, .k = 7, .stride = 2, .padding = 3, .h = 16, .width = 15 },
          true);
    check((layer){ .in = 3, .out = 16, .k = 3, .stride = 1, .padding = 1, .h = 8, .width = 8 },
          false);
}
END_TEST

START_TEST(channels_that_fill_no_block)
{
    check((layer){ .in = 5, .out = 11, .k = 3, .stride = 1, .padding = 1, .h = 5, .width = 4 },
          false);
}
END_TEST

// Small maps, on which taps fall beside the image; outputs nobody meets; channels that fill no
// tile.
START_TEST(small_maps)
{
    static const int64_t sizes[][2] = {
        { 1, 1 }, { 2, 2 }, { 1, 3 }, { 4, 4 }, { 3, 5 }, { 7, 5 }
    };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int64_t padding = 0; padding <= 2; padding++) {
                layer l = { .in = 16 + 3 * (int64_t)i,
                            .out = 35 - 3 * (int64_t)i,
                            .k = 3,
                            .stride = stride,
                            .padding = padding,
                            .h = sizes[i][0],
                            .width = sizes[i][1] };

                if (l.h + 2 * padding >= 3 && l.width + 2 * padding >= 3)
                    check(l, false);
            }
    check((layer){ .in = 16, .out = 16, .k = 2, .stride = 3, .padding = 0, .h = 8, .width = 8 },
          false);
    check((layer){ .in = 16, .out = 16, .k = 2, .stride = 2, .padding = 1, .h = 3, .width = 4 },
          true);
}
END_TEST

// Maps that tiles fill and do not fill, several blocks of them, more than one panel of channels.
START_TEST(winograd)
{
    static const int64_t sizes[][4] = { { 2, 2, 32, 64 },  { 2, 2, 96, 32 },  { 4, 4, 64, 32 },
                                        { 7, 7, 32, 32 },  { 8, 8, 32, 64 },  { 6, 13, 32, 32 },
                                        { 9, 16, 64, 32 }, { 22, 19, 32, 32 } };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int constant = 0; constant < 2; constant++)
            check((layer){ .in = sizes[i][2],
                           .out = sizes[i][3],
                           .k = 3,
                           .stride = 1,
                           .padding = 1,
                           .h = sizes[i][0],
                           .width = sizes[i][1] },
                  constant);
}
END_TEST

typedef struct numbers {
    float x[37 * 8 * 8 * 32], w[32 * 32 * 9], dy[37 * 8 * 8 * 32];
    float y[37 * 8 * 8 * 32], dx[37 * 8 * 8 * 32], dw[32 * 32 * 9];
} numbers;

static void compute(numbers *r, int64_t images, int threads)
{
    const ak_conv_shape shape = { images, 8, 8, 32, 32, 3, 1, 1, false, false };
    ak_conv_engine *engine = NULL;
    ak_conv *c = NULL;
    float *gradient;

    ak_rig_fill(r->x, 37 * 8 * 8 * 32, 1, 1);
    ak_rig_fill(r->dy, 37 * 8 * 8 * 32, 2, 1);
    ak_rig_fill(r->w, 32 * 32 * 9, 3, 1);
    ak_rig_ok(ak_conv_engine_new(&engine, threads, ak_isa_of_cpu(), false));
    ak_rig_ok(ak_conv_new(&c, engine, &shape, true, true));
    ck_assert_str_eq(ak_conv_algorithm(c), "winograd");
    gradient = ak_alloc((size_t)ak_conv_gradient_size(c), sizeof *gradient);
    for (int i = 0; i < 2; i++) { // nothing is left over from the first time
        ak_conv_load(c, r->w, false);
        ak_conv_forward(c, r->x, r->y);
        ak_conv_load(c, r->w, true);
        ak_conv_backward_data(c, r->dy, r->dx);
        ak_conv_backward_weights(c, r->x, r->dy, gradient);
        ak_conv_unpack(c, gradient, r->dw);
    }
    free(gradient);
    ak_conv_free(c);
    ak_conv_engine_free(engine);
}

START_TEST(winograd_by_any_number_of_threads)
{
    numbers *one = ak_alloc(1, sizeof *one), *more = ak_alloc(1, sizeof *more);

    compute(one, 37, 1);
    for (int threads = 2; threads <= 5; threads++) {
        compute(more, 37, threads);
        ck_assert_mem_eq(one, more, sizeof *one);
    }
    free(one);
    free(more);
}
END_TEST

// An image's outputs are the same bits among few others and among many.
START_TEST(winograd_of_any_number_of_images)
{
    numbers *all = ak_alloc(1, sizeof *all), *few = ak_alloc(1, sizeof *few);

    compute(all, 37, 1);
    for (int64_t images = 1; images <= 9; images += 4) {
        compute(few, images, 2);
        ck_assert_mem_eq(all->y, few->y, (size_t)images * 8 * 8 * 32 * sizeof(float));
        ck_assert_mem_eq(all->dx, few->dx, (size_t)images * 8 * 8 * 32 * sizeof(float));
    }
    free(all);
    free(few);
}
END_TEST

// The choice is by shape alone: images do not matter, so neither do ranks.
START_TEST(algorithms)
{
    static const struct {
        ak_conv_shape shape;
        const char *algorithm;
    } rows[] = {
        { { 64, 1, 1, 512, 512, 3, 1, 1, false, false }, "taps" },
        { { 1, 1, 1, 512, 512, 3, 1, 1, false, false }, "taps" },
        { { 64, 4, 4, 128, 128, 3, 1, 1, true, false }, "taps" },
        { { 64, 4, 4, 128, 256, 3, 2, 1, false, false }, "taps" },
        { { 64, 8, 8, 64, 128, 1, 2, 0, false, false }, "taps" },
        { { 64, 8, 8, 64, 64, 3, 1, 1, true, false }, "direct" },
        { { 64, 4, 4, 3, 64, 3, 1, 1, false, false }, "direct" },
        { { 64, 32, 32, 3, 64, 7, 2, 3, false, false }, "direct" },
        { { 64, 2, 2, 256, 256, 3, 1, 1, false, false }, "winograd" },
        { { 1, 4, 4, 128, 128, 3, 1, 1, false, false }, "winograd" },
        { { 64, 8, 8, 64, 64, 3, 1, 1, false, false }, "winograd" },
        { { 2, 7, 7, 512, 512, 3, 1, 1, false, false }, "winograd" },
        { { 64, 5, 5, 64, 64, 3, 1, 1, false, false },
          "direct" }, // its tiles of 4x4 would reach far beside it
        { { 64, 8, 8, 48, 64, 3, 1, 1, false, false }, "direct" },
        { { 64, 14, 14, 256, 256, 1, 1, 0, false, false }, "direct" },
        { { 64, 14, 14, 256, 256, 1, 1, 0, false, true }, "pointwise" },
        { { 1, 7, 7, 128, 512, 1, 1, 0, true, true }, "pointwise" },
    };
    ak_conv_engine *engine = NULL;
    ak_conv *c;

    ak_rig_ok(ak_conv_engine_new(&engine, 1, ak_isa_of_cpu(), false));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_rig_ok(ak_conv_new(&c, engine, &rows[i].shape, true, true));
        ck_assert_str_eq(ak_conv_algorithm(c), rows[i].algorithm);
        ak_conv_free(c);
    }
    ak_conv_engine_free(engine);
}
END_TEST

START_TEST(evaluation_needs_no_gradient)
{
    const int64_t w[4] = { 4, 3, 3, 3 }, shape[4] = { 2, 6, 6, 3 };
    ak_world world = ak_rig_world(1, 1);
    ak_graph *g = NULL;
    ak_model model;
    ak_tensor *x, *y;

    ak_model_init(&model);
    ak_param *p = ak_model_param(&model, "c", "weight", AK_ROLE_TRAINED, 4, w, AK_INIT_NORMAL, 1);
    ak_rig_ok(ak_model_allocate(&model));
    ak_model_seed(&model, 1);
    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ 0 }));
    x = ak_graph_input(g, 4, shape);
    y = ak_conv2d(g, x, p, 1, 1);
    ck_assert(!y->needs_grad);
    ak_rig_ok(ak_graph_compile(g, NULL, y));
    ak_rig_fill(ak_value(g, x, 0), x->numel, 1, 1);
    ak_graph_forward(g);
    for (int64_t i = 0; i < y->numel; i++)
        ck_assert(isfinite(ak_value(g, y, 0)[i]) && ak_value(g, y, 0)[i] != 0);
    ak_graph_free(g);
    ak_comm_close(world.comm);
    ak_model_fini(&model);
}
END_TEST

AK_TEST_MAIN(AK_CASE(three_by_three), AK_CASE(strides), AK_CASE(one_by_one), AK_CASE(stems),
             AK_CASE(channels_that_fill_no_block), AK_CASE(winograd),
             AK_CASE(winograd_by_any_number_of_threads), AK_CASE(winograd_of_any_number_of_images),
             AK_CASE(small_maps), AK_CASE(algorithms), AK_CASE(evaluation_needs_no_gradient))
