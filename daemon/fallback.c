// daemon/fallback.c -- going on from an earlier commit than the newest.

#include "daemon/fallback.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/notice.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

// give_up gives up the first count commits of the list; the job goes on from step (-1: its start).
static akssl_status give_up(ak_daemon *d, ak_job *job, const ak_commit *commits, int count,
                            int64_t step)
{
    char *job_folder = ak_control_folder(d, job->id);
    char *folder = ak_path("%s/commits", job_folder);
    int64_t committed = job->committed_step;
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < count && rc == AKSSL_OK; i++) {
        char *name;

        rc = ak_commit_set_aside(folder, commits[i].step, &name);
        if (name)
            ak_log_write(d->log, AK_LOG_WARN,
                         "job %" PRId64 ": the commit of step %" PRId64 " is now '%s/%s'", job->id,
                         commits[i].step, folder, name);
        free(name);
    }
    if (rc == AKSSL_OK) {
        job->committed_step = step;
        rc = ak_store_fall_back(d->store, job, count ? commits[count - 1].step : 0);
        if (rc < 0)
            job->committed_step = committed;
    }
    free(folder);
    free(job_folder);
    return rc;
}

akssl_status ak_fallback_take(ak_run *run, const ak_commit *commits, int chosen, const char *wrong)
{
    const ak_commit *commit = &commits[chosen];
    akssl_status rc = give_up(run->d, run->job, commits, chosen, commit->step);

    if (rc < 0)
        return ak_wrap(rc, "damaged commits cannot be set aside");
    run->resume = *commit;
    free(run->note);
    run->note = ak_path("goes on from the commit of step %" PRId64
                        ", since what came after it is damaged and was set aside: %s",
                        commit->step, wrong);
    ak_notice_write(run, AK_LOG_ERROR, run->note);
    return AKSSL_OK;
}

akssl_status ak_fallback_to_start(ak_daemon *d, ak_job *job)
{
    ak_figures figures = job->figures;
    char *weights = job->weights;
    ak_commit *commits = NULL;
    int count = 0;
    akssl_status rc = ak_store_commits(d->store, job->id, &commits, &count);

    job->figures = (ak_figures){ NULL }; // they are of the steps that are given up
    job->weights = ak_strdup("");
    if (rc == AKSSL_OK)
        rc = give_up(d, job, commits, count, -1);
    if (rc < 0) { // it may still go on from where it was
        free(job->weights);
        job->figures = figures;
        job->weights = weights;
    } else {
        ak_figures_fini(&figures);
        free(weights);
    }
    free(commits);
    return rc < 0 ? ak_wrap(rc, "job %" PRId64 " cannot begin again", job->id) : AKSSL_OK;
}
