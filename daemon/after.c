// daemon/after.c -- what becomes of a job whose run is over.

#include "daemon/after.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/hosts.h"
#include "daemon/launch.h"
#include "daemon/meter.h"

// ---- whose fault it was

// has_crashed says whether nothing that was asked for, or is known, has ended the run.
static bool has_crashed(const ak_run *run)
{
    const ak_job *job = run->job;

    return !job->outcome && !job->cancel && !job->pause && !job->requeue && !job->resize &&
           !run->d->stopping && !run->preempted_by && !run->committed_alone && !run->ended_there &&
           !run->stopped && !run->not_counted && !ak_job_late(job);
}

void ak_after_unheard(ak_run *run, int64_t ms)
{
    ak_job *job = run->job;

    if (run->unheard)
        return;
    run->unheard = true;
    run->not_counted = job->unheard_ms < run->d->config->orphan_timeout * 1000;
    run->pause_ms = AK_AFTER_PAUSE_MS;
    job->unheard_ms += ms;
}

bool ak_after_settled(ak_run *run)
{
    char *why;

    if (!run->places.count || !has_crashed(run))
        return true;
    if (!run->doubted)
        ak_hosts_doubt(run->d->hosts, &run->places);
    run->doubted = true;
    if (!ak_hosts_settled(run->d->hosts, &run->places, &why))
        return false;
    if (why) {
        ak_after_unheard(run, run->d->config->host_timeout * 1000);
        ak_text_set(&run->why, why);
    }
    free(why);
    return true;
}

// ---- the next state

char *ak_after_text(const ak_run *run)
{
    char *words = ak_launch_last_words(run);
    char *how = NULL;
    char *text;

    if (run->why[0])
        how = ak_path("%s", run->why);
    else if (run->exit_signal)
        how = ak_path("mpirun was ended by signal %d", run->exit_signal);
    else
        how = ak_path("the ranks ended without Finish (mpirun's exit code %d)", run->exit_code);
    text = ak_path("%s%s%s", how, words[0] ? ": " : "", words);
    free(how);
    free(words);
    return text;
}

// end_as_there ends a job that its launcher's queue has ended, as one of ours would be.
static void end_as_there(ak_daemon *d, ak_job *job, const ak_run *run)
{
    char *reason = NULL;

    if (run->ended_there == AK_JOB_TIME_OUT)
        reason = ak_path("TimeLimit: %s: `akssl-client resume %" PRId64 "` lets it %s", run->why,
                         job->id,
                         job->committed_step >= 0 ? "go on from its last commit" : "begin again");
    ak_control_move(d, job, run->ended_there, reason ? reason : run->why);
    free(reason);
}

static void crash(ak_daemon *d, ak_job *job, const char *text)
{
    int64_t pause_ms = 0;
    char *reason;

    if (job->restarts_since_commit >= job->spec.max_restarts) {
        reason = ak_path("%s (restarted %" PRId64 " times without a new commit)", text,
                         job->restarts_since_commit);
        ak_control_move(d, job, AK_JOB_FAIL, reason);
    } else {
        job->restarts++;
        job->restarts_since_commit++;
        for (int64_t i = 1; i < job->restarts_since_commit && pause_ms < 8000; i++)
            pause_ms = pause_ms ? pause_ms * 2 : 1000;
        reason = ak_path("is restarted after a crash: %s", text);
        ak_control_requeue(d, job, reason, pause_ms);
    }
    free(reason);
}

void ak_after_move(ak_daemon *d, ak_job *job, const ak_run *run, const char *text)
{
    if (job->outcome == AK_JOB_SUCCEEDED) {
        ak_control_move(d, job, AK_JOB_SUCCEED, NULL);
    } else if (job->cancel) {
        ak_control_move(d, job, AK_JOB_CANCEL, "cancelled");
    } else if (job->outcome == AK_JOB_FAILED) {
        ak_control_move(d, job, AK_JOB_FAIL, job->reason);
    } else if (job->outcome == AK_JOB_PAUSED) {
        ak_control_move(d, job, AK_JOB_PAUSE, job->reason);
    } else if (job->pause) {
        ak_control_move(d, job, AK_JOB_PAUSE, "paused by request");
    } else if (d->stopping) {
        ak_control_requeue(d, job, "akssld was stopped; goes on when it is started again", 0);
    } else if (ak_job_late(job)) {
        ak_meter_time_out(d, job);
    } else if (job->requeue) {
        ak_control_requeue(d, job, "queued again by request", 0);
    } else if (run->preempted_by) {
        char *reason = ak_path("made way for job %" PRId64, run->preempted_by);

        ak_control_requeue(d, job, reason, 0);
        free(reason);
    } else if (job->resize) {
        ak_control_requeue(d, job, "goes on with another number of ranks", 0);
    } else if (run->committed_alone) {
        ak_control_requeue(d, job, "its run was without akssld for too long, and has committed", 0);
    } else if (run->ended_there) {
        end_as_there(d, job, run);
    } else if (run->stopped) {
        ak_control_requeue(d, job, text, 0);
    } else if (run->not_counted) {
        ak_control_requeue(d, job, text, run->pause_ms);
    } else {
        crash(d, job, text);
    }
}
