// worker/train/about.c -- what a file of weights says of itself.

#include "worker/train/about.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/train/pixels.h"

static const char *const keys[] = {
    "backbone",      "method",   "dataset",        "data_fingerprint",
    "step",          "seed",     "image_size",     "normalize",
    "interpolation", "crop_pct", "normalize_mean", "normalize_std",
};

static akssl_status tell_number(ak_spec_pairs *about, const char *key, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, value);
    return ak_spec_pair(about, key, text);
}

akssl_status ak_about_run(ak_spec_pairs *about, const ak_spec *spec, const char *method,
                          int64_t step)
{
    akssl_status rc = ak_spec_pair(about, "backbone", spec->backbone);

    if (rc == AKSSL_OK)
        rc = ak_spec_pair(about, "method", method);
    if (rc == AKSSL_OK)
        rc = ak_spec_pair(about, "dataset", spec->dataset);
    if (rc == AKSSL_OK && spec->data_fingerprint[0])
        rc = ak_spec_pair(about, "data_fingerprint", spec->data_fingerprint);
    if (rc == AKSSL_OK)
        rc = tell_number(about, "step", step);
    if (rc == AKSSL_OK)
        rc = tell_number(about, "seed", spec->seed);
    return rc == AKSSL_OK ? ak_pixels_tell(about, spec) : rc;
}

akssl_status ak_about_file(ak_spec_pairs *about, const ak_safetensors *file)
{
    akssl_status rc = AKSSL_OK;

    for (size_t i = 0; i < sizeof keys / sizeof *keys && rc == AKSSL_OK; i++) {
        const char *value = ak_safetensors_meta(file, keys[i]);

        if (value)
            rc = ak_spec_pair(about, keys[i], value);
    }
    return rc;
}

akssl_status ak_about_backbone(ak_spec_pairs *about, const ak_backbone *row, const void *self)
{
    akssl_status rc = AKSSL_OK;
    char text[128];

    for (const ak_option *o = row->options; o && o->name && rc == AKSSL_OK; o++) {
        ak_option_text(o, self, text, sizeof text);
        rc = ak_spec_pair(about, o->name, text);
    }
    return rc;
}

akssl_status ak_about_fits(const ak_safetensors *file, const ak_backbone *row, const void *self)
{
    static const char *const telling[] = { "heads", "depth" };
    const char *name = ak_safetensors_meta(file, "backbone");
    const ak_backbone *theirs_row = NULL;
    char text[128];

    if (name && ak_backbone_find(&theirs_row, name) == AKSSL_OK && theirs_row != row)
        return ak_fail(
            AKSSL_ERR_INVALID,
            "they are of a backbone '%.160s', and this one is '%s': give --backbone '%.160s'", name,
            row->name, name);
    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++) {
        const char *theirs = ak_safetensors_meta(file, telling[i]);
        const ak_option *option = row->options ? ak_option_find(row->options, telling[i]) : NULL;

        if (!theirs || !option)
            continue;
        ak_option_text(option, self, text, sizeof text);
        if (strcmp(text, theirs) != 0)
            return ak_fail(AKSSL_ERR_INVALID,
                           "they are of a backbone with %s=%s, and this one has %s=%s: give "
                           "--backbone '%s'",
                           telling[i], theirs, telling[i], text, name ? name : "as they have it");
    }
    return AKSSL_OK;
}
