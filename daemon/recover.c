// daemon/recover.c -- taking up the store's jobs when the daemon starts.
//
// What was STARTING or RUNNING is adopted (adopt.h): its run may go on.  What was decided before
// the end is carried out (a Cancel, a Pause), and what is QUEUED waits again.  What is PAUSED
// stays.  What has ended gets its result.json, where there was no time for that.
//
// A submission whose write failed was refused, and its folder removed; SQLite's log may have it all
// the same.  It could only be the newest job, and is CANCELLED: who submitted it knows of none.

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
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

static bool keep_id(void *ctx, const ak_job *job)
{
    *(int64_t *)ctx = job->id;
    return true;
}

// was_refused says whether a job is the newest, new, and without a spec.yaml (control.c).
static bool was_refused(ak_daemon *d, const ak_job *job)
{
    const ak_filter filter = { .limit = 1 };
    int64_t newest = 0;
    struct stat st;
    char *path;
    bool gone;

    if (job->state != AK_JOB_QUEUED || job->started_ms || job->run_id[0] || job->restarts ||
        job != d->jobs.at[d->jobs.count - 1] ||
        ak_store_list(d->store, &filter, keep_id, &newest) < 0 || job->id != newest)
        return false;
    path = ak_path("%s/jobs/%" PRId64 "/spec.yaml", d->config->state_dir, job->id);
    gone = stat(path, &st) < 0 && errno == ENOENT;
    free(path);
    return gone;
}

static void take_up(ak_daemon *d, ak_job *job)
{
    bool had_run = job->state == AK_JOB_STARTING || job->state == AK_JOB_RUNNING;

    if (was_refused(d, job))
        ak_control_move(d, job, AK_JOB_CANCEL,
                        "its submission was refused, as the database could not be written then: "
                        "submit it again");
    else if (had_run && job->run_id[0])
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
