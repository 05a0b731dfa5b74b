// worker/format/onnx_graph.c -- an ONNX graph as it grows.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/str.h"
#include "worker/format/onnx.h"

static const char prefix[] = "backbone.";

struct ak_onnx {
    Onnx__GraphProto graph;
    const ak_param **params; // by initialiser; NULL: the values are the graph's
    int made;                // names of our own so far
};

static char *format_name(ak_onnx *x, const char *what)
{
    ak_str name = AK_STR_INIT;

    ak_str_format(&name, "%s_%d", what, x->made++);
    return ak_str_take(&name);
}

// Appends item to a list of pointers as protobuf-c has them.
#define APPEND(list, count, item)                                                                  \
    do {                                                                                           \
        (list) = ak_realloc((list), (count) + 1, sizeof *(list));                                  \
        (list)[(count)++] = (item);                                                                \
    } while (0)

ak_onnx *ak_onnx_new(void)
{
    ak_onnx *x = ak_alloc(1, sizeof *x);

    onnx__graph_proto__init(&x->graph);
    return x;
}

static void free_node(Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_input; i++)
        free(node->input[i]);
    free(node->output[0]);
    for (size_t i = 0; i < node->n_attribute; i++) {
        free(node->attribute[i]->ints);
        free(node->attribute[i]->name);
        free(node->attribute[i]);
    }
    free(node->input);
    free(node->output);
    free(node->attribute);
    free(node->op_type);
    free(node);
}

void ak_onnx_free(ak_onnx *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->graph.n_node; i++)
        free_node(x->graph.node[i]);
    for (size_t i = 0; i < x->graph.n_initializer; i++) {
        if (!x->params[i])
            free(x->graph.initializer[i]->raw_data.data);
        free(x->graph.initializer[i]->dims);
        free(x->graph.initializer[i]->name);
        free(x->graph.initializer[i]);
    }
    free(x->graph.node);
    free(x->graph.initializer);
    free(x->params);
    free(x);
}

// ---- initialisers

static Onnx__TensorProto *add_tensor(ak_onnx *x, char *name, int32_t type, int dims,
                                     const int64_t *shape, void *data, size_t size,
                                     const ak_param *param)
{
    Onnx__TensorProto *t = ak_alloc(1, sizeof *t);
    size_t count = x->graph.n_initializer;

    onnx__tensor_proto__init(t);
    t->name = name;
    t->has_data_type = t->has_raw_data = 1;
    t->data_type = type;
    t->raw_data = (ProtobufCBinaryData){ size, data };
    for (int i = 0; i < dims; i++)
        APPEND(t->dims, t->n_dims, shape[i]);
    APPEND(x->params, count, param);
    APPEND(x->graph.initializer, x->graph.n_initializer, t);
    return t;
}

const char *ak_onnx_weight(ak_onnx *x, const ak_param *p)
{
    size_t skip = strncmp(p->name, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;

    for (size_t i = 0; i < x->graph.n_initializer; i++)
        if (x->params[i] == p)
            return x->graph.initializer[i]->name;
    return add_tensor(x, ak_strdup(p->name + skip), ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, p->dims,
                      p->shape, p->value, (size_t)p->numel * sizeof(float), p)
        ->name;
}

const char *ak_onnx_numbers(ak_onnx *x, int dims, int count, const int64_t *numbers)
{
    int64_t *copy = ak_alloc((size_t)count, sizeof *copy), length = count;

    memcpy(copy, numbers, (size_t)count * sizeof *copy);
    return add_tensor(x, format_name(x, "numbers"), ONNX__TENSOR_PROTO__DATA_TYPE__INT64, dims,
                      &length, copy, (size_t)count * sizeof *copy, NULL)
        ->name;
}

const char *ak_onnx_scalar(ak_onnx *x, double value)
{
    float *copy = ak_alloc(1, sizeof *copy);

    *copy = (float)value;
    return add_tensor(x, format_name(x, "scalar"), ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 0, NULL,
                      copy, sizeof *copy, NULL)
        ->name;
}

// ---- nodes

const char *ak_onnx_node(ak_onnx *x, const char *op, const char *output, const char *const *inputs)
{
    Onnx__NodeProto *node = ak_alloc(1, sizeof *node);

    onnx__node_proto__init(node);
    node->op_type = ak_strdup(op);
    for (; *inputs; inputs++)
        APPEND(node->input, node->n_input, ak_strdup(*inputs));
    APPEND(node->output, node->n_output, output ? ak_strdup(output) : format_name(x, op));
    node->name = node->output[0]; // what it makes says enough
    APPEND(x->graph.node, x->graph.n_node, node);
    return node->output[0];
}

static Onnx__AttributeProto *attribute(ak_onnx *x, const char *name,
                                       Onnx__AttributeProto__AttributeType type)
{
    Onnx__NodeProto *node = x->graph.node[x->graph.n_node - 1];
    Onnx__AttributeProto *a = ak_alloc(1, sizeof *a);

    onnx__attribute_proto__init(a);
    a->name = ak_strdup(name);
    a->has_type = 1;
    a->type = type;
    APPEND(node->attribute, node->n_attribute, a);
    return a;
}

void ak_onnx_int(ak_onnx *x, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = attribute(x, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    a->has_i = 1;
    a->i = value;
}

void ak_onnx_ints(ak_onnx *x, const char *name, int count, const int64_t *values)
{
    Onnx__AttributeProto *a = attribute(x, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

    for (int i = 0; i < count; i++)
        APPEND(a->ints, a->n_ints, values[i]);
}

void ak_onnx_float(ak_onnx *x, const char *name, double value)
{
    Onnx__AttributeProto *a = attribute(x, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

    a->has_f = 1;
    a->f = (float)value;
}

Onnx__GraphProto *ak_onnx_graph(ak_onnx *x)
{
    return &x->graph;
}
