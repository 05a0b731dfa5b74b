// worker/uplink/alone.c -- a commit without a coordinator: JOB/run/RUN.state, then RUN.commit.
//
// The files of the step are durable already.  The state has the form of the coordinator's own file
// (akssl-state-1); the manifest comes last, so that what it names is there.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/format/manifest.h"
#include "proto/format/safetensors.h"
#include "worker/uplink/inside.h"

static void set_number(ak_safetensors_writer *w, const char *name, const char *field, int64_t value)
{
    char key[AK_UPLINK_NAME + 16], text[24];

    snprintf(key, sizeof key, "%s%s%s", name, name[0] ? "." : "", field);
    snprintf(text, sizeof text, "%" PRId64, value);
    ak_safetensors_set_meta(w, key, text);
}

static akssl_status write_state(const ak_uplink_pending *p, const char *path,
                                ak_manifest_file *file)
{
    ak_safetensors_writer *w = NULL;
    akssl_status rc = ak_safetensors_create(&w, path);

    if (rc < 0)
        return rc;
    ak_safetensors_set_meta(w, "format", "akssl-state-1");
    set_number(w, "", "step", p->step);
    for (int i = 0; i < p->tensor_count; i++) {
        const ak_uplink_tensor *t = &p->tensors[i];

        set_number(w, t->name, "version", t->version);
        set_number(w, t->name, "filled", t->filled);
        set_number(w, t->name, "position", t->position);
        ak_safetensors_declare(w, t->name, AK_F32, t->dims, t->shape);
    }
    for (int i = 0; i < p->tensor_count && rc == 0; i++)
        rc = ak_safetensors_write(w, p->tensors[i].data, p->tensors[i].size);
    if (rc == 0)
        rc = ak_safetensors_commit(w, &file->size, file->digest);
    ak_safetensors_writer_free(w);
    return rc;
}

static akssl_status fill(ak_manifest *m, const ak_uplink *u)
{
    const ak_uplink_pending *p = &u->pending;

    *m = (ak_manifest){ .job = u->job, .step = p->step };
    if (strlen(u->run) >= sizeof m->run)
        return ak_fail(AKSSL_ERR_LIMIT, "run '%.64s': the id is too long", u->run);
    strcpy(m->run, u->run);
    for (int i = 0; i < p->count; i++) {
        ak_manifest_file *file = &m->files[m->count++];

        snprintf(file->name, sizeof file->name, "%s", p->files[i].name);
        snprintf(file->digest, sizeof file->digest, "%s", p->files[i].digest);
        file->size = p->files[i].size;
    }
    return AKSSL_OK;
}

akssl_status ak_uplink_commit_alone(ak_uplink *u)
{
    ak_str path = AK_STR_INIT;
    ak_manifest m;
    akssl_status rc = fill(&m, u);

    ak_str_format(&path, "%s/run/%s.state", u->welcome.folder, u->run);
    if (rc == 0)
        rc = write_state(&u->pending, path.text, &m.state);
    ak_str_clear(&path);
    ak_str_format(&path, "%s/run/%s.commit", u->welcome.folder, u->run);
    if (rc == 0)
        rc = ak_manifest_write(&m, path.text);
    ak_str_fini(&path);
    return rc < 0 ? ak_wrap(rc, "commit of step %" PRId64 " without akssld", u->pending.step) : rc;
}
