// tests/unit/proto/format/names.c -- names of one tool in another's words, and back.

#include "proto/format/names.h"

#include "tests/check.h"

static void same_both_ways(const char *ours, const char *theirs)
{
    ak_str out = AK_STR_INIT;

    ak_names_map(ak_names_torchvision_vit, false, ours, &out);
    ck_assert_str_eq(out.text, theirs);
    ak_names_map(ak_names_torchvision_vit, true, theirs, &out);
    ck_assert_str_eq(out.text, ours);
    ak_str_fini(&out);
}

START_TEST(torchvision_vit)
{
    same_both_ways("cls_token", "class_token");
    same_both_ways("pos_embed", "encoder.pos_embedding");
    same_both_ways("patch_embed.proj.bias", "conv_proj.bias");
    same_both_ways("blocks.0.norm1.weight", "encoder.layers.encoder_layer_0.ln_1.weight");
    same_both_ways("blocks.11.attn.qkv.weight",
                   "encoder.layers.encoder_layer_11.self_attention.in_proj_weight");
    same_both_ways("blocks.1.attn.qkv.bias",
                   "encoder.layers.encoder_layer_1.self_attention.in_proj_bias");
    same_both_ways("blocks.1.attn.proj.bias",
                   "encoder.layers.encoder_layer_1.self_attention.out_proj.bias");
    same_both_ways("blocks.1.norm2.bias", "encoder.layers.encoder_layer_1.ln_2.bias");
    same_both_ways("blocks.1.mlp.fc1.weight", "encoder.layers.encoder_layer_1.mlp.0.weight");
    same_both_ways("blocks.1.mlp.fc2.weight", "encoder.layers.encoder_layer_1.mlp.3.weight");
    same_both_ways("norm.weight", "encoder.ln.weight");
    same_both_ways("head.weight", "heads.head.weight");
    same_both_ways("layer1.0.conv1.weight", "layer1.0.conv1.weight"); // none of its words
}
END_TEST

AK_TEST_MAIN(AK_CASE(torchvision_vit))
