// tests/unit/worker/backbone/resnet.c -- tests worker/backbone/resnet.c; values are
// tests/oracle/cases.c's.

#include "tests/unit/worker/backbone/built.h"

START_TEST(has_torchvisions_names_in_their_order)
{
    static const char *const cases[][2] = {
        { "resnet18", "backbone_resnet18_32" },
        { "resnet18_cifar_stem", "backbone_resnet18_cifar_stem_32" },
        { "resnet50", "backbone_resnet50_64" },
    };

    for (int i = 0; i < 3; i++) {
        ak_built b = ak_built_bare(cases[i][0], 32);

        ak_built_has_names_of(&b, cases[i][1]);
        ak_built_free(&b);
    }
}
END_TEST

// torchvision's numbers with fc, less fc; a 3x3 stem has 64 * 3 * (49 - 9) fewer.  ResNet-20 with
// its shortcuts as convolutions and 10 classes has 272,474.
START_TEST(has_torchvisions_number_of_parameters)
{
    static const struct {
        const char *name;
        int64_t numel;
    } rows[] = { { "resnet18", 11689512 - 513000 },
                 { "resnet34", 21797672 - 513000 },
                 { "resnet50", 25557032 - 2049000 },
                 { "resnet18_cifar_stem", 11176512 - 7680 },
                 { "resnet34_cifar_stem", 21284672 - 7680 },
                 { "resnet50_cifar_stem", 23508032 - 7680 },
                 { "resnet20", 272474 - 650 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_built b = ak_built_bare(rows[i].name, 32);

        ck_assert_int_eq(b.model.trained_size, rows[i].numel);
        ak_built_free(&b);
    }
}
END_TEST

START_TEST(resnet50s_blocks_have_their_shapes)
{
    ak_built b = ak_built_bare("resnet50", 32);

    ak_built_shape(&b, "layer1.0.downsample.0.weight", 4, (const int64_t[]){ 256, 64, 1, 1 });
    ak_built_shape(&b, "layer2.0.conv1.weight", 4, (const int64_t[]){ 128, 256, 1, 1 });
    ak_built_shape(&b, "layer2.0.conv2.weight", 4, (const int64_t[]){ 128, 128, 3, 3 });
    ak_built_shape(&b, "layer2.0.conv3.weight", 4, (const int64_t[]){ 512, 128, 1, 1 });
    ak_built_shape(&b, "layer3.5.bn3.running_var", 1, (const int64_t[]){ 1024 });
    ck_assert_ptr_null(ak_model_find(&b.model, "backbone.layer1.1.downsample.0.weight"));
    ck_assert_ptr_null(ak_model_find(&b.model, "backbone.layer3.6.conv1.weight"));
    ak_built_free(&b);
}
END_TEST

START_TEST(resnet20_has_three_stages)
{
    ak_built b = ak_built_new("resnet20", 32);
    float *features = ak_built_features(&b, 4, 32, true, 2, 0);

    ak_built_shape(&b, "conv1.weight", 4, (const int64_t[]){ 16, 3, 3, 3 });
    ak_built_shape(&b, "layer2.0.downsample.0.weight", 4, (const int64_t[]){ 32, 16, 1, 1 });
    ak_built_shape(&b, "layer3.2.bn2.running_var", 1, (const int64_t[]){ 64 });
    ck_assert_ptr_null(ak_model_find(&b.model, "backbone.layer1.0.downsample.0.weight"));
    ck_assert_ptr_null(ak_model_find(&b.model, "backbone.layer3.3.conv1.weight"));
    ck_assert_ptr_null(ak_model_find(&b.model, "backbone.layer4.0.conv1.weight"));
    for (int i = 0; i < 4 * 64; i++)
        ck_assert(features[i] >= 0 && isfinite(features[i]));
    free(features);
    ak_built_free(&b);
}
END_TEST

// How many batch-norm weights start at 0, and whether they are the last of their blocks.
static int zeros(const char *text, const char *last)
{
    ak_built b = ak_built_new(text, 32);
    int count = 0;

    for (int i = 0; i < b.model.count; i++) {
        const ak_param *p = b.model.params[i];

        if (p->dims == 1 && p->role == AK_ROLE_TRAINED && strstr(p->name, ".weight") &&
            p->value[0] == 0 && p->value[p->numel - 1] == 0) {
            ck_assert_msg(strstr(p->name, last) != NULL, "'%s' starts at 0", p->name);
            count++;
        }
    }
    ak_built_free(&b);
    return count;
}

START_TEST(zero_init_residual)
{
    ck_assert_int_eq(zeros("resnet18", "none"), 0);
    ck_assert_int_eq(zeros("resnet18:zero_init_residual=true", ".bn2."), 8);
    ck_assert_int_eq(zeros("resnet34:zero-init-residual=yes", ".bn2."), 16);
    ck_assert_int_eq(zeros("resnet50:zero_init_residual=on", ".bn3."), 16);
}
END_TEST

// With it the network begins as its stem and shortcuts: what the blocks compute is of no account.
START_TEST(a_zeroed_block_is_its_shortcut)
{
    ak_built b = ak_built_new("resnet50_cifar_stem:zero_init_residual=true", 8);
    float *before = ak_built_features(&b, 4, 8, true, 1, 0), *after;
    const ak_param *w = ak_built_param(&b, "layer3.2.conv2.weight");

    ak_rig_fill(w->value, w->numel, 1, 5);
    after = ak_built_features(&b, 4, 8, true, 1, 0);
    ak_rig_same("features", before, after, 4 * 2048);
    free(before);
    free(after);
    ak_built_free(&b);
}
END_TEST

START_TEST(wrong_options_are_refused)
{
    const ak_backbone *row;
    void *self;

    ak_rig_refused(ak_backbone_find(&row, "resnet19"), AKSSL_ERR_NOT_FOUND, "resnet50");
    ak_rig_ok(ak_backbone_find(&row, "resnet50:x=1"));
    ak_rig_refused(ak_backbone_bind(&self, row, "resnet50:x=1"), AKSSL_ERR_NOT_FOUND,
                   "zero_init_residual");
    ak_rig_refused(ak_backbone_bind(&self, row, "resnet50:zero_init_residual=2"), AKSSL_ERR_INVALID,
                   "zero_init_residual");
    ak_rig_refused(ak_backbone_bind(&self, row, "resnet50:zero_init_residual"), AKSSL_ERR_INVALID,
                   "key=value");
}
END_TEST

AK_TEST_MAIN(AK_CASE(has_torchvisions_names_in_their_order),
             AK_CASE(has_torchvisions_number_of_parameters),
             AK_CASE(resnet50s_blocks_have_their_shapes), AK_CASE(resnet20_has_three_stages),
             AK_CASE(zero_init_residual), AK_CASE(a_zeroed_block_is_its_shortcut),
             AK_CASE(wrong_options_are_refused))
