// daemon/control.c -- what happens to jobs: moved, stored, watched, started.

#include "daemon/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/fallback.h"
#include "daemon/files.h"
#include "daemon/queue.h"
#include "daemon/result.h"
#include "daemon/run.h"
#include "daemon/seed.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

char *ak_control_folder(const ak_daemon *d, int64_t id)
{
    return ak_path("%s/jobs/%" PRId64, d->config->state_dir, id);
}

akssl_status ak_control_find(ak_daemon *d, int64_t id, const ak_job **job, ak_job **stored)
{
    akssl_status rc = AKSSL_OK;

    *stored = NULL;
    *job = ak_jobs_find(&d->jobs, id);
    if (!*job)
        rc = ak_store_find(d->store, id, stored);
    if (*stored)
        *job = *stored;
    return rc;
}

// ---- moving

akssl_status ak_control_save(ak_daemon *d, ak_job *job)
{
    akssl_status rc = ak_store_update(d->store, job);

    if (rc < 0 && !job->dirty)
        ak_log_write(d->log, AK_LOG_ERROR, "job %" PRId64 ": %s; it is tried again", job->id,
                     ak_error_text());
    job->dirty = rc < 0;
    d->behind |= rc < 0;
    if (rc == AKSSL_OK)
        job->stored = job->state;
    return rc;
}

static void write_result(ak_daemon *d, ak_job *job)
{
    char *folder = ak_control_folder(d, job->id);
    akssl_status rc = ak_result_write(job, folder);
    bool again = rc < 0 && rc != AKSSL_ERR_NOT_FOUND && ak_run_passes(rc); // else it has no folder

    if (rc < 0 && !job->unwritten)
        ak_log_write(d->log, AK_LOG_ERROR, "job %" PRId64 ": %s%s", job->id, ak_error_text(),
                     again ? "; it is tried again" : "");
    job->unwritten = again;
    free(folder);
}

// finish is for a job that has ended: it leaves memory once disk has it all.  Nobody is told before
// the store knows.
static void finish(ak_daemon *d, ak_job *job)
{
    bool again = job->unwritten;

    if (!job->dirty)
        write_result(d, job);
    if (!again)
        ak_watches_changed(d->watches, job, true); // after result.json, so that they find it
    if (!job->dirty && !job->unwritten)
        ak_jobs_remove(&d->jobs, job->id);
}

// moved logs, stores and counts the state that a job has got.
static void moved(ak_daemon *d, ak_job *job)
{
    ak_log_write(d->log, AK_LOG_INFO, "job %" PRId64 " %s%s%s", job->id,
                 ak_job_state_text(job->state), job->reason[0] ? ": " : "", job->reason);
    (void)ak_control_save(d, job);
    if (ak_job_state_ended(job->state)) {
        d->ended[job->state]++;
        ak_usage_end(&d->usage, job->elapsed_ms);
    }
}

void ak_control_move(ak_daemon *d, ak_job *job, ak_job_event event, const char *reason)
{
    if (ak_job_move(job, event, reason) < 0) { // a mistake of ours: say so and go on
        ak_log_write(d->log, AK_LOG_ERROR, "%s", ak_error_text());
        return;
    }
    moved(d, job);
    if (ak_job_state_ended(job->state))
        finish(d, job);
    else
        ak_watches_changed(d->watches, job, true);
}

void ak_control_requeue(ak_daemon *d, ak_job *job, const char *reason, int64_t pause_ms)
{
    job->not_before_ns = ak_clock_ns() + pause_ms * 1000000;
    ak_control_move(d, job, AK_JOB_REQUEUE, reason);
}

bool ak_control_is_behind(const ak_daemon *d)
{
    for (size_t i = 0; i < d->jobs.count; i++)
        if (d->jobs.at[i]->dirty)
            return true;
    return false;
}

void ak_control_retry(ak_daemon *d)
{
    for (size_t i = d->jobs.count; i-- > 0;) { // backwards: finish may remove
        ak_job *job = d->jobs.at[i];

        if (!job->dirty && !job->unwritten)
            continue;
        if ((!job->dirty || ak_control_save(d, job) == AKSSL_OK) && ak_job_state_ended(job->state))
            finish(d, job);
    }
    if (!d->behind || ak_control_is_behind(d))
        return;
    d->behind = false;
    ak_log_write(d->log, AK_LOG_INFO, "what could not be stored is stored now");
    ak_control_schedule(d);
}

// ---- submitting

// make_folder makes jobs/ID.  A folder of that name that no row knows of (a restored database) is
// somebody's data: it is moved aside.  *made says whether there is one of ours now.
static akssl_status make_folder(ak_daemon *d, const char *folder, const char *yaml,
                                const char *seed, bool *made)
{
    char *seeded = ak_path("%s/" AK_SEED_FILE, folder);
    char *path = ak_path("%s/spec.yaml", folder);
    char *aside = ak_path("%s.old-%" PRId64, folder, ak_clock_wall_ms());
    akssl_status rc = AKSSL_OK;

    if (rename(folder, aside) == 0)
        ak_log_write(d->log, AK_LOG_WARN, "'%s' was there without a job and is now '%s'", folder,
                     aside);
    else if (errno != ENOENT)
        rc = ak_fail_errno(errno, "folder '%s' is there without a job, and cannot be '%s'", folder,
                           aside);
    if (rc == AKSSL_OK && mkdir(folder, 0700) < 0)
        rc = ak_fail_errno(errno, "folder '%s' cannot be made", folder);
    *made = rc == AKSSL_OK;
    if (rc == AKSSL_OK && seed && rename(seed, seeded) < 0)
        rc = ak_fail_errno(errno, "file '%s' cannot be made", seeded);
    if (rc == AKSSL_OK)
        rc = ak_files_create(path, yaml, strlen(yaml));
    if (rc == AKSSL_OK)
        rc = ak_files_sync(folder);
    free(seeded);
    free(aside);
    free(path);
    return rc;
}

// unmake_folder is for a job that was refused.  The database may bring it to light all the same
// (ak_store_is_doubtful): that it has no spec.yaml then says what it is (recover.c).
static void unmake_folder(const ak_daemon *d, const char *folder)
{
    char *path = ak_path("%s/spec.yaml", folder);

    unlink(path);
    if (ak_files_sync(folder) < 0 || ak_files_remove(folder) < 0)
        ak_log_write(d->log, AK_LOG_WARN, "%s", ak_error_text());
    free(path);
}

static akssl_status store_new(ak_daemon *d, ak_job *job, const char *seed)
{
    char *folder = NULL;
    char *parent = ak_path("%s/jobs", d->config->state_dir);
    bool made = false;
    akssl_status rc = ak_store_begin(d->store);

    if (rc == AKSSL_OK) {
        rc = ak_store_insert(d->store, job);
        if (rc == AKSSL_OK) {
            folder = ak_control_folder(d, job->id);
            rc = make_folder(d, folder, job->yaml, seed, &made);
        }
        if (rc == AKSSL_OK)
            rc = ak_files_sync(parent);
        if (rc == AKSSL_OK)
            rc = ak_store_commit(d->store);
        else
            ak_store_rollback(d->store);
    }
    if (rc < 0 && made) {
        char *sentence = ak_path("%s", ak_error_text());

        unmake_folder(d, folder);
        (void)ak_fail(rc, "%s", sentence);
        free(sentence);
    }
    free(folder);
    free(parent);
    return rc;
}

akssl_status ak_control_submit(ak_daemon *d, const ak_order *order, int64_t *id)
{
    const ak_spec *spec = order->spec;
    ak_job *job;
    akssl_status rc;

    if (d->stopping)
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld is stopping: submit again once it is back");
    if (d->jobs.count >= AK_DAEMON_MAX_ACTIVE)
        return ak_fail(AKSSL_ERR_LIMIT, "%d jobs have not ended yet: cancel some",
                       AK_DAEMON_MAX_ACTIVE);
    job = ak_job_new(spec, order->yaml);
    ak_text_set(&job->owner, order->owner);
    job->held = order->hold;
    rc = ak_terms_parse(&job->terms, spec->time, spec->after);
    if (rc == AKSSL_OK)
        rc = ak_queue_check_after(d, &job->terms, 0);
    if (rc == AKSSL_OK)
        rc = store_new(d, job, order->seed);
    if (rc < 0) {
        ak_job_free(job);
        return rc;
    }
    *id = job->id;
    ak_log_write(d->log, AK_LOG_INFO, "job %" PRId64 " submitted by %s: %s %s on %s", job->id,
                 order->owner, spec->kind, spec->method, spec->dataset);
    ak_jobs_add_take(&d->jobs, job);
    return AKSSL_OK;
}

// ---- cancelling, pausing, resuming

static bool has_run(ak_job_state state)
{
    return state == AK_JOB_STARTING || state == AK_JOB_RUNNING;
}

akssl_status ak_control_active(ak_daemon *d, int64_t id, ak_job **out)
{
    ak_job *job = ak_jobs_find(&d->jobs, id), *stored = NULL;
    akssl_status rc = job ? AKSSL_OK : ak_store_find(d->store, id, &stored);

    if (rc == AKSSL_OK && (!job || ak_job_state_ended(job->state)))
        rc = ak_fail(AKSSL_ERR_STATE, "job %" PRId64 " has ended already: it is %s", id,
                     ak_job_state_text(job ? job->state : stored->state));
    else if (rc == AKSSL_OK && !job->run && has_run(job->state))
        rc = ak_fail(AKSSL_ERR_UNAVAILABLE,
                     "akssld is stopping, and has left job %" PRId64 " running: ask again once it "
                     "is back",
                     id);
    ak_job_free(stored);
    *out = job;
    return rc;
}

// wish makes a wish durable, once.
static akssl_status wish(ak_daemon *d, ak_job *job, bool *field)
{
    akssl_status rc = AKSSL_OK;

    if (!*field) {
        *field = true;
        rc = ak_control_save(d, job);
        *field = rc == AKSSL_OK;
    }
    return rc;
}

akssl_status ak_control_cancel(ak_daemon *d, int64_t id, void (*seen)(void *ctx, const ak_job *job),
                               void *ctx)
{
    bool paused;
    ak_job *job;
    akssl_status rc = ak_control_active(d, id, &job);

    if (rc == AKSSL_OK)
        rc = wish(d, job, &job->cancel);
    if (rc < 0)
        return rc;
    if (job->run) {
        ak_text_set(&job->reason, "is being cancelled");
        seen(ctx, job);
        ak_watches_changed(d->watches, job, true);
        ak_run_end(job->run, "cancelled");
        return AKSSL_OK;
    }
    paused = job->state == AK_JOB_PAUSED;
    rc = ak_job_move(job, AK_JOB_CANCEL,
                     paused ? "cancelled while it was paused" : "cancelled before it started");
    if (rc < 0)
        return rc;
    moved(d, job);
    seen(ctx, job);
    finish(d, job);
    ak_control_schedule(d);
    return AKSSL_OK;
}

akssl_status ak_control_pause(ak_daemon *d, int64_t id, void (*seen)(void *ctx, const ak_job *job),
                              void *ctx)
{
    ak_job *job;
    akssl_status rc = ak_control_active(d, id, &job);

    if (rc == AKSSL_OK && job->cancel)
        rc = ak_fail(AKSSL_ERR_STATE, "job %" PRId64 " is being cancelled", id);
    if (rc == AKSSL_OK && job->state != AK_JOB_PAUSED)
        rc = wish(d, job, &job->pause);
    else if (rc == AKSSL_OK && job->stored != AK_JOB_PAUSED)
        rc = ak_control_save(d, job); // it is, but the store did not take it
    if (rc < 0)
        return rc;
    if (job->run) {
        if (!job->outcome) // else the reason is the run's
            ak_text_set(&job->reason, "is being paused");
        ak_watches_changed(d->watches, job, true);
        ak_run_pause(job->run);
    } else if (job->state != AK_JOB_PAUSED) {
        ak_control_move(d, job, AK_JOB_PAUSE, "paused by request");
        ak_control_schedule(d);
    }
    seen(ctx, job);
    return AKSSL_OK;
}

static akssl_status check_resumable(const ak_daemon *d, const ak_job *job)
{
    int64_t id = job->id;

    if (d->stopping)
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld is stopping: resume again once it is back");
    if (job->pause)
        return ak_fail(AKSSL_ERR_STATE,
                       "job %" PRId64 " is being paused: resume it once it is PAUSED", id);
    if (job->state != AK_JOB_PAUSED && job->state != AK_JOB_TIMEOUT)
        return ak_fail(AKSSL_ERR_STATE,
                       "job %" PRId64 " is %s: only a PAUSED job is resumed, or one in TIMEOUT", id,
                       ak_job_state_text(job->state));
    return AKSSL_OK;
}

// take_back gives a job that is TIMEOUT.  From the store it is the caller's, *taken: resumed, it is
// one of those that have not ended again.
static akssl_status take_back(ak_daemon *d, int64_t id, ak_job **job, bool *taken)
{
    ak_job *active = ak_jobs_find(&d->jobs, id), *stored = NULL;
    akssl_status rc;

    if (active && active->state == AK_JOB_TIMEOUT && active->dirty)
        return ak_fail(AKSSL_ERR_UNAVAILABLE,
                       "job %" PRId64 ": that its time is over is not stored yet: ask again", id);
    if (active && active->state == AK_JOB_TIMEOUT)
        *job = active; // result.json is not written yet
    if (active)
        return AKSSL_OK;
    rc = ak_store_find(d->store, id, &stored);
    if (rc == AKSSL_OK && stored->state == AK_JOB_TIMEOUT && d->jobs.count >= AK_DAEMON_MAX_ACTIVE)
        rc = ak_fail(AKSSL_ERR_LIMIT, "%d jobs have not ended yet: cancel some",
                     AK_DAEMON_MAX_ACTIVE);
    if (rc == AKSSL_OK && stored->state == AK_JOB_TIMEOUT) {
        *job = stored;
        *taken = true;
        return AKSSL_OK;
    }
    ak_job_free(stored);
    return rc;
}

// queue_again moves a PAUSED or TIMEOUT job to the queue; it stays as it is when that is not
// stored.
static akssl_status queue_again(ak_daemon *d, ak_job *job)
{
    char *reason = ak_path("%s", job->reason);
    ak_job_state from = job->state;
    int64_t ended_ms = job->ended_ms, elapsed_ms = job->elapsed_ms;
    int64_t restarts = job->restarts_since_commit, unheard_ms = job->unheard_ms;
    akssl_status rc = ak_job_move(job, AK_JOB_RESUME, NULL);
    ak_job_event back = from == AK_JOB_TIMEOUT ? AK_JOB_TIME_OUT : AK_JOB_PAUSE;

    if (rc == AKSSL_OK)
        rc = ak_control_save(d, job);
    if (rc < 0 && job->state != from && ak_job_move(job, back, reason) == AKSSL_OK) {
        job->ended_ms = ended_ms;
        job->elapsed_ms = elapsed_ms;
        job->restarts_since_commit = restarts;
        job->unheard_ms = unheard_ms;
        ak_log_write(d->log, AK_LOG_WARN, "job %" PRId64 " stays %s: %s", job->id,
                     ak_job_state_text(from), ak_error_text());
    }
    free(reason);
    return rc;
}

// forget_result removes what was written when the job ended.
static void forget_result(const ak_daemon *d, const ak_job *job)
{
    char *folder = ak_control_folder(d, job->id);
    char *path = ak_path("%s/result.json", folder);

    unlink(path);
    free(path);
    free(folder);
}

akssl_status ak_control_resume(ak_daemon *d, int64_t id, bool from_start,
                               void (*seen)(void *ctx, const ak_job *job), void *ctx)
{
    bool taken = false;
    ak_job *job = NULL;
    akssl_status rc = take_back(d, id, &job, &taken);

    if (rc == AKSSL_OK && !job)
        rc = ak_control_active(d, id, &job);
    if (rc == AKSSL_OK)
        rc = check_resumable(d, job);
    if (rc == AKSSL_OK && from_start)
        rc = ak_fallback_to_start(d, job);
    if (rc == AKSSL_OK)
        rc = queue_again(d, job);
    if (rc < 0) {
        if (taken)
            ak_job_free(job);
        return rc;
    }
    if (taken)
        ak_jobs_add_take(&d->jobs, job);
    forget_result(d, job); // of an end that is none any more
    job->unwritten = false;
    ak_log_write(d->log, AK_LOG_INFO, "job %" PRId64 " resumed%s", id,
                 from_start ? " from the start" : "");
    ak_watches_changed(d->watches, job, true);
    seen(ctx, job);
    ak_control_schedule(d);
    return AKSSL_OK;
}
