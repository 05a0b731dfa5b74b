// daemon/recover.c -- taking up the store's jobs when the daemon starts.
//
// What was STARTING or RUNNING is adopted (adopt.h): its run may go on.  What was decided before
// the end is carried out (a Cancel, a Pause), and what is QUEUED waits again.  What is PAUSED
// stays.

#include <inttypes.h>

#include "daemon/adopt.h"
#include "daemon/control.h"
#include "proto/base/error.h"

static void take(void *ctx, ak_job *job)
{
    ak_daemon *d = ctx;

    ak_jobs_add_take(&d->jobs, job);
}

static void take_up(ak_daemon *d, ak_job *job)
{
    bool had_run = job->state == AK_JOB_STARTING || job->state == AK_JOB_RUNNING;

    if (had_run && job->run_id[0])
        ak_adopt(d, job);
    else if (job->cancel)
        ak_control_move(d, job, AK_JOB_CANCEL, "cancelled");
    else if (job->pause)
        ak_control_move(d, job, AK_JOB_PAUSE, "paused by request");
    else if (had_run)
        ak_control_requeue(d, job, "akssld was started again", 0);
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
