// worker/command/export.c -- `akssl-worker export`: a trained backbone as a file that other tools
// read (worker/format).

#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/command/command.h"
#include "worker/format/format.h"
#include "worker/train/about.h"
#include "worker/train/frozen.h"

typedef struct export
{
    char *weights, *spec, *format, *out;
    int64_t zero_head;
}
export;

static const ak_option options[] = {
    AK_OPTION_STRING(export, weights, "", NULL,
                     "an exported backbone or a commit's model, safetensors"),
    AK_OPTION_STRING(export, spec, "", NULL,
                     "the job's spec.yaml, for weights that do not say what they are: a commit's"),
    AK_OPTION_STRING(export, format, "safetensors", NULL,
                     "as the catalogue lists them: safetensors, torchvision-vit, npy, onnx"),
    AK_OPTION_STRING(export, out, "", NULL, "the file to write"),
    AK_OPTION_INT(
        export, zero_head, 0, 0, 1000000,
        "add a classifier of N classes with weights 0, for loaders that insist (0: none)"),
    AK_OPTION_END,
};

// What the file does not say, the spec of its job does.
static akssl_status ask_spec(const export *e, const ak_safetensors *file, ak_spec_pairs *about)
{
    const char *step = ak_safetensors_meta(file, "step");
    int64_t number = 0;
    akssl_status rc;
    ak_spec spec;

    if (!e->spec[0])
        return ak_fail(AKSSL_ERR_INVALID,
                       "'%s' does not say which backbone it is of: give --spec, the spec.yaml of "
                       "its job",
                       e->weights);
    ak_spec_init(&spec);
    rc = ak_spec_read_file(&spec, e->spec);
    if (rc == AKSSL_OK && step)
        rc = ak_parse_int(step, &number);
    if (rc == AKSSL_OK)
        rc = ak_about_run(about, &spec,
                          strcmp(spec.kind, "pretrain") == 0 ? spec.method : spec.kind, number);
    ak_spec_fini(&spec);
    return rc;
}

static akssl_status learn(const export *e, ak_spec_pairs *about)
{
    ak_safetensors *file;
    akssl_status rc = ak_safetensors_open(&file, e->weights);

    if (rc < 0)
        return ak_wrap(rc, "weights");
    rc = ak_safetensors_meta(file, "backbone") ? ak_about_file(about, file)
                                               : ask_spec(e, file, about);
    ak_safetensors_close(file);
    return rc;
}

// The backbone by itself, in a spec as an evaluation has it.
static akssl_status make_spec(const export *e, const ak_spec_pairs *about, ak_spec *spec)
{
    static const char *const keys[] = { "backbone", "image_size" };
    akssl_status rc = ak_spec_set(spec, "weights", e->weights);

    for (size_t i = 0; i < sizeof keys / sizeof *keys && rc == AKSSL_OK; i++) {
        const char *value = ak_spec_pair_find(about, keys[i]);

        rc = value ? ak_spec_set(spec, keys[i], value)
                   : ak_fail(AKSSL_ERR_INVALID, "'%s' does not say its %s", e->weights, keys[i]);
    }
    spec->shards = spec->threads_per_shard = 1;
    return rc;
}

static akssl_status write(const export *e, const ak_format *format, const ak_spec *spec,
                          ak_spec_pairs *about, ak_comm *comm)
{
    ak_frozen frozen = { 0 };
    ak_network network = { .about = about, .zero_head = e->zero_head };
    akssl_status rc = ak_frozen_open(&frozen, spec, comm);

    if (rc == AKSSL_OK)
        rc = ak_about_backbone(about, frozen.encoder.backbone, frozen.encoder.self);
    network.model = &frozen.model;
    network.backbone = frozen.encoder.backbone;
    network.self = frozen.encoder.self;
    network.world = &frozen.world;
    network.image_size = spec->image_size;
    if (rc == AKSSL_OK)
        rc = format->write(&network, e->out);
    ak_frozen_close(&frozen);
    return rc;
}

static int run(void *self)
{
    const export *e = self;
    ak_spec_pairs about = { 0 };
    const ak_format *format = NULL;
    ak_comm *comm = NULL;
    akssl_status rc = AKSSL_OK;
    ak_spec spec;

    ak_spec_init(&spec);
    if (!e->weights[0] || !e->out[0])
        rc = ak_fail(AKSSL_ERR_INVALID, "export needs --weights FILE and --out FILE");
    if (rc == AKSSL_OK)
        rc = ak_format_find(&format, e->format);
    if (rc == AKSSL_OK)
        rc = learn(e, &about);
    if (rc == AKSSL_OK)
        rc = make_spec(e, &about, &spec);
    if (rc == AKSSL_OK)
        rc = ak_comm_open(&comm);
    if (rc == AKSSL_OK)
        rc = write(e, format, &spec, &about, comm);
    ak_spec_pairs_fini(&about);
    ak_spec_fini(&spec);
    return ak_command_end(rc, comm);
}

const ak_command ak_command_export = {
    .name = "export",
    .help = "write a trained backbone as a file that other tools read",
    .options = options,
    .self_size = sizeof(export),
    .run = run,
};
