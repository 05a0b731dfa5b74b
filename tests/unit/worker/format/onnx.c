// tests/unit/worker/format/onnx.c -- an ONNX file read back by its schema: what refers to what, and
// that the weights are ours.  What it computes, ONNX Runtime says in tests/interop.

#include "worker/format/format.h"

#include "onnx.pb-c.h"
#include "tests/unit/worker/backbone/built.h"

static ak_spec_pairs about_of(const char *key, const char *value)
{
    ak_spec_pairs about = { 0 };

    ak_rig_ok(ak_spec_pair(&about, key, value));
    return about;
}

static Onnx__ModelProto *write_and_read(const ak_built *b, int64_t image_size)
{
    ak_world world = ak_rig_world(1, 1);
    ak_spec_pairs about = about_of("normalize", "imagenet");
    ak_network n = { &b->model, b->row, b->self, &world, image_size, &about, 0 };
    char *folder = ak_rig_folder(), path[600];
    const ak_format *format = NULL;
    Onnx__ModelProto *model;
    uint8_t *bytes;
    FILE *file;
    long size;

    snprintf(path, sizeof path, "%s/x.onnx", folder);
    ak_rig_ok(ak_format_find(&format, "onnx"));
    ak_rig_ok(format->write(&n, path));
    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    bytes = ak_alloc((size_t)size, 1);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    model = onnx__model_proto__unpack(NULL, (size_t)size, bytes);
    ck_assert_msg(model != NULL, "the file is no ModelProto");
    free(bytes);
    ak_rig_remove(folder);
    ak_spec_pairs_fini(&about);
    ak_comm_close(world.comm);
    return model;
}

static bool is_made(const Onnx__GraphProto *g, size_t before, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(g->initializer[i]->name, name) == 0)
            return true;
    for (size_t i = 0; i < before; i++)
        if (strcmp(g->node[i]->output[0], name) == 0)
            return true;
    return strcmp(g->input[0]->name, name) == 0;
}

// Each value is made once, and before it is read.
static void check_order(const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *node = g->node[i];

        for (size_t k = 0; k < node->n_input; k++)
            ck_assert_msg(is_made(g, i, node->input[k]), "%s reads '%s'", node->name,
                          node->input[k]);
        ck_assert_uint_eq(node->n_output, 1);
        ck_assert_msg(!is_made(g, i, node->output[0]), "'%s' is made twice", node->output[0]);
    }
    ck_assert(is_made(g, g->n_node, "features"));
}

// Every parameter is an initialiser with its name, shape and bytes; but for counts, which
// evaluation does not read.
static void check_weights(const Onnx__GraphProto *g, const ak_model *m)
{
    for (int p = 0; p < m->count; p++) {
        const ak_param *want = m->params[p];
        const Onnx__TensorProto *found = NULL;

        if (want->role == AK_ROLE_COUNT)
            continue;
        for (size_t i = 0; i < g->n_initializer && !found; i++)
            if (strcmp(g->initializer[i]->name, want->name + strlen("backbone.")) == 0)
                found = g->initializer[i];
        ck_assert_msg(found != NULL, "no '%s'", want->name);
        ck_assert_int_eq(found->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
        ck_assert_uint_eq(found->n_dims, (size_t)want->dims);
        for (int d = 0; d < want->dims; d++)
            ck_assert_int_eq(found->dims[d], want->shape[d]);
        ck_assert_uint_eq(found->raw_data.len, (size_t)want->numel * sizeof(float));
        ck_assert_mem_eq(found->raw_data.data, want->value, found->raw_data.len);
    }
}

static int count_of(const Onnx__GraphProto *g, const char *op)
{
    int count = 0;

    for (size_t i = 0; i < g->n_node; i++)
        count += strcmp(g->node[i]->op_type, op) == 0;
    return count;
}

static void check_shape(const Onnx__ValueInfoProto *value, const char *name, int dims,
                        const int64_t *want)
{
    const Onnx__TypeProto__Tensor *type = value->type->tensor_type;

    ck_assert_str_eq(value->name, name);
    ck_assert_int_eq(type->elem_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    ck_assert_uint_eq(type->shape->n_dim, (size_t)dims);
    ck_assert_str_eq(type->shape->dim[0]->dim_param, "N");
    for (int i = 1; i < dims; i++)
        ck_assert_int_eq(type->shape->dim[i]->dim_value, want[i]);
}

static Onnx__ModelProto *check_model(const ak_built *b, int64_t image_size)
{
    Onnx__ModelProto *m = write_and_read(b, image_size);

    ck_assert_int_eq(m->ir_version, 8);
    ck_assert_uint_eq(m->n_opset_import, 1);
    ck_assert_int_eq(m->opset_import[0]->version, 17);
    ck_assert_uint_eq(m->n_metadata_props, 1);
    ck_assert_str_eq(m->metadata_props[0]->key, "normalize");
    ck_assert_str_eq(m->metadata_props[0]->value, "imagenet");
    ck_assert_uint_eq(m->graph->n_input + m->graph->n_output, 2);
    check_shape(m->graph->input[0], "images", 4, (int64_t[]){ 0, 3, image_size, image_size });
    check_shape(m->graph->output[0], "features", 2, (int64_t[]){ 0, b->row->width });
    check_order(m->graph);
    check_weights(m->graph, &b->model);
    return m;
}

// convs: 3x3 and 1x1 ones of the paper's table, and one of each shortcut.
static void check_resnet(const char *name, int convs, int blocks, int pools)
{
    ak_built b = ak_built_new(name, 32);
    Onnx__ModelProto *m = check_model(&b, 32);

    ck_assert_int_eq(count_of(m->graph, "Conv"), convs);
    ck_assert_int_eq(count_of(m->graph, "BatchNormalization"), convs);
    ck_assert_int_eq(count_of(m->graph, "Add"), blocks);
    ck_assert_int_eq(count_of(m->graph, "MaxPool"), pools);
    ck_assert_int_eq(count_of(m->graph, "GlobalAveragePool"), 1);
    onnx__model_proto__free_unpacked(m, NULL);
    ak_built_free(&b);
}

START_TEST(resnets)
{
    check_resnet("resnet18", 20, 8, 1);
    check_resnet("resnet34", 36, 16, 1);
    check_resnet("resnet50", 53, 16, 1);
    check_resnet("resnet18_cifar_stem", 20, 8, 0);
    check_resnet("resnet20", 21, 9, 0);
}
END_TEST

static void check_vit(const char *text, int64_t size, int depth)
{
    ak_built b = ak_built_new(text, size);
    Onnx__ModelProto *m = check_model(&b, size);

    ck_assert_int_eq(count_of(m->graph, "Conv"), 1);
    ck_assert_int_eq(count_of(m->graph, "LayerNormalization"), 2 * depth + 1);
    ck_assert_int_eq(count_of(m->graph, "Softmax"), depth);
    ck_assert_int_eq(count_of(m->graph, "Erf"), depth);
    ck_assert_int_eq(count_of(m->graph, "MatMul"), 6 * depth); // 4 layers, q k^T, and by v
    onnx__model_proto__free_unpacked(m, NULL);
    ak_built_free(&b);
}

START_TEST(vision_transformers)
{
    check_vit("vit_tiny", 32, 12);
    check_vit("vit_small:depth=2,patch_size=8,drop_path=0.3,heads=12", 32, 2);
    check_vit("vit_base:depth=1", 32, 1);
}
END_TEST

START_TEST(a_head_is_refused)
{
    ak_built b = ak_built_new("resnet20", 16);
    ak_world world = ak_rig_world(1, 1);
    ak_spec_pairs about = { 0 };
    ak_network n = { &b.model, b.row, b.self, &world, 16, &about, 10 };
    char *folder = ak_rig_folder(), path[600];
    const ak_format *format = NULL;

    snprintf(path, sizeof path, "%s/x", folder);
    ak_rig_ok(ak_format_find(&format, "onnx"));
    ak_rig_refused(format->write(&n, path), AKSSL_ERR_UNSUPPORTED, "leave the zero head away");
    ak_rig_ok(ak_format_find(&format, "torchvision-vit"));
    ak_rig_refused(format->write(&n, path), AKSSL_ERR_UNSUPPORTED, "for vision transformers");
    ak_rig_refused(ak_format_find(&format, "onxx"), AKSSL_ERR_NOT_FOUND,
                   "there are safetensors, torchvision_vit, npy, onnx");
    ck_assert_int_eq(rmdir(folder), 0); // nothing is left in it
    free(folder);
    ak_comm_close(world.comm);
    ak_built_free(&b);
}
END_TEST

AK_TEST_MAIN(AK_CASE(resnets), AK_CASE(vision_transformers), AK_CASE(a_head_is_refused))
