// daemon/handler/save_state.c -- SaveState: what the coordinator holds for a job, as a file.
//
//     running: freeze -> (thread pool) write STATE/tmp/save-N, read its digest -> send, piece by
//     piece else:    the newest commit's file -> (thread pool) compare with its digest -> send
//
// The file is open all the while, so a commit that is pruned, or the removed temporary one, stays
// readable.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "daemon/outflow.h"
#include "daemon/run.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"

enum { MAX_UNDER_WAY = 4 };

typedef struct saving {
    ak_daemon *d;
    ak_call *call;   // NULL: it has ended
    char *path;      // of the commit's file, or of the temporary one
    ak_state *state; // frozen, to be written; NULL: the file is a commit's
    ak_outflow_file file;
    char committed[AK_DIGEST_TEXT]; // what its digest should be; "" for a temporary one
    bool working;
    ak_outflow *flow; // once it is sent; then the file's descriptor is its
} saving;

static akssl_status read_commit(saving *s)
{
    akssl_status rc = ak_digest_file(s->path, &s->file.size, s->file.digest);

    if (rc == AKSSL_OK && strcmp(s->file.digest, s->committed) != 0)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "file '%s' has digest %s, but %s was committed", s->path,
                     s->file.digest, s->committed);
    return rc;
}

static akssl_status prepare(void *ctx)
{
    saving *s = ctx;
    akssl_status rc;

    if (!s->state)
        return read_commit(s); // it is open already
    rc = ak_state_write(s->state, s->file.step, s->path, &s->file.size, s->file.digest);
    if (rc < 0)
        return rc;
    s->file.fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->file.fd < 0)
        rc = ak_fail_errno(errno, "file '%s'", s->path);
    unlink(s->path);
    return rc;
}

static void saving_free(saving *s)
{
    s->call = NULL;
    if (s->working)
        return; // on_prepared comes back
    s->d->saving--;
    if (!s->flow && s->file.fd >= 0)
        close(s->file.fd);
    ak_outflow_free(s->flow);
    ak_state_free(s->state);
    free(s->path);
    free(s);
}

static void on_prepared(void *ctx, akssl_status rc, const char *error)
{
    saving *s = ctx;

    s->working = false;
    ak_state_free(s->state);
    s->state = NULL;
    if (!s->call) {
        saving_free(s);
    } else if (rc < 0) {
        ak_call_fail(s->call, rc, error);
    } else {
        s->flow = ak_outflow_start(s->call, &s->file);
    }
}

static akssl_status find_commit(saving *s, int64_t id)
{
    ak_commit commit;
    char *folder;
    akssl_status rc = ak_store_find_commit(s->d->store, id, &commit);

    if (rc < 0)
        return rc;
    for (int i = 0; i < commit.file_count; i++)
        if (strcmp(commit.files[i].name, AK_COMMIT_STATE_FILE) == 0)
            memcpy(s->committed, commit.files[i].digest, AK_DIGEST_TEXT);
    if (!commit.tensor_count || !s->committed[0])
        return ak_fail(AKSSL_ERR_STATE,
                       "the coordinator holds no state for job %" PRId64 ": nothing to save", id);
    folder = ak_control_folder(s->d, id);
    s->file.step = commit.step;
    s->path = ak_path("%s/commits/step-%" PRId64 "/%s", folder, commit.step, AK_COMMIT_STATE_FILE);
    s->file.fd = open(s->path, O_RDONLY | O_CLOEXEC);
    free(folder);
    return s->file.fd < 0 ? ak_fail_errno(errno, "file '%s'", s->path) : AKSSL_OK;
}

static akssl_status find(saving *s, int64_t id)
{
    const ak_job *job;
    ak_job *stored;
    akssl_status rc = ak_control_find(s->d, id, &job, &stored);
    const ak_run *run = rc == AKSSL_OK ? job->run : NULL;

    ak_job_free(stored);
    if (rc < 0)
        return rc;
    if (run && run->state)
        s->state = ak_state_freeze(run->state);
    if (!s->state || !s->state->count) {
        ak_state_free(s->state);
        s->state = NULL;
        return find_commit(s, id);
    }
    s->file.step = ak_state_version(s->state);
    s->path =
        ak_path("%s/tmp/save-%" PRId64 ".safetensors", s->d->config->state_dir, ++s->d->saves);
    return AKSSL_OK;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__StateRequest *message = (const Akssl__V1__StateRequest *)request;
    saving *s;
    akssl_status rc;

    if (d->saving == MAX_UNDER_WAY)
        return ak_fail(AKSSL_ERR_LIMIT, "%d states are being saved: try again later",
                       MAX_UNDER_WAY);
    s = ak_alloc(1, sizeof *s);
    s->d = d;
    s->call = call;
    s->file.fd = -1;
    d->saving++;
    rc = find(s, message->id);
    if (rc < 0) {
        saving_free(s);
        return rc;
    }
    ak_call_set_user(call, s);
    s->working = true;
    ak_work_start(&d->loop, prepare, on_prepared, s);
    return AKSSL_OK;
}

static void drained(ak_daemon *d, ak_call *call)
{
    saving *s = ak_call_user(call);

    (void)d;
    if (s)
        ak_outflow_go_on(s->flow);
}

static void ended(ak_daemon *d, ak_call *call)
{
    saving *s = ak_call_user(call);

    (void)d;
    if (s)
        saving_free(s);
}

const ak_handler ak_handler_save_state = {
    .access = AK_ACCESS_READ,
    .started = started,
    .drained = drained,
    .ended = ended,
};
