// tests/unit/worker/nn/model.c -- tests names, initial values, and what is read and written.

#include "tests/oracle.h"
#include "tests/unit/worker/rig.h"
#include "worker/backbone/backbone.h"

// ---- ResNet-18 by torchvision's names

typedef struct network {
    const ak_backbone *backbone;
    void *self;
    ak_model model;
} network;

static network build(const char *name)
{
    network n = { NULL, NULL, { 0 } };

    ak_rig_ok(ak_backbone_find(&n.backbone, name));
    n.self = ak_alloc(1, n.backbone->self_size);
    ak_model_init(&n.model);
    n.backbone->build(n.self, &n.model, "backbone", 32);
    ak_rig_ok(ak_model_allocate(&n.model));
    return n;
}

static void end(network *n)
{
    ak_model_fini(&n->model);
    free(n->self);
}

static void shape_is(const ak_model *m, const char *name, int dims, const int64_t *shape)
{
    const ak_param *p = ak_model_find(m, name);

    ck_assert_msg(p != NULL, "there is no '%s'", name);
    ck_assert_msg(p->dims == dims && memcmp(p->shape, shape, (size_t)dims * sizeof *shape) == 0,
                  "'%s' has another shape", name);
}

// The case holds a gradient norm for each of torchvision's parameters.
START_TEST(resnet18_has_torchvisions_names)
{
    ak_safetensors *c = ak_oracle_open("backbone_resnet18_32");
    network n = build("resnet18");
    int parameters = 0, buffers = 0, known = 0;

    for (int i = 0; i < ak_safetensors_count(c); i++) {
        const char *name = ak_safetensors_at(c, i)->name;
        char full[128];

        if (strncmp(name, "grad_norm.", 10) != 0 || strcmp(name, "grad_norm.x") == 0)
            continue;
        snprintf(full, sizeof full, "backbone.%s", name + 10);
        ck_assert_msg(ak_model_find(&n.model, full) != NULL, "there is no '%s'", full);
        known++;
    }
    for (int i = 0; i < n.model.count; i++) {
        bool trained = n.model.params[i]->role == AK_ROLE_TRAINED;

        ck_assert_int_eq(strncmp(n.model.params[i]->name, "backbone.", 9), 0);
        parameters += trained;
        buffers += !trained;
    }
    ck_assert(known == 60 && parameters == 60 && buffers == 60); // torchvision's 122, without fc
    ck_assert_int_eq(n.model.trained_size, 11689512 - 513000);
    ak_safetensors_close(c);
    end(&n);
}
END_TEST

START_TEST(resnet18_has_torchvisions_shapes)
{
    network n = build("resnet18"), cifar = build("resnet18_cifar_stem");

    shape_is(&n.model, "backbone.conv1.weight", 4, (const int64_t[]){ 64, 3, 7, 7 });
    shape_is(&cifar.model, "backbone.conv1.weight", 4, (const int64_t[]){ 64, 3, 3, 3 });
    shape_is(&n.model, "backbone.bn1.num_batches_tracked", 0, (const int64_t[]){ 0 });
    shape_is(&n.model, "backbone.layer1.1.conv2.weight", 4, (const int64_t[]){ 64, 64, 3, 3 });
    for (int64_t stage = 2, out = 128; stage <= 4; stage++, out *= 2) {
        char name[64];

        snprintf(name, sizeof name, "backbone.layer%d.0.conv1.weight", (int)stage);
        shape_is(&n.model, name, 4, (const int64_t[]){ out, out / 2, 3, 3 });
        snprintf(name, sizeof name, "backbone.layer%d.0.downsample.0.weight", (int)stage);
        shape_is(&n.model, name, 4, (const int64_t[]){ out, out / 2, 1, 1 });
        snprintf(name, sizeof name, "backbone.layer%d.0.downsample.1.running_var", (int)stage);
        shape_is(&n.model, name, 1, (const int64_t[]){ out });
        snprintf(name, sizeof name, "backbone.layer%d.1.bn2.bias", (int)stage);
        shape_is(&n.model, name, 1, (const int64_t[]){ out });
    }
    ck_assert_ptr_null(ak_model_find(&n.model, "backbone.layer1.0.downsample.0.weight"));
    end(&n);
    end(&cifar);
}
END_TEST

// ---- a small model with a momentum network

static ak_model small(bool with_target)
{
    const int64_t w[4] = { 3, 2, 1, 1 };
    ak_model m;

    ak_model_init(&m);
    for (int target = 0; target <= with_target; target++) {
        m.building_target = target;
        (void)ak_model_param(&m, "backbone.conv", "weight", AK_ROLE_TRAINED, 4, w, AK_INIT_NORMAL,
                             1);
        (void)ak_norm_new(&m, "backbone.bn", 3, false);
    }
    m.building_target = false;
    (void)ak_model_param(&m, "head", "bias", AK_ROLE_TRAINED, 1, (const int64_t[]){ 5 },
                         AK_INIT_UNIFORM, 0.25);
    ak_rig_ok(ak_model_allocate(&m));
    ak_model_seed(&m, 11);
    return m;
}

static float *value(const ak_model *m, const char *name)
{
    return ak_model_find(m, name)->value;
}

START_TEST(seeds)
{
    ak_model a = small(true), b = small(true);
    double largest = 0;

    ck_assert_mem_eq(a.trained, b.trained, (size_t)a.trained_size * sizeof(float));
    ck_assert_mem_eq(a.targets, a.trained, (size_t)a.target_size * sizeof(float));
    ak_model_seed(&b, 12);
    ck_assert_mem_ne(a.trained, b.trained, (size_t)a.trained_size * sizeof(float));
    for (int i = 0; i < 5; i++)
        largest = fmax(largest, fabs((double)value(&a, "head.bias")[i]));
    ck_assert(largest > 0 && largest <= 0.25);
    for (int i = 0; i < 3; i++) {
        ck_assert(value(&a, "backbone.bn.weight")[i] == 1 && value(&a, "backbone.bn.bias")[i] == 0);
        ck_assert(value(&a, "target.backbone.bn.running_var")[i] == 1);
    }
    ak_model_fini(&a);
    ak_model_fini(&b);
}
END_TEST

START_TEST(initial_values_have_their_spread)
{
    network n = build("resnet18");
    const ak_param *p;
    double sum = 0, squares = 0;

    ak_model_seed(&n.model, 1);
    p = ak_model_find(&n.model, "backbone.layer4.1.conv2.weight");
    for (int64_t i = 0; i < p->numel; i++) {
        sum += (double)p->value[i];
        squares += (double)p->value[i] * (double)p->value[i];
    }
    ck_assert_double_eq_tol(sum / (double)p->numel, 0, 1e-4);
    ck_assert_double_eq_tol(sqrt(squares / (double)p->numel), sqrt(2.0 / (512 * 9)), 1e-4);
    end(&n);
}
END_TEST

START_TEST(targets_follow)
{
    ak_model m = small(true);

    for (int64_t i = 0; i < m.trained_size; i++)
        m.trained[i] += 2;
    ak_model_follow(&m, 0.75, 1);
    for (int64_t i = 0; i < m.target_size; i++)
        ck_assert_float_eq_tol(m.targets[i], m.trained[i] - 1.5f, 1e-6f);
    ck_assert_ptr_null(ak_model_find(&m, "target.head.bias"));
    ak_model_fini(&m);
}
END_TEST

// MoCo v3's patch projection and positions: 0.99 * x + 0.01 * x is not x for many a float x.
START_TEST(fixed_targets_stay)
{
    static const char name[] = "vit_tiny:patch_size=8,depth=1,positions=sincos,frozen_patch=true";
    const ak_backbone *backbone;
    void *online, *target;
    ak_model m;
    int fixed = 0;

    ak_rig_ok(ak_backbone_find(&backbone, name));
    ak_rig_ok(ak_backbone_bind(&online, backbone, name));
    ak_rig_ok(ak_backbone_bind(&target, backbone, name));
    ak_model_init(&m);
    backbone->build(online, &m, "backbone", 32);
    m.building_target = true;
    backbone->build(target, &m, "backbone", 32);
    ak_rig_ok(ak_model_allocate(&m));
    ak_model_seed(&m, 1);
    for (int i = 0; i < m.count; i++)
        for (int64_t k = 0; m.params[i]->role == AK_ROLE_TARGET && k < m.params[i]->numel; k++)
            m.params[i]->value[k] += m.params[i]->fixed ? 0 : 1;
    ak_model_follow(&m, 0.99, 2);
    for (int i = 0; i < m.count; i++) {
        const ak_param *p = m.params[i];

        fixed += p->role == AK_ROLE_TARGET && p->fixed;
        for (int64_t k = 0; p->role == AK_ROLE_TARGET && k < p->numel; k++)
            if (p->fixed)
                ck_assert(p->value[k] == m.trained[p->offset + k]);
            else
                ck_assert_float_eq_tol(p->value[k], m.trained[p->offset + k] + 0.99f, 1e-5f);
    }
    ck_assert_int_eq(fixed, 3); // the projection's weight and bias, the positions
    ak_model_fini(&m);
    ak_backbone_unbind(online, backbone);
    ak_backbone_unbind(target, backbone);
}
END_TEST

// ---- files

static char *write_model(const char *folder, const ak_model *m, const char *only)
{
    ak_safetensors_writer *w = NULL;
    char path[600];

    snprintf(path, sizeof path, "%s/m.safetensors", folder);
    ak_rig_ok(ak_safetensors_create(&w, path));
    ak_model_declare(m, w, only);
    ak_rig_ok(ak_model_write(m, w, only));
    ak_rig_ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
    return ak_strdup(path);
}

static akssl_status read_model(ak_model *m, const char *path, bool strict, const char *only)
{
    ak_safetensors *file = NULL;
    akssl_status rc;

    ak_rig_ok(ak_safetensors_open(&file, path));
    rc = ak_model_read(m, file, strict, only);
    ak_safetensors_close(file);
    return rc;
}

static void scramble(ak_model *m)
{
    ak_rig_fill(m->trained, m->trained_size, 1, 1);
    ak_rig_fill(m->targets, m->target_size, 2, 1);
    ak_rig_fill(m->buffers, m->buffer_size, 3, 1);
    for (int i = 0; i < m->count; i++)
        m->params[i]->count = m->params[i]->role == AK_ROLE_COUNT ? 100 + i : 0;
}

START_TEST(round_trip)
{
    char *folder = ak_rig_folder(), *path;
    ak_model a = small(true), b = small(true);

    scramble(&a);
    path = write_model(folder, &a, "");
    ak_rig_ok(read_model(&b, path, true, ""));
    ck_assert_mem_eq(a.trained, b.trained, (size_t)a.trained_size * sizeof(float));
    ck_assert_mem_eq(a.targets, b.targets, (size_t)a.target_size * sizeof(float));
    ck_assert_mem_eq(a.buffers, b.buffers, (size_t)a.buffer_size * sizeof(float));
    for (int i = 0; i < a.count; i++)
        ck_assert_int_eq(a.params[i]->count, b.params[i]->count);
    free(path);
    ak_model_fini(&a);
    ak_model_fini(&b);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(a_part_by_its_prefix)
{
    char *folder = ak_rig_folder(), *path;
    ak_model a = small(true), b = small(true);
    ak_safetensors *file = NULL;
    float bias[5];

    scramble(&a);
    path = write_model(folder, &a, "backbone.");
    ak_rig_ok(ak_safetensors_open(&file, path));
    ck_assert_int_eq(ak_safetensors_count(file), 6);
    ck_assert_ptr_nonnull(ak_safetensors_find(file, "conv.weight"));
    ck_assert_ptr_nonnull(ak_safetensors_find(file, "bn.num_batches_tracked"));
    ak_safetensors_close(file);
    memcpy(bias, value(&b, "head.bias"), sizeof bias);
    ak_rig_ok(read_model(&b, path, false, "backbone."));
    ak_rig_same("conv", value(&a, "backbone.conv.weight"), value(&b, "backbone.conv.weight"), 6);
    ak_rig_same("var", value(&a, "backbone.bn.running_var"), value(&b, "backbone.bn.running_var"),
                3);
    ak_rig_same("head", bias, value(&b, "head.bias"), 5);
    free(path);
    ak_model_fini(&a);
    ak_model_fini(&b);
    ak_rig_remove(folder);
}
END_TEST

// Writes the small model's trained parameters but `without`, and `as` with another shape.
static char *write_some(const char *folder, const ak_model *m, const char *without, const char *as)
{
    ak_safetensors_writer *w = NULL;
    char path[600];

    snprintf(path, sizeof path, "%s/some.safetensors", folder);
    ak_rig_ok(ak_safetensors_create(&w, path));
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < m->count; i++) {
            const ak_param *p = m->params[i];

            if (p->role != AK_ROLE_TRAINED || strcmp(p->name, without) == 0)
                continue;
            if (pass)
                ak_rig_ok(ak_safetensors_write(w, p->value, (size_t)p->numel * sizeof(float)));
            else if (strcmp(p->name, as) == 0)
                ak_safetensors_declare(w, p->name, AK_F32, 2, (const int64_t[]){ 1, p->numel });
            else
                ak_safetensors_declare(w, p->name, AK_F32, p->dims, p->shape);
        }
    ak_rig_ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
    return ak_strdup(path);
}

START_TEST(absent_buffers_and_targets)
{
    char *folder = ak_rig_folder(), *path;
    ak_model a = small(false), b = small(true);

    scramble(&a);
    scramble(&b);
    path = write_some(folder, &a, "", "");
    ak_rig_ok(read_model(&b, path, false, ""));
    ak_rig_same("trained", a.trained, b.trained, a.trained_size);
    ak_rig_same("targets copy", b.targets, b.trained, b.target_size);
    for (int i = 0; i < 3; i++) {
        ck_assert(value(&b, "backbone.bn.running_mean")[i] == 0);
        ck_assert(value(&b, "backbone.bn.running_var")[i] == 1);
        ck_assert(value(&b, "target.backbone.bn.running_mean")[i] == 0);
        ck_assert(value(&b, "target.backbone.bn.running_var")[i] == 1);
    }
    ck_assert_int_eq(ak_model_find(&b, "backbone.bn.num_batches_tracked")->count, 0);
    ak_rig_refused(read_model(&b, path, true, ""), AKSSL_ERR_NOT_FOUND, "running_mean");
    free(path);
    ak_model_fini(&a);
    ak_model_fini(&b);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    char *folder = ak_rig_folder();
    ak_model m = small(false);
    static const char *const names[] = { "backbone.conv.weight", "backbone.bn.bias", "head.bias" };

    for (int i = 0; i < 3; i++) {
        char *path = write_some(folder, &m, names[i], "");

        ak_rig_refused(read_model(&m, path, false, ""), AKSSL_ERR_NOT_FOUND, names[i]);
        free(path);
    }
    ak_model_fini(&m);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(another_shape_is_refused)
{
    char *folder = ak_rig_folder();
    ak_model m = small(false);
    static const char *const names[] = { "backbone.conv.weight", "backbone.bn.bias", "head.bias" };

    for (int i = 0; i < 3; i++) {
        char *path = write_some(folder, &m, "", names[i]);

        ak_rig_refused(read_model(&m, path, false, ""), AKSSL_ERR_INVALID, names[i]);
        free(path);
    }
    ak_model_fini(&m);
    ak_rig_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(resnet18_has_torchvisions_names), AK_CASE(resnet18_has_torchvisions_shapes),
             AK_CASE(seeds), AK_CASE(initial_values_have_their_spread), AK_CASE(targets_follow),
             AK_CASE(fixed_targets_stay), AK_CASE(round_trip), AK_CASE(a_part_by_its_prefix),
             AK_CASE(absent_buffers_and_targets), AK_CASE(what_is_missing_is_named),
             AK_CASE(another_shape_is_refused))
