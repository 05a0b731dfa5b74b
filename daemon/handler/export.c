// daemon/handler/export.c -- Export: a job's backbone in a format that other tools read.
//
//     (thread pool) hold the weights by a link of our own, compare a commit with its digest
//         -> `akssl-worker export` writes STATE/tmp/export-N
//         -> (thread pool) open it, read its digest -> send
//
// The weights are those of export/ once the job has succeeded, else the newest commit's, or those
// of the commit that is asked for.  The link keeps a commit that is pruned meanwhile.

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
#include "daemon/tool.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { MAX_UNDER_WAY = 2, TIMEOUT_MS = 300000, USAGE = 2, NUMBER = 24 };

typedef struct export
{
    ak_daemon *d;
    ak_call *call;            // NULL: it has ended
    char *source, *spec;      // in the job's folder
    char *held, *out, *draft; // in STATE/tmp
    char *format, zero_head[NUMBER];
    char committed[AK_DIGEST_TEXT]; // digest of source; "": it is no commit's
    ak_outflow_file file;
    bool working;
    ak_tool *tool;
    ak_outflow *flow; // once it is sent; then the file's descriptor is its
}
export;

static void export_free(export *e)
{
    e->call = NULL;
    if (e->working)
        return; // its end comes back
    ak_tool_cancel(e->tool);
    e->d->exporting--;
    if (!e->flow && e->file.fd >= 0)
        close(e->file.fd);
    ak_outflow_free(e->flow);
    if (e->held) {
        unlink(e->held);
        unlink(e->out);
        unlink(e->draft);
    }
    free(e->source);
    free(e->spec);
    free(e->held);
    free(e->out);
    free(e->draft);
    free(e->format);
    free(e);
}

// worked hands what was done on the pool on to next, or ends the call.
static void worked(export *e, akssl_status rc, const char *error, akssl_status (*next)(export *e))
{
    e->working = false;
    if (!e->call) {
        export_free(e);
        return;
    }
    if (rc == AKSSL_OK) {
        rc = next(e);
        error = ak_error_text();
    }
    if (rc < 0)
        ak_call_fail(e->call, rc, error);
}

// ---- sending

static akssl_status send_file(export *e)
{
    e->flow = ak_outflow_start(e->call, &e->file);
    return AKSSL_OK;
}

static void on_measured(void *ctx, akssl_status rc, const char *error)
{
    worked(ctx, rc, error, send_file);
}

static akssl_status measure(void *ctx)
{
    export *e = ctx;
    akssl_status rc = ak_digest_file(e->out, &e->file.size, e->file.digest);

    if (rc < 0)
        return rc;
    e->file.fd = open(e->out, O_RDONLY | O_CLOEXEC);
    return e->file.fd < 0 ? ak_fail_errno(errno, "file '%s'", e->out) : AKSSL_OK;
}

// ---- converting

static akssl_status judge(ak_tool_result *r)
{
    const char *complaint = ak_tool_complaint(r);

    if (r->timed_out)
        return ak_fail(AKSSL_ERR_DEADLINE, "the export took over %d s: is the disk slow?",
                       TIMEOUT_MS / 1000);
    if (r->signal || r->overflowed)
        return ak_fail(AKSSL_ERR_INTERNAL, "akssl-worker export was ended by signal %d%s%s",
                       r->signal, complaint[0] ? ": " : "", complaint);
    if (r->exit_code)
        return ak_fail(r->exit_code == USAGE ? AKSSL_ERR_INVALID : AKSSL_ERR_IO, "%s",
                       complaint[0] ? complaint : "akssl-worker export failed without a word");
    return AKSSL_OK;
}

static void on_written(void *ctx, ak_tool_result *result)
{
    export *e = ctx;
    akssl_status rc = judge(result);

    e->tool = NULL;
    if (rc < 0) {
        ak_call_fail(e->call, rc, ak_error_text());
        return;
    }
    e->working = true;
    ak_work_start(&e->d->loop, measure, on_measured, e);
}

static akssl_status convert(export *e)
{
    char *argv[] = { e->d->config->worker,
                     (char *)"export",
                     (char *)"--weights",
                     e->held,
                     (char *)"--spec",
                     e->spec,
                     (char *)"--format",
                     e->format,
                     (char *)"--zero-head",
                     e->zero_head,
                     (char *)"--out",
                     e->out,
                     NULL };

    return ak_tool_start(&e->tool, &e->d->loop, argv, TIMEOUT_MS, on_written, e);
}

static void on_held(void *ctx, akssl_status rc, const char *error)
{
    worked(ctx, rc, error, convert);
}

static akssl_status hold(void *ctx)
{
    export *e = ctx;
    char digest[AK_DIGEST_TEXT];
    akssl_status rc;

    if (link(e->source, e->held) < 0)
        return ak_fail_errno(errno, "weights '%s' cannot be held for the export", e->source);
    if (!e->committed[0])
        return AKSSL_OK;
    rc = ak_digest_file(e->held, NULL, digest);
    if (rc == AKSSL_OK && strcmp(digest, e->committed) != 0)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "file '%s' has digest %s, but %s was committed", e->source,
                     digest, e->committed);
    return rc;
}

// ---- what is asked for

static const ak_commit *choose(const ak_commit *commits, int count, const int64_t *step)
{
    for (int i = 0; i < count; i++)
        if (!step || commits[i].step == *step)
            return &commits[i];
    return NULL;
}

// step: NULL for the newest.
static akssl_status find_commit(export *e, int64_t id, const char *folder, const int64_t *step)
{
    ak_commit *commits = NULL;
    const ak_commit *commit;
    int count = 0;
    akssl_status rc = ak_store_commits(e->d->store, id, &commits, &count);

    if (rc < 0)
        return rc;
    commit = choose(commits, count, step);
    if (!commit && step)
        rc = ak_fail(AKSSL_ERR_NOT_FOUND,
                     "job %" PRId64 " has no commit of step %" PRId64
                     ": `akssl-client verify` lists those it has",
                     id, *step);
    else if (!commit)
        rc = ak_fail(AKSSL_ERR_STATE,
                     "job %" PRId64 " has neither an exported backbone nor a commit: wait for its "
                     "first",
                     id);
    for (int i = 0; commit && i < commit->file_count; i++)
        if (strcmp(commit->files[i].name, "model.safetensors") == 0)
            memcpy(e->committed, commit->files[i].digest, AK_DIGEST_TEXT);
    if (commit) {
        e->file.step = commit->step;
        e->source = ak_path("%s/commits/step-%" PRId64 "/model.safetensors", folder, commit->step);
    }
    free(commits);
    return rc;
}

static akssl_status find(export *e, const Akssl__V1__ExportRequest *request)
{
    char *folder = ak_control_folder(e->d, request->id);
    const ak_job *job;
    ak_job *stored = NULL;
    akssl_status rc = ak_control_find(e->d, request->id, &job, &stored);

    if (rc == AKSSL_OK && job->state == AK_JOB_SUCCEEDED && job->weights[0] && !request->has_step) {
        e->file.step = ak_figures_step(&job->figures);
        e->source = ak_path("%s/export/backbone.safetensors", folder);
    } else if (rc == AKSSL_OK) {
        rc = find_commit(e, request->id, folder, request->has_step ? &request->step : NULL);
    }
    e->spec = ak_path("%s/spec.yaml", folder);
    ak_job_free(stored);
    free(folder);
    return rc;
}

static void name_files(export *e)
{
    int64_t number = ++e->d->exports;
    const char *folder = e->d->config->state_dir;

    e->held = ak_path("%s/tmp/export-%" PRId64 ".weights", folder, number);
    e->out = ak_path("%s/tmp/export-%" PRId64, folder, number);
    e->draft = ak_path("%s.tmp", e->out);
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__ExportRequest *message = (const Akssl__V1__ExportRequest *)request;
    export *e;
    akssl_status rc;

    if (d->exporting == MAX_UNDER_WAY)
        return ak_fail(AKSSL_ERR_LIMIT, "%d exports are under way: try again later", MAX_UNDER_WAY);
    e = ak_alloc(1, sizeof *e);
    e->d = d;
    e->call = call;
    e->file.fd = -1;
    e->format = ak_strdup(message->format ? message->format : "safetensors");
    snprintf(e->zero_head, sizeof e->zero_head, "%" PRId64, message->zero_head);
    d->exporting++;
    rc = find(e, message);
    if (rc < 0) {
        export_free(e);
        return rc;
    }
    name_files(e);
    ak_call_set_user(call, e);
    e->working = true;
    ak_work_start(&d->loop, hold, on_held, e);
    return AKSSL_OK;
}

static void drained(ak_daemon *d, ak_call *call)
{
    export *e = ak_call_user(call);

    (void)d;
    if (e)
        ak_outflow_go_on(e->flow);
}

static void ended(ak_daemon *d, ak_call *call)
{
    export *e = ak_call_user(call);

    (void)d;
    if (e)
        export_free(e);
}

const ak_handler ak_handler_export = {
    .access = AK_ACCESS_READ,
    .started = started,
    .drained = drained,
    .ended = ended,
};
