// worker/backbone/resnet.c -- ResNet-18 (He et al. 2015, arXiv:1512.03385) with torchvision's
// names.
//
//     stem -> 4 stages of 2 basic blocks (64, 128, 256, 512 channels) -> mean over the cells
//     block: y = relu(bn2(conv2(relu(bn1(conv1 x)))) + shortcut(x)), 3x3 convolutions; the first
//     block of stages 2-4 halves the image, its shortcut is bn(1x1 convolution)
//
// Stems: torchvision's (7x7, stride 2, then a 3x3 maximum, stride 2), or the one for CIFAR's small
// images (3x3, stride 1, no maximum).

#include <stdio.h>

#include "worker/backbone/backbone.h"

enum { STAGES = 4, BLOCKS = 2, NAME = 64, FULL_NAME = 128 };

typedef struct block {
    ak_param *conv1, *conv2, *shortcut;
    ak_norm bn1, bn2, shortcut_bn;
    int64_t stride;
} block;

typedef struct resnet {
    ak_param *conv1;
    ak_norm bn1;
    block blocks[STAGES][BLOCKS];
} resnet;

static ak_param *conv(ak_model *m, const char *prefix, const char *name, int64_t out, int64_t in,
                      int64_t k)
{
    char full[FULL_NAME];

    snprintf(full, sizeof full, "%s.%s", prefix, name);
    return ak_conv_weight(m, full, out, in, k);
}

static ak_norm norm(ak_model *m, const char *prefix, const char *name, int64_t channels)
{
    char full[FULL_NAME];

    snprintf(full, sizeof full, "%s.%s", prefix, name);
    return ak_norm_new(m, full, channels, false);
}

static void build_block(block *b, ak_model *m, const char *prefix, int64_t in, int64_t out,
                        int64_t stride)
{
    b->stride = stride;
    b->conv1 = conv(m, prefix, "conv1", out, in, 3);
    b->bn1 = norm(m, prefix, "bn1", out);
    b->conv2 = conv(m, prefix, "conv2", out, out, 3);
    b->bn2 = norm(m, prefix, "bn2", out);
    if (in == out)
        return;
    b->shortcut = conv(m, prefix, "downsample.0", out, in, 1);
    b->shortcut_bn = norm(m, prefix, "downsample.1", out);
}

static void build(resnet *r, ak_model *m, const char *prefix, int64_t stem)
{
    int64_t in = 64;

    r->conv1 = conv(m, prefix, "conv1", 64, 3, stem);
    r->bn1 = norm(m, prefix, "bn1", 64);
    for (int s = 0; s < STAGES; s++) {
        for (int b = 0; b < BLOCKS; b++) {
            int64_t out = (int64_t)64 << s;
            char name[NAME];

            snprintf(name, sizeof name, "%s.layer%d.%d", prefix, s + 1, b);
            build_block(&r->blocks[s][b], m, name, in, out, s > 0 && b == 0 ? 2 : 1);
            in = out;
        }
    }
}

static void build_imagenet(void *self, ak_model *m, const char *prefix, int64_t image_size)
{
    (void)image_size;
    build(self, m, prefix, 7);
}

static void build_cifar(void *self, ak_model *m, const char *prefix, int64_t image_size)
{
    (void)image_size;
    build(self, m, prefix, 3);
}

static ak_tensor *apply_block(const block *b, ak_graph *g, ak_tensor *x)
{
    ak_tensor *shortcut = x;
    ak_tensor *y = ak_conv2d(g, x, b->conv1, b->stride, 1);

    y = ak_batch_norm(g, y, &b->bn1, NULL, true);
    y = ak_conv2d(g, y, b->conv2, 1, 1);
    if (b->shortcut) {
        shortcut = ak_conv2d(g, x, b->shortcut, b->stride, 0);
        shortcut = ak_batch_norm(g, shortcut, &b->shortcut_bn, NULL, false);
    }
    return ak_batch_norm(g, y, &b->bn2, shortcut, true);
}

static ak_tensor *apply_stages(const resnet *r, ak_graph *g, ak_tensor *x)
{
    for (int s = 0; s < STAGES; s++)
        for (int b = 0; b < BLOCKS; b++)
            x = apply_block(&r->blocks[s][b], g, x);
    return ak_mean_pool(g, x);
}

static ak_tensor *apply_imagenet(const void *self, ak_graph *g, ak_tensor *x)
{
    const resnet *r = self;

    x = ak_batch_norm(g, ak_conv2d(g, x, r->conv1, 2, 3), &r->bn1, NULL, true);
    return apply_stages(r, g, ak_max_pool(g, x));
}

static ak_tensor *apply_cifar(const void *self, ak_graph *g, ak_tensor *x)
{
    const resnet *r = self;

    x = ak_batch_norm(g, ak_conv2d(g, x, r->conv1, 1, 1), &r->bn1, NULL, true);
    return apply_stages(r, g, x);
}

const ak_backbone ak_backbone_resnet18 = {
    .name = "resnet18",
    .title = "ResNet-18, torchvision's stem",
    .self_size = sizeof(resnet),
    .width = 512,
    .least_size = 8,
    .build = build_imagenet,
    .apply = apply_imagenet,
};

const ak_backbone ak_backbone_resnet18_cifar_stem = {
    .name = "resnet18_cifar_stem",
    .title = "ResNet-18, 3x3 stem without pooling, for small images",
    .self_size = sizeof(resnet),
    .width = 512,
    .least_size = 8,
    .build = build_cifar,
    .apply = apply_cifar,
};
