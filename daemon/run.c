// daemon/run.c -- one run of a job: from its cores to the last of its processes.

#include "daemon/run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/committer.h"
#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/launch.h"
#include "daemon/uplink.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum {
    SWEEP_MS = 100,
    SWEEP_KILL = 20,     // ticks until what is left is killed: ranks leave by themselves in 1 s
    SWEEP_GIVE_UP = 150, // ticks until a process that cannot be killed is reported and left
    STORE_PAUSE_MS = 10000,
};

static void conclude(ak_run *run);
static void begin_sweep(ak_run *run);

// ---- small things

static void set_why(ak_run *run, const char *why)
{
    if (!run->why[0])
        ak_text_set(&run->why, why);
}

static void random_text(char *text, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[32];

    if (uv_random(NULL, NULL, bytes, digits / 2, 0, NULL) < 0)
        abort(); // a guessable secret would be worse
    for (size_t i = 0; i < digits; i++)
        text[i] = hex[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
    text[digits] = '\0';
}

// Takes as long whatever b is, but for its length, which is no secret.
static bool same_secret(const char *a, const char *b)
{
    size_t length = strlen(a);
    unsigned different = strlen(b) != length;
    const char *other = different ? a : b;

    for (size_t i = 0; i < length; i++)
        different |= (unsigned)(a[i] ^ other[i]);
    return !different;
}

ak_run *ak_run_by_secret(ak_daemon *d, const char *secret)
{
    for (size_t i = 0; i < d->jobs.count; i++) {
        ak_run *run = d->jobs.at[i]->run;

        if (run && same_secret(run->secret, secret))
            return run;
    }
    return NULL;
}

akssl_status ak_run_find(ak_daemon *d, int64_t job, const char *id, const char *secret,
                         ak_run **run)
{
    ak_job *found = ak_jobs_find(&d->jobs, job);
    ak_run *r = found ? found->run : NULL;

    if (!r || !id || strcmp(r->id, id) != 0 || !same_secret(r->secret, secret))
        return ak_fail(AKSSL_ERR_PERMISSION,
                       "job %" PRId64 ": this is not its current run: only akssld starts runs",
                       job);
    *run = r;
    return AKSSL_OK;
}

// ---- start

static void on_join_late(uv_timer_t *timer)
{
    ak_run_end(timer->data, "rank 0 did not join within 60 s");
}

static void on_exit_(uv_process_t *process, int64_t code, int signal)
{
    ak_run *run = process->data;

    run->alive = false;
    run->exit_code = (int)code;
    run->exit_signal = signal;
    ak_log_write(run->d->log, AK_LOG_DEBUG,
                 "job %" PRId64 " run %s: mpirun ended: code %d signal %d", run->job->id, run->id,
                 run->exit_code, signal);
    begin_sweep(run);
}

static void on_prepared(ak_run *run, akssl_status rc, const char *error)
{
    if (run->phase != AK_RUN_PREPARING) { // ended meanwhile
        begin_sweep(run);
        return;
    }
    if (rc == AKSSL_OK) {
        rc = ak_launch_spawn(run, on_exit_);
        error = ak_error_text();
    }
    if (rc < 0) {
        if (ak_run_passes(rc))
            ak_run_hold(run, error);
        else
            ak_run_fail(run, error);
        begin_sweep(run);
        return;
    }
    run->phase = AK_RUN_LAUNCHED;
    uv_timer_start(&run->timer, on_join_late, AK_RUN_JOIN_MS, 0);
    ak_log_write(
        run->d->log, AK_LOG_INFO,
        "job %" PRId64 " run %s: %" PRId64 " ranks on %" PRId64 " cores from step %" PRId64,
        run->job->id, run->id, run->job->ranks, run->cores, run->resuming ? run->resume.step : 0);
}

static ak_run *run_new(ak_daemon *d, ak_job *job, int64_t cores)
{
    ak_run *run = ak_alloc(1, sizeof *run);

    run->d = d;
    run->job = job;
    run->cores = cores;
    run->phase = AK_RUN_PREPARING;
    random_text(run->id, sizeof run->id - 1);
    random_text(run->secret, sizeof run->secret - 1);
    run->folder = ak_control_folder(d, job->id);
    ak_text_set(&run->why, NULL);
    uv_timer_init(&d->loop, &run->timer);
    uv_timer_init(&d->loop, &run->commit_timer);
    run->timer.data = run->commit_timer.data = run;
    run->handles = 2;
    job->run = run;
    d->runs++;
    return run;
}

// move_on says, as the job's reason, what the note does, or else that it has fewer ranks than were
// asked for.
static void move_on(ak_daemon *d, ak_job *job, ak_job_event event, const char *note)
{
    char *reason = note ? NULL : ak_job_short(job, d->config->slots);

    ak_control_move(d, job, event, note ? note : reason);
    free(reason);
}

void ak_run_start(ak_daemon *d, ak_job *job, int64_t cores)
{
    ak_run *run = run_new(d, job, cores);
    akssl_status rc = AKSSL_OK;

    job->ranks = ak_job_ranks(job, d->config->slots);
    job->outcome = 0;
    ak_text_set(&job->run_id, run->id); // stored before a process has it, so that it is found
    move_on(d, job, AK_JOB_LAUNCH, NULL);
    if (job->dirty)
        rc = ak_control_save(d, job);
    if (rc == AKSSL_OK && job->committed_step > 0) { // step 0 is the start
        run->resuming = true;
        rc = ak_store_find_commit(d->store, job->id, &run->resume);
    }
    if (rc < 0) {
        char *error = ak_path("%s", ak_error_text());

        ak_run_hold(run, error);
        begin_sweep(run);
        free(error);
        return;
    }
    ak_launch_prepare(run, on_prepared);
}

// ---- rank 0's words

void ak_run_joined(ak_run *run)
{
    run->phase = AK_RUN_JOINED;
    uv_timer_stop(&run->timer);
    move_on(run->d, run->job, AK_JOB_JOIN, run->note);
}

static void on_exit_late(uv_timer_t *timer)
{
    ak_run_end(timer->data, "its processes did not end after Finish");
}

void ak_run_finished(ak_run *run, ak_job_state outcome, const char *reason)
{
    ak_job *job = run->job;

    // A run that is being ended (mpirun was killed, say) fails in ways that are not the job's.
    if (outcome == AK_JOB_FAILED && run->phase != AK_RUN_JOINED)
        return;
    if (outcome) {
        job->outcome = outcome;
        ak_text_set(&job->reason, outcome == AK_JOB_SUCCEEDED ? "" : reason);
        (void)ak_control_save(run->d, job);
    } else {
        run->stopped = true;
        set_why(run, reason && reason[0] ? reason : "the worker stopped by itself");
    }
    if (run->phase != AK_RUN_JOINED)
        return; // is being ended
    run->phase = AK_RUN_FINISHED;
    uv_timer_start(&run->timer, on_exit_late, AK_RUN_EXIT_MS, 0);
}

static void on_lost_long(uv_timer_t *timer)
{
    ak_run_end(timer->data, "rank 0 lost its stream and did not end");
}

void ak_run_lost(ak_run *run)
{
    if (run->phase != AK_RUN_JOINED || run->lost)
        return;
    run->lost = true;
    uv_timer_start(&run->timer, on_lost_long, AK_RUN_LOST_MS, 0);
}

// ---- the end

static void on_grace_over(uv_timer_t *timer)
{
    ak_run_kill(timer->data);
}

void ak_run_end(ak_run *run, const char *why)
{
    set_why(run, why);
    if (run->phase == AK_RUN_ENDING || run->phase == AK_RUN_SWEEPING)
        return;
    run->phase = AK_RUN_ENDING;
    if (!run->alive)
        return; // still preparing: on_prepared sees it
    uv_process_kill(&run->process, SIGTERM);
    uv_timer_start(&run->timer, on_grace_over, AK_RUN_GRACE_MS, 0);
}

static void end_as(ak_run *run, ak_job_state outcome, const char *why)
{
    ak_job *job = run->job;

    if (!job->outcome) {
        job->outcome = outcome;
        ak_text_set(&job->reason, why);
        (void)ak_control_save(run->d, job);
    }
    ak_run_end(run, why);
}

void ak_run_fail(ak_run *run, const char *why)
{
    end_as(run, AK_JOB_FAILED, why);
}

void ak_run_hold(ak_run *run, const char *why)
{
    end_as(run, AK_JOB_PAUSED, why);
}

bool ak_run_passes(akssl_status rc)
{
    return rc == AKSSL_ERR_NO_SPACE || rc == AKSSL_ERR_IO || rc == AKSSL_ERR_PERMISSION ||
           rc == AKSSL_ERR_CORRUPT || rc == AKSSL_ERR_LIMIT || rc == AKSSL_ERR_NO_MEMORY;
}

void ak_run_kill(ak_run *run)
{
    if (run->phase != AK_RUN_SWEEPING)
        run->phase = AK_RUN_ENDING;
    if (run->alive)
        uv_process_kill(&run->process, SIGKILL);
    ak_process_signal(run->id, SIGKILL);
}

void ak_run_stop(ak_run *run, const char *why)
{
    if (run->phase == AK_RUN_JOINED && run->join)
        ak_uplink_stop(run, why);
    else if (run->phase != AK_RUN_FINISHED)
        ak_run_end(run, why);
}

static void on_pause_long(uv_timer_t *timer)
{
    ak_run_end(timer->data, "it was asked to stop and did not in time");
}

static void let_go(ak_run *run, const char *why)
{
    if (run->pausing)
        return;
    run->pausing = true;
    ak_run_stop(run, why);
    if (run->phase == AK_RUN_JOINED && !run->lost)
        uv_timer_start(&run->timer, on_pause_long, AK_RUN_PAUSE_MS, 0);
}

void ak_run_pause(ak_run *run)
{
    let_go(run, "paused by request");
}

void ak_run_resize(ak_run *run)
{
    let_go(run, "goes on with another number of ranks");
}

static void on_tidy(ak_run *run, akssl_status rc, const char *error)
{
    if (rc < 0)
        ak_log_write(run->d->log, AK_LOG_WARN, "job %" PRId64 ": %s", run->job->id, error);
}

static void on_sweep(uv_timer_t *timer)
{
    ak_run *run = timer->data;
    int left = ak_process_signal(run->id, run->ticks < SWEEP_KILL ? 0 : SIGKILL);

    if (left && ++run->ticks < SWEEP_GIVE_UP)
        return;
    if (left)
        ak_log_write(run->d->log, AK_LOG_ERROR,
                     "job %" PRId64 ": %d processes of run %s cannot be killed: look at them",
                     run->job->id, left, run->id);
    uv_timer_stop(timer);
    run->swept = true;
    ak_uplink_drop(run);
    ak_committer_drop(run);
    ak_launch_tidy(run, on_tidy); // conclude follows when all work is done
}

static void begin_sweep(ak_run *run)
{
    run->phase = AK_RUN_SWEEPING;
    uv_timer_start(&run->timer, on_sweep, 0, SWEEP_MS);
}

void ak_run_work_done(ak_run *run)
{
    run->works--;
    if (run->swept && !run->works && !run->alive)
        conclude(run);
}

static void on_closed(uv_handle_t *handle)
{
    ak_run *run = handle->data;

    if (--run->handles)
        return;
    free(run->folder);
    free(run->why);
    free(run->note);
    free(run);
}

// How a crash is told: "a rank crashed (mpirun ended with code 137): last error line".
static char *crash_text(const ak_run *run)
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

// next moves the job on, now that nothing of its run is left.
static void next(ak_daemon *d, ak_job *job, bool not_counted, const char *text)
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
    } else if (job->resize) {
        ak_control_requeue(d, job, "goes on with another number of ranks", 0);
    } else if (not_counted) {
        ak_control_requeue(d, job, text, STORE_PAUSE_MS);
    } else {
        crash(d, job, text);
    }
}

static void conclude(ak_run *run)
{
    ak_daemon *d = run->d;
    ak_job *job = run->job;
    bool not_counted = run->not_counted;
    char *text = not_counted ? ak_path("%s", run->why) : crash_text(run);

    if (run->pausing && job->state == AK_JOB_RUNNING && !run->stopped && !job->outcome)
        ak_log_write(d->log, AK_LOG_WARN,
                     "job %" PRId64
                     ": its run did not stop by itself (%s): it is left at its last commit",
                     job->id, text);
    ak_state_free(run->state);
    ak_state_free(run->seed);
    job->run = NULL;
    ak_scheduler_release(d->scheduler, run->cores);
    uv_close((uv_handle_t *)&run->timer, on_closed);
    uv_close((uv_handle_t *)&run->commit_timer, on_closed);
    if (run->process.data)
        uv_close((uv_handle_t *)&run->process, on_closed);
    d->runs--;
    next(d, job, not_counted, text);
    free(text);
    ak_daemon_run_over(d);
}
