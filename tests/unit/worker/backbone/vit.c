// tests/unit/worker/backbone/vit.c -- tests worker/backbone/vit.c; values are
// tests/oracle/cases.c's.

#include "tests/unit/worker/backbone/built.h"
#include "tests/unit/worker/train/small.h"

START_TEST(has_timms_names_in_their_order)
{
    ak_built b = ak_built_bare("vit_tiny:patch_size=4", 32);

    ak_built_has_names_of(&b, "backbone_vit_tiny_patch4_32");
    ak_built_shape(&b, "cls_token", 3, (const int64_t[]){ 1, 1, 192 });
    ak_built_shape(&b, "pos_embed", 3, (const int64_t[]){ 1, 65, 192 });
    ak_built_shape(&b, "patch_embed.proj.weight", 4, (const int64_t[]){ 192, 3, 4, 4 });
    ak_built_shape(&b, "blocks.11.attn.qkv.weight", 2, (const int64_t[]){ 576, 192 });
    ak_built_shape(&b, "blocks.0.mlp.fc2.weight", 2, (const int64_t[]){ 192, 768 });
    ak_built_free(&b);
}
END_TEST

START_TEST(has_timms_number_of_parameters)
{
    static const struct {
        const char *name;
        int64_t numel;
    } rows[] = { { "vit_tiny", 5524416 }, { "vit_small", 21665664 }, { "vit_base", 85798656 } };

    for (int i = 0; i < 3; i++) {
        ak_built b = ak_built_bare(rows[i].name, 224);

        ck_assert_int_eq(b.model.trained_size, rows[i].numel);
        ak_built_free(&b);
    }
}
END_TEST

static void refused(const char *text, int64_t image_size, const char *part)
{
    const ak_backbone *row;
    void *self;

    ak_rig_ok(ak_backbone_find(&row, text));
    ak_rig_ok(ak_backbone_bind(&self, row, text));
    ak_rig_refused(row->check(self, image_size), AKSSL_ERR_INVALID, part);
    ak_backbone_unbind(self, row);
}

START_TEST(contradictions_are_refused)
{
    const ak_backbone *row;
    void *self;

    refused("vit_tiny", 40, "patch_size 16 does not divide it: give 48 pixels");
    refused("vit_small:patch_size=5", 32, "patch_size 5");
    refused("vit_tiny:patch_size=4,heads=5", 32, "heads 5 do not divide the width 192");
    ak_rig_ok(ak_backbone_find(&row, "vit_base"));
    ak_rig_refused(ak_backbone_bind(&self, row, "vit_base:drop_path=0.95"), AKSSL_ERR_INVALID,
                   "drop_path");
    ak_rig_refused(ak_backbone_bind(&self, row, "vit_base:positions=none"), AKSSL_ERR_INVALID,
                   "positions");
    ak_rig_refused(ak_backbone_bind(&self, row, "vit_base:patch_size=65"), AKSSL_ERR_INVALID,
                   "patch_size");
}
END_TEST

// ---- initial values

static void spread(const ak_built *b, const char *name, double deviation, double bound)
{
    const ak_param *p = ak_built_param(b, name);
    double sum = 0, squares = 0, n = (double)p->numel, largest = 0;

    for (int64_t i = 0; i < p->numel; i++) {
        double v = (double)p->value[i];

        sum += v;
        squares += v * v;
        largest = fmax(largest, fabs(v));
    }
    ck_assert_msg(fabs(sum / n) <= 5 * deviation / sqrt(n), "%s has mean %g", name, sum / n);
    ck_assert_msg(fabs(sqrt(squares / n) / deviation - 1) <= 4 / sqrt(n), "%s has deviation %g",
                  name, sqrt(squares / n));
    ck_assert_msg(largest <= bound, "%s reaches %g", name, largest);
}

static void is(const ak_built *b, const char *name, float value)
{
    const ak_param *p = ak_built_param(b, name);

    for (int64_t i = 0; i < p->numel; i++)
        ck_assert_msg(p->value[i] == value, "%s[%d] is %g", name, (int)i, (double)p->value[i]);
}

static void uniform(const ak_built *b, const char *name, double bound)
{
    spread(b, name, bound / sqrt(3), bound);
}

START_TEST(dinos_initial_values)
{
    ak_built b = ak_built_new("vit_tiny:patch_size=4", 32);

    spread(&b, "pos_embed", 0.02, 2);
    spread(&b, "cls_token", 0.02, 2);
    spread(&b, "blocks.3.attn.qkv.weight", 0.02, 2);
    spread(&b, "blocks.11.mlp.fc2.weight", 0.02, 2);
    is(&b, "blocks.3.attn.qkv.bias", 0);
    is(&b, "blocks.3.norm2.weight", 1);
    is(&b, "norm.bias", 0);
    uniform(&b, "patch_embed.proj.weight", 1 / sqrt(48));
    uniform(&b, "patch_embed.proj.bias", 1 / sqrt(48));
    ak_built_free(&b);
}
END_TEST

START_TEST(moco_v3s_initial_values)
{
    ak_built b =
        ak_built_new("vit_tiny:patch_size=4,init=moco_v3,positions=sincos,frozen_patch=true", 32);
    float positions[65 * 192];
    ak_safetensors *file = NULL;

    uniform(&b, "blocks.3.attn.qkv.weight", sqrt(6.0 / (192 + 192)));
    uniform(&b, "blocks.3.attn.proj.weight", sqrt(6.0 / (192 + 192)));
    uniform(&b, "blocks.3.mlp.fc1.weight", sqrt(6.0 / (192 + 768)));
    uniform(&b, "blocks.3.mlp.fc2.weight", sqrt(6.0 / (192 + 768)));
    uniform(&b, "patch_embed.proj.weight", sqrt(6.0 / (48 + 192)));
    is(&b, "patch_embed.proj.bias", 0);
    is(&b, "blocks.3.mlp.fc1.bias", 0);
    spread(&b, "cls_token", 1e-6, 1e-5);
    ak_rig_ok(ak_safetensors_open(&file, TEST_SOURCE_DIR "/golden/positions.safetensors"));
    ak_rig_ok(ak_safetensors_read_f32(file, "sincos.8_192", positions, 65 * 192));
    for (int i = 0; i < 65 * 192; i++)
        ck_assert(fabsf(positions[i] - ak_built_param(&b, "pos_embed")->value[i]) <= 1e-6f);
    ak_safetensors_close(file);
    ck_assert(ak_built_param(&b, "pos_embed")->fixed);
    ck_assert(ak_built_param(&b, "patch_embed.proj.weight")->fixed);
    ck_assert(!ak_built_param(&b, "cls_token")->fixed);
    ak_built_free(&b);
}
END_TEST

// ---- forward

START_TEST(other_sizes_take_the_same_parameters)
{
    static const int64_t sides[] = { 32, 16, 18, 48, 4 }; // 18: what fills no patch is left out

    for (int i = 0; i < 5; i++) {
        ak_built b = ak_built_new("vit_tiny:patch_size=4,heads=12", 32);
        float *y = ak_built_features(&b, 2, sides[i], true, 1, 0);

        for (int k = 0; k < 2 * 192; k++)
            ck_assert(isfinite(y[k]));
        ck_assert_mem_ne(y, y + 192, 192 * sizeof *y);
        free(y);
        ak_built_free(&b);
    }
}
END_TEST

START_TEST(drop_path_is_of_the_training_step)
{
    ak_built b = ak_built_new("vit_tiny:patch_size=8,drop_path=0.5", 16);
    float *plain = ak_built_features(&b, 8, 16, false, 1, 0);
    float *one = ak_built_features(&b, 8, 16, true, 1, 0);
    float *four = ak_built_features(&b, 8, 16, true, 4, 0);
    float *next = ak_built_features(&b, 8, 16, true, 1, 1);

    ck_assert_mem_ne(plain, one, 8 * 192 * sizeof *one);
    ck_assert_mem_ne(next, one, 8 * 192 * sizeof *one);
    for (int i = 0; i < 8 * 192; i++) // cutting the batch changes no sample's draws
        ck_assert_msg(fabsf(one[i] - four[i]) <= 2e-5f, "%g, %g", (double)one[i], (double)four[i]);
    free(plain);
    free(one);
    free(four);
    free(next);
    ak_built_free(&b);
}
END_TEST

// A momentum network, made by the method as "target.backbone".
START_TEST(drop_path_is_not_of_the_momentum_network)
{
    const ak_backbone *row;
    ak_built b = { 0 };
    float *plain, *training;

    ak_rig_ok(ak_backbone_find(&row, "vit_tiny"));
    b.row = row;
    ak_rig_ok(ak_backbone_bind(&b.self, row, "vit_tiny:patch_size=8,drop_path=0.9"));
    b.model.building_target = true;
    row->build(b.self, &b.model, "backbone", 16);
    ak_rig_ok(ak_model_allocate(&b.model));
    ak_rig_fill(b.model.targets, b.model.target_size, 3, 0.1);
    plain = ak_built_features(&b, 2, 16, false, 1, 0);
    training = ak_built_features(&b, 2, 16, true, 1, 0);
    ak_rig_same("features", plain, training, 2 * 192);
    free(plain);
    free(training);
    ak_built_free(&b);
}
END_TEST

// ---- training

static ak_trainer *trainer(const char *backbone, ak_comm *comm, const char *method)
{
    ak_spec spec = ak_small_spec(method);
    ak_trainer *t;

    ak_small_set(&spec, "backbone", backbone);
    ak_small_set(&spec, "weight-decay", "0.1");
    t = ak_small_trainer(&spec, comm);
    ak_spec_fini(&spec);
    return t;
}

static float *values(const ak_trainer *t, const char *name, int64_t *n)
{
    const ak_param *p = ak_model_find(&t->model, name);
    float *copy;

    ck_assert_ptr_nonnull(p);
    *n = p->numel;
    copy = ak_alloc((size_t)*n, sizeof *copy);
    memcpy(copy, p->value, (size_t)*n * sizeof *copy);
    return copy;
}

// Whether steps of training move a parameter.
static bool moves(const char *backbone, const char *name)
{
    ak_comm *comm = NULL;
    ak_trainer *t;
    float *before, *after;
    int64_t n;
    bool same;

    ak_rig_ok(ak_comm_open(&comm));
    t = trainer(backbone, comm, "simclr");
    before = values(t, name, &n);
    for (int i = 0; i < 3; i++)
        (void)ak_small_step(t, 1e-3);
    after = values(t, name, &n);
    same = memcmp(before, after, (size_t)n * sizeof *before) == 0;
    free(before);
    free(after);
    ak_trainer_free(t);
    ak_comm_close(comm);
    return !same;
}

START_TEST(what_is_fixed_does_not_move)
{
    static const char plain[] = "vit_tiny:patch_size=8,depth=2",
                      fixed[] = "vit_tiny:patch_size=8,depth=2,frozen_patch=true,positions=sincos";
    static const char *const names[] = { "backbone.patch_embed.proj.weight",
                                         "backbone.patch_embed.proj.bias", "backbone.pos_embed" };

    for (int i = 0; i < 3; i++) {
        ck_assert_msg(moves(plain, names[i]), "%s stays", names[i]);
        ck_assert_msg(!moves(fixed, names[i]), "%s moves", names[i]);
    }
    ck_assert(moves(fixed, "backbone.cls_token"));
    ck_assert(moves(fixed, "backbone.blocks.0.attn.qkv.weight"));
}
END_TEST

START_TEST(the_loss_falls)
{
    ak_comm *comm = NULL;
    ak_trainer *t;
    double first, last = 0;

    ak_rig_ok(ak_comm_open(&comm));
    t = trainer("vit_tiny:patch_size=8,depth=4,drop_path=0.1", comm, "simclr");
    first = ak_small_step(t, 1e-3);
    for (int i = 0; i < 25; i++)
        last = ak_small_step(t, 1e-3);
    ck_assert_msg(last < 0.8 * first, "from %g to %g", first, last);
    ak_trainer_free(t);
    ak_comm_close(comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(has_timms_names_in_their_order), AK_CASE(has_timms_number_of_parameters),
             AK_CASE(contradictions_are_refused), AK_CASE(dinos_initial_values),
             AK_CASE(moco_v3s_initial_values), AK_CASE(other_sizes_take_the_same_parameters),
             AK_CASE(drop_path_is_of_the_training_step),
             AK_CASE(drop_path_is_not_of_the_momentum_network),
             AK_CASE(what_is_fixed_does_not_move), AK_CASE(the_loss_falls))
