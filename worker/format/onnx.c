// worker/format/onnx.c -- a backbone as an ONNX model: images in, features out.
//
// The model is the recording that evaluation replays, operation by operation (onnx_ops.c).  It is
// packed as it is written: the weights are in memory once.

#include "worker/format/onnx.h"

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/format/draft.h"
#include "worker/format/format.h"

enum { IR_VERSION = 8, OPSET = 17 }; // of ONNX 1.12, the first with LayerNormalization

// The message's parts that are not the graph's; all of it points to this.
typedef struct envelope {
    Onnx__ModelProto model;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    Onnx__StringStringEntryProto *about, **abouts;
} envelope;

// ---- the graph

static akssl_status record(const ak_network *n, ak_graph *g, ak_tensor **x, ak_tensor **y)
{
    *x = ak_graph_input(g, 4, (int64_t[]){ 1, n->image_size, n->image_size, 3 });
    *y = n->backbone->apply(n->self, g, *x);
    return ak_graph_compile(g, NULL, *y);
}

// names: of the outputs of the operations so far.  An input that no operation made is the images.
static const char *name_of(const ak_tensor *t, const ak_graph *g, const char *const *names,
                           int count)
{
    ak_graph_node node;

    for (int i = count - 1; t && i >= 0; i--)
        if (ak_graph_node_at(g, i, &node) && node.out == t)
            return names[i];
    return t ? "images" : NULL;
}

static akssl_status translate(ak_onnx *x, const ak_graph *g, const ak_tensor *result)
{
    char **names = NULL;
    akssl_status rc = AKSSL_OK;
    ak_graph_node node;
    int count = 0;

    for (; rc == AKSSL_OK && ak_graph_node_at(g, count, &node); count++) {
        const char *in[2] = { name_of(node.in[0], g, (const char *const *)names, count),
                              name_of(node.in[1], g, (const char *const *)names, count) };
        ak_str name = AK_STR_INIT;

        if (node.out == result)
            ak_str_append(&name, "features");
        else
            ak_str_format(&name, "%s.%d", node.kind, count);
        names = ak_realloc(names, (size_t)count + 1, sizeof *names);
        names[count] = ak_str_take(&name);
        rc = ak_onnx_operation(x, &node, in, names[count]);
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return rc;
}

// ---- inputs and outputs

// A value of N x sizes, float32.
typedef struct shown {
    Onnx__ValueInfoProto info, *infos[1];
    Onnx__TypeProto type;
    Onnx__TypeProto__Tensor tensor;
    Onnx__TensorShapeProto shape;
    Onnx__TensorShapeProto__Dimension dim[4], *dims[4];
} shown;

static void show(shown *s, const char *name, int count, const int64_t *sizes)
{
    onnx__value_info_proto__init(&s->info);
    onnx__type_proto__init(&s->type);
    onnx__type_proto__tensor__init(&s->tensor);
    onnx__tensor_shape_proto__init(&s->shape);
    for (int i = 0; i < count; i++) {
        onnx__tensor_shape_proto__dimension__init(&s->dim[i]);
        s->dim[i].value_case = i ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                                 : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        if (i)
            s->dim[i].dim_value = sizes[i];
        else
            s->dim[i].dim_param = (char *)"N";
        s->dims[i] = &s->dim[i];
    }
    s->shape.n_dim = (size_t)count;
    s->shape.dim = s->dims;
    s->tensor.has_elem_type = 1;
    s->tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    s->tensor.shape = &s->shape;
    s->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    s->type.tensor_type = &s->tensor;
    s->info.name = (char *)name;
    s->info.type = &s->type;
    s->infos[0] = &s->info;
}

// ---- the file

typedef struct sink {
    ProtobufCBuffer base; // first: protobuf-c hands it back
    ak_draft *draft;
} sink;

// A failure is the draft's to keep.
static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *bytes)
{
    (void)ak_draft_write(((sink *)buffer)->draft, bytes, size);
}

static void wrap(envelope *e, const ak_network *n, Onnx__GraphProto *graph)
{
    size_t count = (size_t)n->about->count;

    onnx__model_proto__init(&e->model);
    onnx__operator_set_id_proto__init(&e->opset);
    e->opset.domain = (char *)"";
    e->opset.has_version = 1;
    e->opset.version = OPSET;
    e->opsets[0] = &e->opset;
    e->model.has_ir_version = 1;
    e->model.ir_version = IR_VERSION;
    e->model.producer_name = (char *)"akssl";
    e->model.producer_version = (char *)AKSSL_VERSION;
    e->model.n_opset_import = 1;
    e->model.opset_import = e->opsets;
    e->model.graph = graph;
    e->about = ak_alloc(count + 1, sizeof *e->about);
    e->abouts = ak_alloc(count + 1, sizeof *e->abouts);
    for (size_t i = 0; i < count; i++) {
        onnx__string_string_entry_proto__init(&e->about[i]);
        e->about[i].key = n->about->keys[i];
        e->about[i].value = n->about->values[i];
        e->abouts[i] = &e->about[i];
    }
    e->model.n_metadata_props = count;
    e->model.metadata_props = e->abouts;
}

static akssl_status save(const ak_network *n, Onnx__GraphProto *graph, const char *path)
{
    envelope e;
    sink to = { .base = { append } };
    shown images, features;
    akssl_status rc = ak_draft_create(&to.draft, path);

    if (rc < 0)
        return rc;
    show(&images, "images", 4, (int64_t[]){ 0, 3, n->image_size, n->image_size });
    show(&features, "features", 2, (int64_t[]){ 0, n->backbone->width });
    graph->name = (char *)n->backbone->name;
    graph->n_input = graph->n_output = 1;
    graph->input = images.infos;
    graph->output = features.infos;
    wrap(&e, n, graph);
    protobuf_c_message_pack_to_buffer(&e.model.base, &to.base);
    free(e.about);
    free(e.abouts);
    rc = ak_draft_commit(to.draft);
    ak_draft_free(to.draft);
    return rc;
}

static akssl_status write(const ak_network *n, const char *path)
{
    ak_onnx *x = NULL;
    ak_graph *g = NULL;
    ak_tensor *in, *out;
    akssl_status rc;

    if (n->zero_head)
        return ak_fail(AKSSL_ERR_UNSUPPORTED,
                       "onnx: the model gives features: leave the zero head away");
    rc = ak_graph_new(&g, n->world, (ak_graph_mode){ .training = false });
    if (rc == AKSSL_OK)
        rc = record(n, g, &in, &out);
    if (rc == AKSSL_OK) {
        x = ak_onnx_new();
        rc = translate(x, g, out);
    }
    if (rc == AKSSL_OK)
        rc = save(n, ak_onnx_graph(x), path);
    ak_onnx_free(x);
    ak_graph_free(g);
    return rc;
}

const ak_format ak_format_onnx = {
    .name = "onnx",
    .title = "an ONNX model of opset 17: normalised images in, features out",
    .extension = ".onnx",
    .write = write,
};
