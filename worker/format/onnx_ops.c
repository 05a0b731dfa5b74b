// worker/format/onnx_ops.c -- what each operation of ours is in ONNX (opset 17): a row each.
//
// Images are nhwc here and NCHW there, so that only operations on images differ in their axes;
// tokens are (n,tokens,D) in both.

#include <math.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/format/onnx.h"

typedef struct call {
    const ak_graph_node *node;
    const char *const *in;
    const char *out;
} call;

// The name of parameter i.
static const char *weight(ak_onnx *x, const call *c, int i)
{
    return ak_onnx_weight(x, c->node->param[i]);
}

static void window(ak_onnx *x, int64_t kernel, int64_t stride, int64_t padding)
{
    ak_onnx_ints(x, "kernel_shape", 2, (int64_t[]){ kernel, kernel });
    ak_onnx_ints(x, "strides", 2, (int64_t[]){ stride, stride });
    ak_onnx_ints(x, "pads", 4, (int64_t[]){ padding, padding, padding, padding });
}

// ---- images

static akssl_status conv2d(ak_onnx *x, const call *c)
{
    ak_onnx_node(x, "Conv", c->out, AK_ONNX_IN(c->in[0], weight(x, c, 0)));
    window(x, c->node->param[0]->shape[2], c->node->number[0], c->node->number[1]);
    return AKSSL_OK;
}

static akssl_status batch_norm(ak_onnx *x, const call *c)
{
    bool add = c->in[1] != NULL, relu = c->node->number[0] != 0;
    const char *y;

    if (!c->node->param[0] || !c->node->param[1] || !c->node->param[2])
        return ak_fail(AKSSL_ERR_UNSUPPORTED,
                       "onnx: a batch norm without weights or running statistics has no node");
    y = ak_onnx_node(
        x, "BatchNormalization", add || relu ? NULL : c->out,
        AK_ONNX_IN(c->in[0], weight(x, c, 0), weight(x, c, 1), weight(x, c, 2), weight(x, c, 3)));
    ak_onnx_float(x, "epsilon", c->node->epsilon);
    if (add)
        y = ak_onnx_node(x, "Add", relu ? NULL : c->out, AK_ONNX_IN(y, c->in[1]));
    if (relu)
        ak_onnx_node(x, "Relu", c->out, AK_ONNX_IN(y));
    return AKSSL_OK;
}

static akssl_status max_pool(ak_onnx *x, const call *c)
{
    ak_onnx_node(x, "MaxPool", c->out, AK_ONNX_IN(c->in[0]));
    window(x, 3, 2, 1);
    return AKSSL_OK;
}

static akssl_status mean_pool(ak_onnx *x, const call *c)
{
    ak_onnx_node(x, "Flatten", c->out,
                 AK_ONNX_IN(ak_onnx_node(x, "GlobalAveragePool", NULL, AK_ONNX_IN(c->in[0]))));
    return AKSSL_OK;
}

// ---- tokens

// 0 in a Reshape keeps the axis: the number of images is free.
static const char *reshape(ak_onnx *x, const char *y, const char *out, int dims,
                           const int64_t *shape)
{
    return ak_onnx_node(x, "Reshape", out, AK_ONNX_IN(y, ak_onnx_numbers(x, 1, dims, shape)));
}

static const char *transpose(ak_onnx *x, const char *y, const char *out, int dims,
                             const int64_t *axes)
{
    y = ak_onnx_node(x, "Transpose", out, AK_ONNX_IN(y));
    ak_onnx_ints(x, "perm", dims, axes);
    return y;
}

static akssl_status patch_embed(ak_onnx *x, const call *c)
{
    const int64_t *shape = c->node->param[0]->shape;
    const char *y =
        ak_onnx_node(x, "Conv", NULL, AK_ONNX_IN(c->in[0], weight(x, c, 0), weight(x, c, 1)));

    window(x, shape[2], shape[2], 0);
    y = reshape(x, y, NULL, 3, (int64_t[]){ 0, shape[0], -1 });
    transpose(x, y, c->out, 3, (int64_t[]){ 0, 2, 1 });
    return AKSSL_OK;
}

// A row of zeros goes before the patches, and cls comes by addition, as positions do: that needs no
// copy of it for each image.
static akssl_status tokens(ak_onnx *x, const call *c)
{
    int64_t patches = c->node->out->shape[1] - 1;
    const char *y, *cls;

    if (c->node->number[0])
        return ak_fail(
            AKSSL_ERR_UNSUPPORTED,
            "onnx: positions are resized to these images: give the size that the network "
            "was trained at");
    y = ak_onnx_node(
        x, "Pad", NULL,
        AK_ONNX_IN(c->in[0], ak_onnx_numbers(x, 1, 6, (int64_t[]){ 0, 1, 0, 0, 0, 0 })));
    cls = ak_onnx_node(x, "Pad", NULL,
                       AK_ONNX_IN(weight(x, c, 0),
                                  ak_onnx_numbers(x, 1, 6, (int64_t[]){ 0, 0, 0, 0, patches, 0 })));
    y = ak_onnx_node(x, "Add", NULL, AK_ONNX_IN(y, cls));
    ak_onnx_node(x, "Add", c->out, AK_ONNX_IN(y, weight(x, c, 1)));
    return AKSSL_OK;
}

static const char *layer_norm_of(ak_onnx *x, const call *c, const char *out, int w)
{
    const char *y = ak_onnx_node(x, "LayerNormalization", out,
                                 AK_ONNX_IN(c->in[0], weight(x, c, w), weight(x, c, w + 1)));

    ak_onnx_int(x, "axis", -1);
    ak_onnx_float(x, "epsilon", c->node->epsilon);
    return y;
}

static akssl_status layer_norm(ak_onnx *x, const call *c)
{
    layer_norm_of(x, c, c->out, 0);
    return AKSSL_OK;
}

// y (1 + erf(y / sqrt 2)) / 2
static const char *gelu_of(ak_onnx *x, const char *y)
{
    const char *z = ak_onnx_node(x, "Mul", NULL, AK_ONNX_IN(y, ak_onnx_scalar(x, M_SQRT1_2)));

    z = ak_onnx_node(x, "Erf", NULL, AK_ONNX_IN(z));
    z = ak_onnx_node(x, "Add", NULL, AK_ONNX_IN(z, ak_onnx_scalar(x, 1)));
    z = ak_onnx_node(x, "Mul", NULL, AK_ONNX_IN(y, z));
    return ak_onnx_node(x, "Mul", NULL, AK_ONNX_IN(z, ak_onnx_scalar(x, 0.5)));
}

static akssl_status linear(ak_onnx *x, const call *c)
{
    const char *y = c->in[0], *w = transpose(x, weight(x, c, 0), NULL, 2, (int64_t[]){ 1, 0 });
    bool bias = c->node->param[1] != NULL, base = c->in[1] != NULL;

    if (c->node->param[2])
        y = layer_norm_of(x, c, NULL, 2);
    else if (c->node->number[0])
        y = gelu_of(x, y);
    y = ak_onnx_node(x, "MatMul", bias || base ? NULL : c->out, AK_ONNX_IN(y, w));
    if (bias)
        y = ak_onnx_node(x, "Add", base ? NULL : c->out, AK_ONNX_IN(y, weight(x, c, 1)));
    if (base)
        ak_onnx_node(x, "Add", c->out, AK_ONNX_IN(y, c->in[1]));
    return AKSSL_OK;
}

// y[index] of its first axis, which goes.
static const char *take(ak_onnx *x, const char *y, const char *out, int64_t index, int64_t axis)
{
    y = ak_onnx_node(x, "Gather", out, AK_ONNX_IN(y, ak_onnx_numbers(x, 0, 1, &index)));
    ak_onnx_int(x, "axis", axis);
    return y;
}

static akssl_status attention(ak_onnx *x, const call *c)
{
    const int64_t *shape = c->node->out->shape; // (n,tokens,D)
    int64_t heads = c->node->number[0], d = shape[2] / heads;
    const char *y = reshape(x, c->in[0], NULL, 5, (int64_t[]){ 0, shape[1], 3, heads, d });
    const char *q, *k, *v;

    y = transpose(x, y, NULL, 5, (int64_t[]){ 2, 0, 3, 1, 4 }); // 3 of (n,heads,tokens,d)
    q = take(x, y, NULL, 0, 0);
    k = transpose(x, take(x, y, NULL, 1, 0), NULL, 4, (int64_t[]){ 0, 1, 3, 2 });
    v = take(x, y, NULL, 2, 0);
    q = ak_onnx_node(x, "Mul", NULL, AK_ONNX_IN(q, ak_onnx_scalar(x, 1 / sqrt((double)d))));
    y = ak_onnx_node(x, "MatMul", NULL, AK_ONNX_IN(q, k));
    y = ak_onnx_node(x, "Softmax", NULL, AK_ONNX_IN(y));
    ak_onnx_int(x, "axis", -1);
    y = ak_onnx_node(x, "MatMul", NULL, AK_ONNX_IN(y, v));
    y = transpose(x, y, NULL, 4, (int64_t[]){ 0, 2, 1, 3 });
    reshape(x, y, c->out, 3, (int64_t[]){ 0, shape[1], shape[2] });
    return AKSSL_OK;
}

static akssl_status first_token(ak_onnx *x, const call *c)
{
    take(x, c->in[0], c->out, 0, 1);
    return AKSSL_OK;
}

// Drop path is of training alone.
static akssl_status residual(ak_onnx *x, const call *c)
{
    ak_onnx_node(x, "Add", c->out, AK_ONNX_IN(c->in[0], c->in[1]));
    return AKSSL_OK;
}

// ---- the rows

static const struct {
    const char *kind; // as worker/tensor/op/KIND.c has it
    akssl_status (*add)(ak_onnx *x, const call *c);
} rows[] = {
    { "attention", attention },     { "batch_norm", batch_norm }, { "conv2d", conv2d },
    { "first_token", first_token }, { "layer_norm", layer_norm }, { "linear", linear },
    { "max_pool", max_pool },       { "mean_pool", mean_pool },   { "patch_embed", patch_embed },
    { "residual", residual },       { "tokens", tokens },
};

akssl_status ak_onnx_operation(ak_onnx *x, const ak_graph_node *node, const char *const in[2],
                               const char *output)
{
    const call c = { node, in, output };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].kind, node->kind) == 0)
            return rows[i].add(x, &c);
    return ak_fail(AKSSL_ERR_UNSUPPORTED,
                   "onnx: the operation %s of this network is not known there: add a row to "
                   "worker/format/onnx_ops.c",
                   node->kind);
}
