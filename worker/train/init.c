// worker/train/init.c -- a run that starts from a backbone trained elsewhere.

#include "worker/train/init.h"

#include <string.h>

#include "proto/base/error.h"
#include "worker/train/about.h"

static const char prefix[] = "backbone.";

// The file's names begin as ours do, or with what follows the prefix.
static bool has_prefix(const ak_model *m, const ak_safetensors *file)
{
    for (int i = 0; i < m->count; i++)
        if (strncmp(m->params[i]->name, prefix, strlen(prefix)) == 0 &&
            ak_safetensors_find(file, m->params[i]->name))
            return true;
    return false;
}

akssl_status ak_init_backbone(ak_trainer *t, const char *path)
{
    ak_safetensors *file;
    akssl_status rc = ak_safetensors_open(&file, path);
    const char *as;

    if (rc < 0)
        return ak_wrap(rc, "init-backbone");
    as = has_prefix(&t->model, file) ? prefix : "";
    rc = ak_about_fits(file, ak_trainer_encoder(t)->backbone, ak_trainer_encoder(t)->self);
    if (rc == AKSSL_OK)
        rc = ak_model_read_as(&t->model, file, prefix, as);
    if (rc == AKSSL_OK)
        rc = ak_model_read_as(&t->model, file, "target.backbone.", as);
    ak_safetensors_close(file);
    return rc < 0 ? ak_wrap(rc, "init-backbone '%s'", path) : rc;
}
