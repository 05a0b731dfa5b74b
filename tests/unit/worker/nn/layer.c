// tests/unit/worker/nn/layer.c -- tests the heads of worker/nn/layer.c: names, ends, initial
// values.

#include "proto/base/str.h"
#include "tests/unit/worker/rig.h"
#include "worker/nn/layer.h"

enum { IN = 24, HIDDEN = 16, OUT = 8 };

// Names of a head's parameters, in order, one a line.
static char *names_of(ak_mlp_shape shape)
{
    ak_mlp head = { 0 };
    ak_str text = AK_STR_INIT;
    ak_model m;

    ak_model_init(&m);
    ak_mlp_build(&head, &m, "h", &shape);
    for (int i = 0; i < m.count; i++)
        ak_str_format(&text, "%s\n", m.params[i]->name);
    ak_model_fini(&m);
    return ak_str_take(&text);
}

static void named(ak_mlp_shape shape, const char *want)
{
    char *got = names_of(shape);

    ck_assert_str_eq(got, want);
    free(got);
}

#define NORM(at)                                                                                   \
    "h.layers." #at ".running_mean\nh.layers." #at ".running_var\nh.layers." #at                   \
    ".num_batches_tracked\n"
#define AFFINE(at) "h.layers." #at ".weight\nh.layers." #at ".bias\n" NORM(at)

// Names count as in a sequence of modules.
START_TEST(names)
{
    ak_mlp_shape shape = { IN, HIDDEN, OUT, 2, true, AK_MLP_BIAS };

    named(shape, "h.layers.0.weight\n" AFFINE(1) "h.layers.3.weight\nh.layers.3.bias\n");
    shape.end = AK_MLP_BARE;
    named(shape, "h.layers.0.weight\n" AFFINE(1) "h.layers.3.weight\n");
    shape.end = AK_MLP_NORM;
    named(shape, "h.layers.0.weight\n" AFFINE(1) "h.layers.3.weight\n" AFFINE(4));
    shape.end = AK_MLP_PLAIN_NORM;
    named(shape, "h.layers.0.weight\n" AFFINE(1) "h.layers.3.weight\n" NORM(4));
    shape.norm = false;
    shape.end = AK_MLP_BIAS;
    named(shape, "h.layers.0.weight\nh.layers.0.bias\nh.layers.2.weight\nh.layers.2.bias\n");
}
END_TEST

START_TEST(layers)
{
    for (int64_t n = 1; n <= AK_MLP_LAYERS; n++) {
        ak_mlp_shape shape = { IN, HIDDEN, OUT, n, true, AK_MLP_BIAS };
        ak_mlp head = { 0 };
        ak_model m;

        ak_model_init(&m);
        ak_mlp_build(&head, &m, "h", &shape);
        ck_assert_int_eq(head.count, n);
        ck_assert_int_eq(head.layer[0].w->shape[1], IN);
        ck_assert_int_eq(head.layer[n - 1].w->shape[0], OUT);
        ck_assert(!head.layer[n - 1].relu && (n == 1 || head.layer[0].relu));
        ak_model_fini(&m);
    }
}
END_TEST

START_TEST(initial_values)
{
    ak_mlp_shape shape = { IN, HIDDEN, OUT, 2, true, AK_MLP_BIAS };
    ak_mlp head = { 0 };
    double bound = 1 / sqrt((double)IN), largest = 0;
    ak_model m;

    ak_model_init(&m);
    ak_mlp_build(&head, &m, "h", &shape);
    ak_rig_ok(ak_model_allocate(&m));
    ak_model_seed(&m, 3);
    for (int64_t i = 0; i < head.layer[0].w->numel; i++)
        largest = fmax(largest, fabs((double)head.layer[0].w->value[i]));
    ck_assert(largest <= bound && largest > 0.9 * bound);
    for (int64_t i = 0; i < HIDDEN; i++)
        ck_assert(head.layer[0].norm.weight->value[i] == 1 &&
                  head.layer[0].norm.bias->value[i] == 0);
    ak_model_fini(&m);
}
END_TEST

AK_TEST_MAIN(AK_CASE(names), AK_CASE(layers), AK_CASE(initial_values))
