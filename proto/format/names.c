// proto/format/names.c -- tables that turn one tool's names into another's.

#include "proto/format/names.h"

#include <string.h>

const ak_names_pair ak_names_torchvision_vit[] = {
    { "cls_token", "class_token" },
    { "pos_embed", "encoder.pos_embedding" },
    { "patch_embed.proj.", "conv_proj." },
    { "blocks.", "encoder.layers.encoder_layer_" },
    { ".norm1.", ".ln_1." },
    { ".attn.qkv.", ".self_attention.in_proj_" }, // "in_proj_weight"
    { ".attn.proj.", ".self_attention.out_proj." },
    { ".norm2.", ".ln_2." },
    { ".mlp.fc1.", ".mlp.0." },
    { ".mlp.fc2.", ".mlp.3." },
    { "norm.", "encoder.ln." },
    { "head.", "heads.head." },
    { NULL, NULL },
};

static void replace(ak_str *name, const char *from, const char *to)
{
    char *at = strstr(name->text, from);
    ak_str made = AK_STR_INIT;

    if (!at || (from[0] != '.' && at != name->text))
        return;
    ak_str_append_n(&made, name->text, (size_t)(at - name->text));
    ak_str_append(&made, to);
    ak_str_append(&made, at + strlen(from));
    ak_str_fini(name);
    *name = made;
}

void ak_names_map(const ak_names_pair *pairs, bool back, const char *name, ak_str *out)
{
    ak_str_clear(out);
    ak_str_append(out, name);
    for (; pairs->ours; pairs++)
        replace(out, back ? pairs->theirs : pairs->ours, back ? pairs->ours : pairs->theirs);
}
