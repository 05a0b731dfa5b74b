// worker/backbone/vit.c -- vision transformers (Dosovitskiy et al. 2020, arXiv:2010.11929) with
// timm's names, as DINO and MoCo v3 train them.
//
//     x = [class token; patches] + positions
//     depth blocks: x = x + dp(proj(attention(qkv(LN x)))), x = x + dp(fc2(gelu(fc1(LN x))))
//     y = LN(x)_class
//
// depth is 12 unless the option says less.  dp is drop path, 0 in the first block and rising to
// drop_path in the last, of the trained network alone.  Only the class token of the last block is
// of use: behind its attention the others are left out.
//
// Initial values: `dino` draws positions, class token and all linear layers from N(0, 0.02^2) and
// the patches' projection from U(+-1/sqrt(3pp)), its bias too; `moco_v3` draws qkv from
// U(+-sqrt(6/2D)), other weights from U(+-sqrt(6/(in+out))), the class token from N(0, 1e-12).

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/backbone/backbone.h"

enum { DEPTH = 12, NAME = 64, FULL_NAME = 128 };

typedef struct block {
    ak_param *norm1_w, *norm1_b, *qkv_w, *qkv_b, *proj_w, *proj_b;
    ak_param *norm2_w, *norm2_b, *fc1_w, *fc1_b, *fc2_w, *fc2_b;
} block;

typedef struct vit {
    int64_t patch_size, heads, depth; // options
    char *positions, *init;
    bool frozen_patch;
    double drop_path;
    bool target; // a momentum network
    ak_param *cls, *pos, *patch_w, *patch_b, *norm_w, *norm_b;
    block blocks[DEPTH];
} vit;

static const ak_option options[] = {
    AK_OPTION_INT(vit, patch_size, 16, 1, 64, "side of a patch in pixels"),
    AK_OPTION_INT(vit, heads, 0, 0, 64, "attention heads (0: the network's own; MoCo v3 takes 12)"),
    AK_OPTION_INT(vit, depth, DEPTH, 1, DEPTH, "blocks"),
    AK_OPTION_STRING(vit, positions, "learned", "learned|sincos",
                     "positions: learned, or fixed sines and cosines as in MoCo v3"),
    AK_OPTION_BOOL(vit, frozen_patch, false,
                   "the patches' projection keeps its initial value, as in MoCo v3"),
    AK_OPTION_STRING(vit, init, "dino", "dino|moco_v3", "whose initial values"),
    AK_OPTION_FLOAT(vit, drop_path, 0, 0, 0.9,
                    "how often the last block's branches are dropped in training"),
    AK_OPTION_END,
};

static akssl_status check(const vit *v, int64_t image_size, int64_t width)
{
    int64_t patch = v->patch_size;

    if (image_size % patch)
        return ak_fail(AKSSL_ERR_INVALID,
                       "image-size %" PRId64 ": patch_size %" PRId64
                       " does not divide it: give %" PRId64 " pixels, or another patch_size",
                       image_size, patch, (image_size / patch + 1) * patch);
    if (v->heads && width % v->heads)
        return ak_fail(AKSSL_ERR_INVALID,
                       "heads %" PRId64 " do not divide the width %" PRId64 ": give 3, 6 or 12",
                       v->heads, width);
    return AKSSL_OK;
}

// ---- parameters

static bool moco(const vit *v)
{
    return strcmp(v->init, "moco_v3") == 0;
}

static ak_param *vector(ak_model *m, const char *prefix, const char *name, int64_t n, ak_init init)
{
    return ak_model_param(m, prefix, name, AK_ROLE_TRAINED, 1, &n, init, 0);
}

// prefix.name.weight [out,in] and prefix.name.bias; parts: of the rows, drawn as layers of their
// own.
static void linear(const vit *v, ak_model *m, const char *prefix, const char *name, int64_t out,
                   int64_t in, int64_t parts, ak_param **w, ak_param **bias)
{
    const int64_t shape[2] = { out, in };
    char full[FULL_NAME];

    snprintf(full, sizeof full, "%s.%s", prefix, name);
    if (moco(v))
        *w = ak_model_param(m, full, "weight", AK_ROLE_TRAINED, 2, shape, AK_INIT_UNIFORM,
                            sqrt(6 / (double)(in + out / parts)));
    else
        *w = ak_model_param(m, full, "weight", AK_ROLE_TRAINED, 2, shape, AK_INIT_TRUNCATED, 0.02);
    *bias = vector(m, full, "bias", out, AK_INIT_ZERO);
}

static void norm(ak_model *m, const char *prefix, const char *name, int64_t width, ak_param **w,
                 ak_param **bias)
{
    char full[FULL_NAME];

    snprintf(full, sizeof full, "%s.%s", prefix, name);
    *w = vector(m, full, "weight", width, AK_INIT_ONE);
    *bias = vector(m, full, "bias", width, AK_INIT_ZERO);
}

static void build_patches(vit *v, ak_model *m, const char *prefix, int64_t width)
{
    int64_t patch = v->patch_size, in = 3 * patch * patch;
    const int64_t shape[4] = { width, 3, patch, patch };
    double plain = 1 / sqrt((double)in), xavier = sqrt(6 / (double)(in + width));
    char full[FULL_NAME];

    snprintf(full, sizeof full, "%s.patch_embed.proj", prefix);
    v->patch_w = ak_model_param(m, full, "weight", AK_ROLE_TRAINED, 4, shape, AK_INIT_UNIFORM,
                                moco(v) ? xavier : plain);
    v->patch_b = ak_model_param(m, full, "bias", AK_ROLE_TRAINED, 1, shape,
                                moco(v) ? AK_INIT_ZERO : AK_INIT_UNIFORM, plain);
    v->patch_w->fixed = v->patch_b->fixed = v->frozen_patch;
}

static void build_block(const vit *v, block *b, ak_model *m, const char *prefix, int64_t width)
{
    norm(m, prefix, "norm1", width, &b->norm1_w, &b->norm1_b);
    linear(v, m, prefix, "attn.qkv", 3 * width, width, 3, &b->qkv_w, &b->qkv_b);
    linear(v, m, prefix, "attn.proj", width, width, 1, &b->proj_w, &b->proj_b);
    norm(m, prefix, "norm2", width, &b->norm2_w, &b->norm2_b);
    linear(v, m, prefix, "mlp.fc1", 4 * width, width, 1, &b->fc1_w, &b->fc1_b);
    linear(v, m, prefix, "mlp.fc2", width, 4 * width, 1, &b->fc2_w, &b->fc2_b);
}

static void build(vit *v, ak_model *m, const char *prefix, int64_t image_size, int64_t width,
                  int64_t heads)
{
    int64_t grid = image_size / v->patch_size;
    const int64_t cls[3] = { 1, 1, width }, pos[3] = { 1, 1 + grid * grid, width };
    bool fixed = strcmp(v->positions, "sincos") == 0;
    char name[NAME];

    v->target = m->building_target;
    v->heads = v->heads ? v->heads : heads;
    v->cls = ak_model_param(m, prefix, "cls_token", AK_ROLE_TRAINED, 3, cls,
                            moco(v) ? AK_INIT_NORMAL : AK_INIT_TRUNCATED, moco(v) ? 1e-6 : 0.02);
    v->pos = ak_model_param(m, prefix, "pos_embed", AK_ROLE_TRAINED, 3, pos,
                            fixed ? AK_INIT_POSITIONS : AK_INIT_TRUNCATED, 0.02);
    v->pos->fixed = fixed;
    build_patches(v, m, prefix, width);
    for (int i = 0; i < v->depth; i++) {
        snprintf(name, sizeof name, "%s.blocks.%d", prefix, i);
        build_block(v, &v->blocks[i], m, name, width);
    }
    norm(m, prefix, "norm", width, &v->norm_w, &v->norm_b);
}

// ---- forward

// x + dp(f(y) w^T + bias), f GELU or none.
static ak_tensor *add_branch(ak_graph *g, ak_tensor *x, ak_tensor *y, ak_dense_layer layer,
                             double drop)
{
    layer.base = drop == 0 ? x : NULL;
    y = ak_dense_of(g, y, &layer);
    return layer.base ? y : ak_residual(g, x, y, drop);
}

static ak_tensor *apply_block(const vit *v, int index, ak_graph *g, ak_tensor *x)
{
    const block *b = &v->blocks[index];
    double drop = v->target ? 0 : v->drop_path * index / fmax((double)v->depth - 1, 1);
    ak_tensor *y = ak_dense_of(
        g, x,
        &(ak_dense_layer){
            .norm_w = b->norm1_w, .norm_b = b->norm1_b, .w = b->qkv_w, .bias = b->qkv_b });

    y = ak_attention(g, y, v->heads);
    if (index == v->depth - 1) {
        x = ak_first_token(g, x);
        y = ak_first_token(g, y);
    }
    x = add_branch(g, x, y, (ak_dense_layer){ .w = b->proj_w, .bias = b->proj_b }, drop);
    y = ak_dense_of(
        g, x,
        &(ak_dense_layer){
            .norm_w = b->norm2_w, .norm_b = b->norm2_b, .w = b->fc1_w, .bias = b->fc1_b });
    return add_branch(g, x, y, (ak_dense_layer){ .gelu = true, .w = b->fc2_w, .bias = b->fc2_b },
                      drop);
}

static ak_tensor *apply(const void *self, ak_graph *g, ak_tensor *x)
{
    const vit *v = self;

    x = ak_tokens(g, ak_patch_embed(g, x, v->patch_w, v->patch_b), v->cls, v->pos);
    for (int i = 0; i < v->depth; i++)
        x = apply_block(v, i, g, x);
    return ak_layer_norm(g, x, v->norm_w, v->norm_b);
}

// ---- the rows

#define ROW(name_, title_, width_, heads_)                                                         \
    static akssl_status check_##name_(const void *self, int64_t image_size)                        \
    {                                                                                              \
        return check(self, image_size, width_);                                                    \
    }                                                                                              \
    static void build_##name_(void *self, ak_model *m, const char *prefix, int64_t image_size)     \
    {                                                                                              \
        build(self, m, prefix, image_size, width_, heads_);                                        \
    }                                                                                              \
    const ak_backbone ak_backbone_##name_ = {                                                      \
        .name = #name_,                                                                            \
        .title = title_,                                                                           \
        .options = options,                                                                        \
        .self_size = sizeof(vit),                                                                  \
        .width = width_,                                                                           \
        .head = "head",                                                                            \
        .least_size = 8,                                                                           \
        .check = check_##name_,                                                                    \
        .build = build_##name_,                                                                    \
        .apply = apply,                                                                            \
    }

ROW(vit_tiny, "ViT-Ti: 12 blocks of width 192, 3 heads", 192, 3);
ROW(vit_small, "ViT-S: 12 blocks of width 384, 6 heads", 384, 6);
ROW(vit_base, "ViT-B: 12 blocks of width 768, 12 heads", 768, 12);
