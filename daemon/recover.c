// daemon/recover.c -- taking up the store's jobs when the daemon starts.
//
// What was STARTING or RUNNING is adopted (adopt.h): its run may go on.  What was decided before
// the end is carried out (a Cancel, a Pause), and what is QUEUED waits again.  What is PAUSED
// stays.  What has ended gets its result.json, where there was no time for that.

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/adopt.h"
#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/result.h"
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

// ---- result.json of jobs whose akssld ended before it was written

enum { LOOK_BACK = 64 }; // the jobs that ended last

static akssl_status write_result(ak_daemon *d, int64_t id, const char *folder)
{
    char *path = ak_path("%s/result.json", folder);
    bool missing = access(path, F_OK) < 0 && errno == ENOENT && access(folder, F_OK) == 0;
    ak_job *job = NULL;
    akssl_status rc = missing ? ak_store_find(d->store, id, &job) : AKSSL_OK;

    if (rc == AKSSL_OK && job)
        rc = ak_result_write(job, folder);
    ak_job_free(job);
    free(path);
    return rc;
}

static void write_results(ak_daemon *d)
{
    int64_t ids[LOOK_BACK];
    int count;
    akssl_status rc = ak_store_ended(d->store, ids, LOOK_BACK, &count);

    if (rc < 0)
        ak_log_write(d->log, AK_LOG_WARN, "%s", ak_error_text());
    for (int i = 0; i < count; i++) {
        char *folder = ak_control_folder(d, ids[i]);

        if (write_result(d, ids[i], folder) < 0)
            ak_log_write(d->log, AK_LOG_WARN, "job %" PRId64 " has no result.json: %s", ids[i],
                         ak_error_text());
        free(folder);
    }
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
    write_results(d);
    return AKSSL_OK;
}
