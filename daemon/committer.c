// daemon/committer.c -- the coordinator's half of a commit.

#include "daemon/committer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

// ---- the answer

static void answer(ak_run *run, akssl_status rc, const char *error)
{
    Akssl__V1__CommitReply reply = AKSSL__V1__COMMIT_REPLY__INIT;
    ak_call *call = run->commit_call;

    run->commit_call = NULL;
    run->waiting_for_state = false;
    uv_timer_stop(&run->commit_timer);
    if (!call)
        return;
    ak_call_set_user(call, NULL);
    if (rc < 0)
        ak_call_fail(call, rc, error);
    else
        ak_call_reply(call, &reply.base);
}

// ---- removing what no row knows of

typedef struct removal {
    ak_run *run;
    int64_t *kept; // the commits that count
    int count;
    int64_t newest;
} removal;

static akssl_status sweep(void *ctx)
{
    removal *r = ctx;
    char *folder = ak_path("%s/commits", r->run->folder);
    akssl_status rc = ak_commit_sweep(folder, r->kept, r->count, r->newest);

    free(folder);
    return rc;
}

static void on_swept(void *ctx, akssl_status rc, const char *error)
{
    removal *r = ctx;
    ak_run *run = r->run;

    if (rc < 0)
        ak_log_write(run->d->log, AK_LOG_WARN, "job %" PRId64 ": an old commit stays: %s",
                     run->job->id, error);
    free(r->kept);
    free(r);
    ak_run_work_done(run);
}

// begin_sweep removes the folders below the newest commit that do not count: those just pruned, and
// those whose commit a newer one took the place of while akssld was away.
static void begin_sweep(ak_run *run, int64_t *kept, int count)
{
    removal *r = ak_alloc(1, sizeof *r);

    *r = (removal){ run, kept, count, run->commit.step };
    run->works++;
    ak_work_start(&run->d->loop, sweep, on_swept, r);
}

// ---- the transaction

akssl_status ak_committer_record(ak_run *run)
{
    ak_job *job = run->job;
    int64_t committed = job->committed_step, since = job->restarts_since_commit;
    int64_t *kept = NULL;
    int count = 0;
    akssl_status rc;

    job->committed_step = run->commit.step;
    job->restarts_since_commit = 0;
    rc = ak_store_record(run->d->store, job, &run->commit, &kept, &count);
    if (rc < 0) {
        job->committed_step = committed;
        job->restarts_since_commit = since;
        return rc;
    }
    job->unheard_ms = 0;
    begin_sweep(run, kept, count);
    ak_log_write(run->d->log, AK_LOG_INFO, "job %" PRId64 " committed step %" PRId64, job->id,
                 job->committed_step);
    ak_watches_changed(run->d->watches, job, false);
    return rc;
}

// ---- the files

static akssl_status make(void *ctx)
{
    ak_run *run = ctx;
    char *folder = ak_path("%s/commits/step-%" PRId64, run->folder, run->commit.step);
    akssl_status rc = ak_commit_make(&run->commit, folder, run->frozen);

    free(folder);
    return rc;
}

// refuse tells the worker, and pauses the job if a person can put it right; else it is the worker's
// to say how its run ends.
static void refuse(ak_run *run, akssl_status rc, const char *error)
{
    ak_log_write(run->d->log, AK_LOG_ERROR, "job %" PRId64 ": %s", run->job->id, error);
    answer(run, rc, error);
    if (ak_run_passes(rc))
        ak_run_hold(run, error);
}

static void on_made(void *ctx, akssl_status rc, const char *error)
{
    ak_run *run = ctx;
    char *why;

    run->committing = false;
    ak_state_free(run->frozen);
    run->frozen = NULL;
    if (rc == AKSSL_OK) {
        rc = ak_committer_record(run);
        error = ak_error_text();
    }
    if (rc == AKSSL_OK) {
        answer(run, rc, NULL);
    } else {
        why = ak_path("%s", error);
        refuse(run, rc, why);
        free(why);
    }
    ak_run_work_done(run);
}

static void freeze(ak_run *run)
{
    run->waiting_for_state = false;
    uv_timer_stop(&run->commit_timer);
    run->frozen = ak_state_freeze(run->state);
    run->committing = true;
    run->works++;
    ak_work_start(&run->d->loop, make, on_made, run);
}

// ---- the request

static void on_late(uv_timer_t *timer)
{
    ak_run *run = timer->data;

    ak_fail(AKSSL_ERR_DEADLINE,
            "commit of step %" PRId64 ": the state is still at version %" PRId64 " after %d s",
            run->commit.step, ak_state_version(run->state), AK_RUN_STATE_MS / 1000);
    answer(run, AKSSL_ERR_DEADLINE, ak_error_text());
}

// Calls overtake the stream: a tensor that was declared before may not be there yet.
static akssl_status has_reached(const ak_run *run, bool *reached)
{
    akssl_status rc = ak_state_reached(run->state, run->commit.step, reached);

    if (rc == AKSSL_OK && run->state->count < run->commit_tensors)
        *reached = false;
    return rc;
}

void ak_committer_poll(ak_run *run)
{
    bool reached;
    akssl_status rc;

    if (!run->waiting_for_state)
        return;
    rc = has_reached(run, &reached);
    if (rc < 0)
        answer(run, rc, ak_error_text());
    else if (reached)
        freeze(run);
}

static akssl_status read_request(const ak_run *run, const Akssl__V1__CommitRequest *request,
                                 ak_commit *commit)
{
    akssl_status rc = AKSSL_OK;

    *commit =
        (ak_commit){ .job = run->job->id, .step = request->step, .made_ms = ak_clock_wall_ms() };
    if (request->step < 0 || !request->n_files)
        return ak_fail(AKSSL_ERR_INVALID, "commit: give a step of at least 0, and its files");
    for (size_t i = 0; i < request->n_files && rc == AKSSL_OK; i++) {
        const Akssl__V1__CommitFile *file = request->files[i];

        rc = ak_commit_add_file(commit, file->name ? file->name : "", file->size,
                                file->digest ? file->digest : "");
    }
    return rc;
}

// A worker that did not hear the answer asks again.
static akssl_status repeat(ak_run *run, ak_call *call, const ak_commit *commit)
{
    Akssl__V1__CommitReply reply = AKSSL__V1__COMMIT_REPLY__INIT;
    ak_commit newest;
    akssl_status rc = ak_store_find_commit(run->d->store, run->job->id, &newest);
    bool same = rc == AKSSL_OK && newest.step == commit->step &&
                newest.file_count == commit->file_count + 1;

    if (rc < 0 && rc != AKSSL_ERR_NOT_FOUND) { // whether it is the same cannot be told
        char *error = ak_path("%s", ak_error_text());

        run->commit_call = call;
        ak_call_set_user(call, run);
        refuse(run, rc, error);
        free(error);
        return AKSSL_OK;
    }
    for (int i = 0; same && i < commit->file_count; i++)
        same = strcmp(newest.files[i].name, commit->files[i].name) == 0 &&
               strcmp(newest.files[i].digest, commit->files[i].digest) == 0;
    if (!same)
        return ak_fail(AKSSL_ERR_STATE,
                       "commit of step %" PRId64 ": step %" PRId64 " is committed already",
                       commit->step, run->job->committed_step);
    ak_call_reply(call, &reply.base);
    return AKSSL_OK;
}

akssl_status ak_committer_request(ak_run *run, ak_call *call,
                                  const Akssl__V1__CommitRequest *request)
{
    bool reached;
    ak_commit commit;
    akssl_status rc;

    if (run->phase == AK_RUN_ADOPTING) // it has not noticed yet that this is another daemon
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "commit: the run has not come back yet: join first");
    if (run->phase != AK_RUN_JOINED)
        return ak_fail(AKSSL_ERR_STATE, "commit: the run is not one that trains");
    if ((run->committing || run->waiting_for_state) && run->commit.step == request->step) {
        ak_call *before = run->commit_call; // the worker has lost it

        run->commit_call = call;
        ak_call_set_user(call, run);
        if (before) {
            ak_call_set_user(before, NULL);
            ak_call_fail(before, AKSSL_ERR_UNAVAILABLE, "commit: another call takes its place");
        }
        return AKSSL_OK;
    }
    if (run->committing || run->waiting_for_state) // of a stream that was lost
        return ak_fail(AKSSL_ERR_UNAVAILABLE,
                       "commit: that of step %" PRId64 " is still under way: ask again",
                       run->commit.step);
    rc = read_request(run, request, &commit);
    if (rc < 0)
        return rc;
    if (commit.step <= run->job->committed_step)
        return repeat(run, call, &commit);
    run->commit = commit;
    run->commit_tensors = request->tensors;
    rc = has_reached(run, &reached);
    if (rc < 0)
        return ak_wrap(rc, "commit of step %" PRId64, commit.step);
    run->commit_call = call;
    ak_call_set_user(call, run);
    run->waiting_for_state = true;
    if (reached)
        freeze(run);
    else
        uv_timer_start(&run->commit_timer, on_late, AK_RUN_STATE_MS, 0);
    return AKSSL_OK;
}

void ak_committer_ended(ak_run *run)
{
    run->commit_call = NULL;
    if (!run->committing)
        ak_committer_drop(run);
}

void ak_committer_drop(ak_run *run)
{
    if (run->leaving)
        answer(run, AKSSL_ERR_UNAVAILABLE, "akssld is stopping: ask again");
    else
        answer(run, AKSSL_ERR_CANCELLED, "the run is over");
}
