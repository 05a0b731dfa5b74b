// client/lib/sources.c -- whose checkpoints we read, and by what names they have a backbone.
//
// Where a checkpoint has several copies of a backbone, the one is taken that its authors evaluate:
// MoCo's query encoder, DINO's teacher, the online network of the others.

#include "client/lib/sources.h"

#include <string.h>

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

// The children of torchvision's ResNet in a row: nn.Sequential(*list(resnet.children())[:-1]).
static const ak_names_pair children[] = {
    { "conv1.", "0." },  { "bn1.", "1." },    { "layer1.", "4." }, { "layer2.", "5." },
    { "layer3.", "6." }, { "layer4.", "7." }, { NULL, NULL },
};

// The same of lightly's own ResNet (ResNetGenerator).
static const ak_names_pair generated[] = {
    { "conv1.", "0." },
    { "bn1.", "1." },
    { "layer1.", "2." },
    { "layer2.", "3." },
    { "layer3.", "4." },
    { "layer4.", "5." },
    { ".downsample.", ".shortcut." },
    { NULL, NULL },
};

#define LIGHTLY_HEADS                                                                              \
    LIST("backbone_momentum.", "student_backbone.", "teacher_backbone.", "student_head.",          \
         "teacher_head.", "projection_head", "prediction_head", "prototypes.", "criterion.",       \
         "memory_bank", "queue")

static const ak_source rows[] = {
    { "moco", LIST("encoder_q.", "base_encoder."), NULL, LIST("fc.", "head."),
      LIST("encoder_k.", "queue", "momentum_encoder.", "predictor.") },
    { "ak-ssl", LIST("backbone.", "encoder.0.", "online_encoder.0.", "encoder_q.0.", "student.0."),
      NULL, LIST("fc.", "head."),
      LIST("encoder.", "online_encoder.", "target_encoder.", "encoder_q.", "encoder_k.", "student.",
           "teacher.", "projection_head.", "prediction_head.", "student_projection_head.",
           "teacher_projection_head.", "prototypes.", "queue") },
    { "solo-learn", LIST("backbone.", "encoder."), NULL, LIST("fc.", "head."),
      LIST("momentum_", "classifier.", "projector.", "predictor.", "prototypes.", "queue", "head.",
           "dino_loss_func.") },
    { "lightly", LIST("teacher_backbone.vit.", "backbone.vit.", "teacher_backbone.", "backbone."),
      children, LIST("fc.", "head."), LIGHTLY_HEADS },
    { "lightly", LIST("backbone."), generated, LIST("linear."), LIGHTLY_HEADS },
    { "dino",
      LIST("teacher.backbone.", "teacher.module.backbone.", "student.module.backbone.",
           "student.backbone.", "backbone.", ""),
      NULL, LIST("head.", "fc."), LIST("teacher.", "student.", "head.", "dino_loss.") },
    { "swav", LIST(""), NULL, LIST("projection_head.", "prototypes.", "fc."), LIST(NULL) },
    { "torchvision", LIST(""), ak_names_torchvision_vit, LIST("fc.", "head."), LIST(NULL) },
};

const ak_source *ak_source_at(size_t index)
{
    return index < sizeof rows / sizeof *rows ? &rows[index] : NULL;
}

// What our networks have: '#' is a number, '@' a batch norm's tensors, '&' a weight or bias.
static const char *const places[] = {
    "conv1.weight",
    "bn1.@",
    "layer#.#.conv#.weight",
    "layer#.#.bn#.@",
    "layer#.#.downsample.0.weight",
    "layer#.#.downsample.1.@",
    "cls_token",
    "pos_embed",
    "patch_embed.proj.&",
    "blocks.#.norm#.&",
    "blocks.#.attn.qkv.&",
    "blocks.#.attn.proj.&",
    "blocks.#.mlp.fc#.&",
    "norm.&",
};

static bool is_among(const char *name, const char *const *words)
{
    while (*words && strcmp(*words, name) != 0)
        words++;
    return *words;
}

static bool matches(const char *pattern, const char *name)
{
    for (; *pattern && *pattern != '@' && *pattern != '&'; pattern++) {
        size_t digits = strspn(name, "0123456789");

        if (*pattern == '#' ? digits == 0 : *pattern != *name)
            return false;
        name += *pattern == '#' ? digits : 1;
    }
    if (!*pattern)
        return !*name;
    return is_among(name, LIST("weight", "bias")) ||
           (*pattern == '@' &&
            is_among(name, LIST("running_mean", "running_var", "num_batches_tracked")));
}

static bool is_place(const char *name)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (matches(places[i], name))
            return true;
    return false;
}

static bool starts_with_any(const char *name, const char *const *starts)
{
    while (*starts && strncmp(name, *starts, strlen(*starts)) != 0)
        starts++;
    return *starts;
}

const char *ak_source_bare(const char *name)
{
    static const char *const fronts[] = { "state_dict.", "module." };

    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++)
        if (strncmp(name, fronts[i], strlen(fronts[i])) == 0)
            name += strlen(fronts[i]);
    return name;
}

bool ak_source_place(const ak_source *source, const char *prefix, const char *name, ak_str *place)
{
    static const ak_names_pair none[] = { { NULL, NULL } };
    const char *bare = ak_source_bare(name), *rest = bare + strlen(prefix);

    ak_str_clear(place);
    if (strncmp(bare, prefix, strlen(prefix)) != 0)
        return starts_with_any(bare, source->beside);
    ak_names_map(source->pairs ? source->pairs : none, true, rest, place);
    if (is_place(place->text))
        return true;
    if (!starts_with_any(rest, source->behind) && !starts_with_any(place->text, source->behind))
        return false;
    ak_str_clear(place);
    return true;
}
