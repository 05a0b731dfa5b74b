// tests/unit/client/lib/convert.c -- checkpoints as their tools name them: what becomes of each
// tensor, and what is refused by which sentence.

#include "akssl/convert.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/format/safetensors.h"
#include "tests/check.h"

enum { NAMES = 16 };

typedef struct files {
    char folder[256], in[300], out[300];
} files;

static files open_files(void)
{
    const char *base = getenv("TMPDIR");
    files f;

    snprintf(f.folder, sizeof f.folder, "%s/akssl.XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(f.folder));
    snprintf(f.in, sizeof f.in, "%s/in", f.folder);
    snprintf(f.out, sizeof f.out, "%s/out", f.folder);
    return f;
}

static void close_files(const files *f)
{
    unlink(f->in);
    unlink(f->out);
    ck_assert_int_eq(rmdir(f->folder), 0); // nothing else was left
}

static void ok(akssl_status rc)
{
    ck_assert_msg(rc == AKSSL_OK, "%s", ak_error_text());
}

// Tensor i of in holds the number i + 1, or counts as i + 1 when it is a count.
static void write_in(const files *f, const char *const *names)
{
    const int64_t one[1] = { 1 };
    ak_safetensors_writer *w;

    ok(ak_safetensors_create(&w, f->in));
    for (int i = 0; names[i]; i++) {
        bool count = strstr(names[i], "num_batches_tracked") != NULL;

        ak_safetensors_declare(w, names[i], count ? AK_I64 : AK_F32, count ? 0 : 1, one);
    }
    for (int i = 0; names[i]; i++) {
        int64_t count = i + 1;
        float value = (float)(i + 1);

        if (strstr(names[i], "num_batches_tracked"))
            ok(ak_safetensors_write(w, &count, sizeof count));
        else
            ok(ak_safetensors_write(w, &value, sizeof value));
    }
    ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
}

static double value_of(const ak_safetensors *file, const ak_safetensors_entry *e)
{
    int64_t count;
    float value;

    if (e->dtype == AK_I64) {
        memcpy(&count, ak_safetensors_data(file, e), sizeof count);
        return (double)count;
    }
    memcpy(&value, ak_safetensors_data(file, e), sizeof value);
    return (double)value;
}

typedef struct one {
    const char *from;          // who it is of
    const char *names[NAMES];  // of the file
    const char *become[NAMES]; // what each is called afterwards; "": left out
} one;

static void converts(const one *c, const char *from)
{
    files f = open_files();
    akssl_converted made;
    ak_safetensors *file;
    int kept = 0, out = 0;

    write_in(&f, c->names);
    ok(akssl_convert(f.in, f.out, from, &made));
    ck_assert_str_eq(made.from, c->from);
    ok(ak_safetensors_open(&file, f.out));
    ck_assert_str_eq(ak_safetensors_meta(file, "converted_from"), c->from);
    for (int i = 0; c->names[i]; i++) {
        const ak_safetensors_entry *e = ak_safetensors_find(file, c->become[i]);

        if (!c->become[i][0]) {
            out++;
            continue;
        }
        kept++;
        ck_assert_msg(e != NULL, "'%s' did not become '%s'", c->names[i], c->become[i]);
        ck_assert_double_eq(value_of(file, e), i + 1);
    }
    ck_assert_int_eq(ak_safetensors_count(file), kept);
    ck_assert_int_eq(made.tensors, kept);
    ck_assert_int_eq(made.left_out, out);
    ak_safetensors_close(file);
    close_files(&f);
}

// As the tools' own code names them; each is found without --from, too.
static const one checkpoints[] = {
    { "moco",
      { "module.encoder_q.conv1.weight", "module.encoder_q.layer4.1.bn2.running_var",
        "module.encoder_q.bn1.num_batches_tracked", "module.encoder_q.fc.0.weight",
        "module.encoder_k.conv1.weight", "module.queue", "module.queue_ptr" },
      { "conv1.weight", "layer4.1.bn2.running_var", "bn1.num_batches_tracked", "", "", "", "" } },
    { "moco", // v3
      { "module.base_encoder.cls_token", "module.base_encoder.blocks.11.attn.qkv.bias",
        "module.base_encoder.head.0.weight", "module.momentum_encoder.cls_token",
        "module.predictor.0.weight" },
      { "cls_token", "blocks.11.attn.qkv.bias", "", "", "" } },
    { "ak-ssl",
      { "backbone.conv1.weight", "projection_head.layers.0.weight", "encoder_q.0.conv1.weight",
        "encoder_k.0.conv1.weight", "queue" },
      { "conv1.weight", "", "", "", "" } },
    { "ak-ssl", // of aliases of a tensor safetensors keeps one
      { "online_encoder.0.layer2.0.downsample.1.bias", "online_encoder.1.layers.0.weight",
        "target_encoder.0.layer2.0.downsample.1.bias", "prediction_head.layers.0.bias" },
      { "layer2.0.downsample.1.bias", "", "", "" } },
    { "solo-learn",
      { "backbone.layer1.0.conv3.weight", "momentum_backbone.layer1.0.conv3.weight",
        "classifier.weight", "projector.0.weight" },
      { "layer1.0.conv3.weight", "", "", "" } },
    { "solo-learn",
      { "state_dict.encoder.bn1.weight", "state_dict.momentum_encoder.bn1.weight" },
      { "bn1.weight", "" } },
    { "lightly",
      { "backbone.0.weight", "backbone.1.running_mean", "backbone.4.0.conv1.weight",
        "backbone.7.2.bn3.bias", "backbone.5.0.downsample.0.weight",
        "projection_head.layers.0.weight", "backbone_momentum.0.weight" },
      { "conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer4.2.bn3.bias",
        "layer2.0.downsample.0.weight", "", "" } },
    { "lightly", // its own ResNet
      { "backbone.0.weight", "backbone.2.0.conv1.weight", "backbone.5.1.bn2.weight",
        "backbone.3.0.shortcut.1.bias" },
      { "conv1.weight", "layer1.0.conv1.weight", "layer4.1.bn2.weight",
        "layer2.0.downsample.1.bias" } },
    { "lightly",
      { "student_backbone.cls_token", "teacher_backbone.cls_token", "teacher_head.layers.0.bias" },
      { "", "cls_token", "" } },
    { "dino",
      { "teacher.backbone.pos_embed", "teacher.head.mlp.0.weight",
        "student.module.backbone.pos_embed", "student.module.head.last_layer.weight_g",
        "dino_loss.center" },
      { "pos_embed", "", "", "", "" } },
    { "dino", { "norm.weight", "head.weight" }, { "norm.weight", "" } },
    { "swav",
      { "module.layer3.22.conv2.weight", "module.projection_head.0.weight",
        "module.prototypes.prototypes0.weight" },
      { "layer3.22.conv2.weight", "", "" } },
    { "torchvision",
      { "class_token", "encoder.layers.encoder_layer_3.self_attention.in_proj_weight",
        "encoder.ln.bias", "heads.head.weight" },
      { "cls_token", "blocks.3.attn.qkv.weight", "norm.bias", "" } },
};

START_TEST(each_source)
{
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++) {
        converts(&checkpoints[i], NULL);
        converts(&checkpoints[i], checkpoints[i].from);
    }
}
END_TEST

static void refused(const files *f, const char *from, akssl_status code, const char *part)
{
    akssl_status rc = akssl_convert(f->in, f->out, from, NULL);

    ck_assert_msg(rc == code && strstr(ak_error_text(), part), "%d: %s", rc,
                  rc < 0 ? ak_error_text() : "converted");
    ck_assert(access(f->out, F_OK) < 0);
}

START_TEST(what_has_no_place)
{
    static const char *const odd[] = { "backbone.conv1.weight", "backbone.stem.weight",
                                       "backbone.last.weight", NULL };
    static const char *const none[] = { "embedding.weight", NULL };
    files f = open_files();

    refused(&f, NULL, AKSSL_ERR_NOT_FOUND, f.in);
    write_in(&f, odd);
    refused(&f, NULL, AKSSL_ERR_INVALID, "'backbone.stem.weight' has no place in a backbone");
    refused(&f, "solo_learn", AKSSL_ERR_INVALID, "read as a checkpoint of solo-learn");
    refused(&f, "moco", AKSSL_ERR_INVALID, "by any name of moco");
    refused(&f, "vissl", AKSSL_ERR_NOT_FOUND,
            "there are moco, ak-ssl, solo-learn, lightly, dino, swav, torchvision");
    write_in(&f, none);
    refused(&f, NULL, AKSSL_ERR_INVALID, "no tensor is one of a ResNet or a vision transformer");
    close_files(&f);
}
END_TEST

// Numbers of each type, and what they are as float32.
START_TEST(every_type)
{
    static const int64_t three[1] = { 3 };
    static const uint16_t half[3] = { 0x3c00, 0xb555, 0x0001 }, brain[3] = { 0x3f80, 0xc0a0, 0 };
    static const double wide[3] = { 1, -1.0 / 3, -0.1 };
    files f = open_files();
    ak_safetensors_writer *w;
    ak_safetensors *file;
    float got[3];

    ok(ak_safetensors_create(&w, f.in));
    ak_safetensors_declare(w, "conv1.weight", AK_F16, 1, three);
    ak_safetensors_declare(w, "bn1.weight", AK_BF16, 1, three);
    ak_safetensors_declare(w, "bn1.bias", AK_F64, 1, three);
    ok(ak_safetensors_write(w, half, sizeof half));
    ok(ak_safetensors_write(w, brain, sizeof brain));
    ok(ak_safetensors_write(w, wide, sizeof wide));
    ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
    ok(akssl_convert(f.in, f.out, NULL, NULL));
    ok(ak_safetensors_open(&file, f.out));
    ok(ak_safetensors_read_f32(file, "conv1.weight", got, 3));
    ck_assert(got[0] == 1 && got[1] == -0x1.554p-2f && got[2] == 0x1p-24f);
    ok(ak_safetensors_read_f32(file, "bn1.weight", got, 3));
    ck_assert(got[0] == 1 && got[1] == -5 && got[2] == 0);
    ok(ak_safetensors_read_f32(file, "bn1.bias", got, 3));
    ck_assert(got[0] == 1 && got[1] == (float)(-1.0 / 3) && got[2] == -0.1f);
    ak_safetensors_close(file);
    unlink(f.out);
    ok(ak_safetensors_create(&w, f.in));
    ak_safetensors_declare(w, "conv1.weight", AK_I64, 1, three);
    ok(ak_safetensors_write(w, (int64_t[3]){ 0 }, 24));
    ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
    refused(&f, NULL, AKSSL_ERR_INVALID, "'conv1.weight' is of type I64: save it as float32");
    close_files(&f);
}
END_TEST

AK_TEST_MAIN(AK_CASE(each_source), AK_CASE(what_has_no_place), AK_CASE(every_type))
