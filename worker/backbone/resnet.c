// worker/backbone/resnet.c -- ResNet-18, 34, 50 and 20 (He et al. 2015, arXiv:1512.03385) with
// torchvision's names.
//
//     stem -> 4 stages of blocks (64, 128, 256, 512 channels) -> mean over the cells
//     basic block:  y = relu(bn2(conv2(relu(bn1(conv1 x)))) + shortcut(x)), both 3x3
//     bottleneck:   y = relu(bn3(conv3(relu(bn2(conv2(relu(bn1(conv1 x))))))) + shortcut(x)),
//                   1x1, 3x3, 1x1 to four times the channels; the 3x3 has the stride (v1.5)
//     the first block of stages 2-4 halves the image; where a block changes its shape, the
//     shortcut is bn(1x1 convolution)
//
// Stems: torchvision's (7x7, stride 2, then a 3x3 maximum, stride 2), or the one for CIFAR's small
// images (3x3, stride 1, no maximum).  ResNet-20 is the paper's for CIFAR (section 4.2): that stem
// and 3 stages of 16, 32 and 64 channels; where its blocks change their shape, the shortcut is a
// convolution as in the others.  zero_init_residual starts the last batch norm of each block
// at weight 0, so that a block begins as its shortcut (Goyal et al. 2017, arXiv:1706.02677).

#include <stdio.h>

#include "worker/backbone/backbone.h"

enum { STAGES = 4, BLOCKS = 6, CONVS = 3, NAME = 64, FULL_NAME = 128 };

typedef struct plan {
    int blocks[STAGES]; // 0: no such stage
    int convs;          // of a block
    int64_t planes;     // of the stem and the first stage
    bool cifar_stem;
} plan;

typedef struct block {
    ak_param *conv[CONVS], *shortcut;
    ak_norm bn[CONVS], shortcut_bn;
    int64_t stride;
} block;

typedef struct resnet {
    bool zero_init_residual; // option
    const plan *plan;
    ak_param *conv1;
    ak_norm bn1;
    block blocks[STAGES][BLOCKS];
} resnet;

static const ak_option options[] = {
    AK_OPTION_BOOL(resnet, zero_init_residual, false,
                   "the last batch norm of each block starts at weight 0"),
    AK_OPTION_END,
};

static int64_t kernel_size(const plan *p, int conv)
{
    return p->convs == 3 && conv != 1 ? 1 : 3;
}

// The stride of a block is its first 3x3 convolution's.
static int64_t stride_of(const plan *p, const block *b, int conv)
{
    return conv == p->convs - 2 ? b->stride : 1;
}

static void build_block(resnet *r, block *b, ak_model *m, const char *prefix, int64_t in,
                        int64_t planes)
{
    const plan *p = r->plan;
    int64_t out = p->convs == 3 ? 4 * planes : planes, from = in;
    char name[FULL_NAME];

    for (int c = 0; c < p->convs; c++) {
        bool last = c == p->convs - 1;
        int64_t to = last ? out : planes;

        snprintf(name, sizeof name, "%s.conv%d", prefix, c + 1);
        b->conv[c] = ak_conv_weight(m, name, to, from, kernel_size(p, c));
        snprintf(name, sizeof name, "%s.bn%d", prefix, c + 1);
        b->bn[c] = ak_norm_new(m, name, to, last && r->zero_init_residual);
        from = to;
    }
    if (in == out && b->stride == 1)
        return;
    snprintf(name, sizeof name, "%s.downsample.0", prefix);
    b->shortcut = ak_conv_weight(m, name, out, in, 1);
    snprintf(name, sizeof name, "%s.downsample.1", prefix);
    b->shortcut_bn = ak_norm_new(m, name, out, false);
}

static void build(resnet *r, const plan *p, ak_model *m, const char *prefix)
{
    int64_t in = p->planes;
    char name[NAME];

    r->plan = p;
    snprintf(name, sizeof name, "%s.conv1", prefix);
    r->conv1 = ak_conv_weight(m, name, in, 3, p->cifar_stem ? 3 : 7);
    snprintf(name, sizeof name, "%s.bn1", prefix);
    r->bn1 = ak_norm_new(m, name, in, false);
    for (int s = 0; s < STAGES; s++) {
        for (int b = 0; b < p->blocks[s]; b++) {
            int64_t planes = p->planes << s;

            snprintf(name, sizeof name, "%s.layer%d.%d", prefix, s + 1, b);
            r->blocks[s][b].stride = s > 0 && b == 0 ? 2 : 1;
            build_block(r, &r->blocks[s][b], m, name, in, planes);
            in = p->convs == 3 ? 4 * planes : planes;
        }
    }
}

static ak_tensor *apply_block(const resnet *r, const block *b, ak_graph *g, ak_tensor *x)
{
    int last = r->plan->convs - 1;
    ak_tensor *y = x, *shortcut = x;

    for (int c = 0; c <= last; c++) {
        y = ak_conv2d(g, y, b->conv[c], stride_of(r->plan, b, c), kernel_size(r->plan, c) / 2);
        if (c < last)
            y = ak_batch_norm(g, y, &b->bn[c], NULL, true);
    }
    if (b->shortcut) {
        shortcut = ak_conv2d(g, x, b->shortcut, b->stride, 0);
        shortcut = ak_batch_norm(g, shortcut, &b->shortcut_bn, NULL, false);
    }
    return ak_batch_norm(g, y, &b->bn[last], shortcut, true);
}

static ak_tensor *apply(const void *self, ak_graph *g, ak_tensor *x)
{
    const resnet *r = self;
    bool small = r->plan->cifar_stem;

    x = ak_conv2d(g, x, r->conv1, small ? 1 : 2, small ? 1 : 3);
    x = ak_batch_norm(g, x, &r->bn1, NULL, true);
    if (!small)
        x = ak_max_pool(g, x);
    for (int s = 0; s < STAGES; s++)
        for (int b = 0; b < r->plan->blocks[s]; b++)
            x = apply_block(r, &r->blocks[s][b], g, x);
    return ak_mean_pool(g, x);
}

// ---- the rows

#define ROW(name_, title_, width_, convs_, planes_, cifar_stem_, ...)                              \
    static void build_##name_(void *self, ak_model *m, const char *prefix, int64_t image_size)     \
    {                                                                                              \
        static const plan plan_ = { { __VA_ARGS__ }, convs_, planes_, cifar_stem_ };               \
                                                                                                   \
        (void)image_size;                                                                          \
        build(self, &plan_, m, prefix);                                                            \
    }                                                                                              \
    const ak_backbone ak_backbone_##name_ = {                                                      \
        .name = #name_,                                                                            \
        .title = title_,                                                                           \
        .options = options,                                                                        \
        .self_size = sizeof(resnet),                                                               \
        .width = width_,                                                                           \
        .head = "fc",                                                                              \
        .least_size = 8,                                                                           \
        .build = build_##name_,                                                                    \
        .apply = apply,                                                                            \
    }

ROW(resnet18, "ResNet-18, torchvision's stem", 512, 2, 64, false, 2, 2, 2, 2);
ROW(resnet34, "ResNet-34, torchvision's stem", 512, 2, 64, false, 3, 4, 6, 3);
ROW(resnet50, "ResNet-50 v1.5, torchvision's stem", 2048, 3, 64, false, 3, 4, 6, 3);
ROW(resnet18_cifar_stem, "ResNet-18, 3x3 stem without pooling, for small images", 512, 2, 64, true,
    2, 2, 2, 2);
ROW(resnet34_cifar_stem, "ResNet-34, 3x3 stem without pooling, for small images", 512, 2, 64, true,
    3, 4, 6, 3);
ROW(resnet50_cifar_stem, "ResNet-50 v1.5, 3x3 stem without pooling, for small images", 2048, 3, 64,
    true, 3, 4, 6, 3);
ROW(resnet20, "ResNet-20 for CIFAR: 3 stages of 16 to 64 channels, 3x3 stem", 64, 2, 16, true, 3, 3,
    3);
