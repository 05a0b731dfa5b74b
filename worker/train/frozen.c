// worker/train/frozen.c -- a backbone by itself, with the weights of a file.

#include "worker/train/frozen.h"

#include <string.h>

#include "proto/base/error.h"
#include "worker/train/about.h"
#include "worker/train/machine.h"

static const char prefix[] = "backbone.";

akssl_status ak_weights_read(ak_model *model, const ak_encoder *encoder, const char *path)
{
    ak_safetensors *file;
    akssl_status rc = ak_safetensors_open(&file, path);

    if (rc < 0)
        return ak_wrap(rc, "weights");
    rc = ak_about_fits(file, encoder->backbone, encoder->self);
    if (rc == AKSSL_OK)
        rc = ak_model_read_as(model, file, prefix,
                              ak_safetensors_find(file, model->params[0]->name) ? prefix : "");
    ak_safetensors_close(file);
    return rc < 0 ? ak_wrap(rc, "weights '%s'", path) : rc;
}

// The digest of all parameters' names and digests.
static void measure(const ak_model *model, char digest[AK_DIGEST_TEXT])
{
    ak_str all = AK_STR_INIT;

    for (int i = 0; i < model->count; i++) {
        const ak_param *p = model->params[i];
        bool count = p->role == AK_ROLE_COUNT;
        char one[AK_DIGEST_TEXT];

        ak_digest_memory(count ? (const void *)&p->count : p->value,
                         count ? sizeof p->count : (size_t)p->numel * sizeof *p->value, one);
        ak_str_format(&all, "%s %s\n", p->name, one);
    }
    ak_digest_memory(all.text, strlen(all.text), digest);
    ak_str_fini(&all);
}

akssl_status ak_frozen_open(ak_frozen *f, const ak_spec *spec, ak_comm *comm)
{
    ak_setup setup = { .model = &f->model,
                       .world = &f->world,
                       .backbone_text = spec->backbone,
                       .image_size = spec->image_size };
    akssl_status rc = ak_backbone_find(&setup.backbone, spec->backbone);

    ak_model_init(&f->model);
    if (rc == AKSSL_OK)
        rc = ak_machine_world(&f->world, spec, comm);
    if (rc == AKSSL_OK)
        rc = ak_encoder_build(&f->encoder, &setup);
    if (rc == AKSSL_OK)
        rc = ak_model_allocate(&f->model);
    if (rc == AKSSL_OK)
        rc = ak_weights_read(&f->model, &f->encoder, spec->weights);
    if (rc == AKSSL_OK)
        measure(&f->model, f->digest);
    return rc;
}

void ak_frozen_close(ak_frozen *f)
{
    if (f->encoder.self)
        ak_encoder_fini(&f->encoder);
    ak_model_fini(&f->model);
}

akssl_status ak_frozen_check(const ak_frozen *f)
{
    char now[AK_DIGEST_TEXT];

    measure(&f->model, now);
    if (strcmp(now, f->digest) != 0)
        return ak_fail(AKSSL_ERR_INTERNAL,
                       "the frozen backbone has changed: digest %s became %s; its results are void",
                       f->digest, now);
    return AKSSL_OK;
}
