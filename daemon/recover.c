// daemon/recover.c -- taking up the store's jobs when the daemon starts.
//
// What was RUNNING has no run any more: this daemon did not start it.  Its processes are ended
// first (they hold the run's id, see process.h), then what was decided before the end is carried
// out (a Finish, a Cancel, a Pause), and the rest goes on from its last commit.  What is PAUSED
// stays.

#include <inttypes.h>

#include "daemon/control.h"
#include "proto/base/error.h"

enum { GRACE_MS = 3000 };

static void take(void *ctx, ak_job *job)
{
    ak_daemon *d = ctx;

    ak_jobs_add_take(&d->jobs, job);
}

static void end_leftovers(ak_daemon *d, const ak_job *job)
{
    int left;

    if (!job->run_id[0] || !ak_process_signal(job->run_id, 0))
        return;
    ak_log_write(d->log, AK_LOG_WARN, "job %" PRId64 ": processes of its last run are ended",
                 job->id);
    left = ak_process_end_marked(job->run_id, GRACE_MS);
    if (left)
        ak_log_write(d->log, AK_LOG_ERROR, "job %" PRId64 ": %d processes of run %s stay: end them",
                     job->id, left, job->run_id);
}

static void take_up(ak_daemon *d, ak_job *job)
{
    bool had_run = job->state == AK_JOB_STARTING || job->state == AK_JOB_RUNNING;

    end_leftovers(d, job);
    if (job->state == AK_JOB_RUNNING && job->outcome == AK_JOB_SUCCEEDED)
        ak_control_move(d, job, AK_JOB_SUCCEED, NULL);
    else if (job->cancel)
        ak_control_move(d, job, AK_JOB_CANCEL, "cancelled");
    else if (job->outcome == AK_JOB_FAILED)
        ak_control_move(d, job, AK_JOB_FAIL, job->reason);
    else if (had_run && job->outcome == AK_JOB_PAUSED)
        ak_control_move(d, job, AK_JOB_PAUSE, job->reason);
    else if (job->pause)
        ak_control_move(d, job, AK_JOB_PAUSE, "paused by request");
    else if (had_run)
        ak_control_requeue(d, job, "akssld was started again", 0);
    else if (job->state == AK_JOB_QUEUED)
        ak_control_enqueue(d, job);
}

akssl_status ak_control_recover(ak_daemon *d)
{
    int skipped = 0;
    akssl_status rc = ak_store_active(d->store, take, d, &skipped);

    if (rc < 0)
        return rc;
    if (skipped)
        ak_log_write(d->log, AK_LOG_ERROR, "%d jobs cannot be read and stay as they are: %s",
                     skipped, ak_error_text());
    for (size_t i = d->jobs.count; i-- > 0;) // backwards: one that ends leaves the list
        take_up(d, d->jobs.at[i]);
    return AKSSL_OK;
}
