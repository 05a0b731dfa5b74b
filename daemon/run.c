// daemon/run.c -- one run of a job: from its cores to the last of its processes.

#include "daemon/run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/adopt.h"
#include "daemon/after.h"
#include "daemon/committer.h"
#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/launch.h"
#include "daemon/meter.h"
#include "daemon/uplink.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum {
    SWEEP_MS = 100,
    SWEEP_KILL = 20,     // ticks until what is left is killed: ranks leave by themselves in 1 s
    SWEEP_GIVE_UP = 150, // ticks until a process that cannot be killed is reported and left
    STORE_PAUSE_MS = 10000,
    COLLECT_MS = 1000, // between tries to record what the run has committed alone
    TIDY_MS = 1000,    // between tries to remove what it leaves
    TIDY_TRIES = 4,
    ANSWER_MS = 1000, // between looks whether hosts have answered
};

static void conclude(ak_run *run);
static void let_go(ak_run *run);
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

// Takes as long whatever b is, but for its length, which is no secret.  No secret equals none.
static bool same_secret(const char *a, const char *b)
{
    size_t length = strlen(a);
    unsigned different = !length || strlen(b) != length;
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

    if (d->stopping && (!r || r->leaving)) // it has been let go of
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld is stopping: come back");
    if (!r || !id || strcmp(r->id, id) != 0 || !same_secret(r->secret, secret))
        return ak_fail(AKSSL_ERR_PERMISSION,
                       "job %" PRId64 ": this is not its current run: only akssld starts runs",
                       job);
    *run = r;
    return AKSSL_OK;
}

// A loop that stood still sees its timers before what has arrived meanwhile: that gets its turn
// first.
static void on_deadline(uv_timer_t *timer)
{
    ak_run *run = timer->data;

    if (uv_now(timer->loop) > run->due_ms + AK_RUN_STILL_MS)
        ak_run_deadline(run, AK_RUN_STILL_MS, run->over);
    else
        run->over(timer);
}

void ak_run_deadline(ak_run *run, uint64_t ms, uv_timer_cb over)
{
    uv_update_time(&run->d->loop); // it may have stood still for longer than that
    run->over = over;
    run->due_ms = uv_now(&run->d->loop) + ms;
    uv_timer_start(&run->timer, on_deadline, ms, 0);
}

// is_held_back says whether its launcher's queue has stopped a run that had begun there.
static bool is_held_back(const ak_run *run)
{
    bool runs = true;

    if (ak_launcher_of(run->job)->follow)
        free(ak_launch_look(run, &runs));
    return !runs;
}

// out_of_reach ends a run whose ranks, on other machines, were not heard for so long.
static void out_of_reach(ak_run *run, uint64_t ms, const char *why)
{
    const ak_launcher *launcher = ak_launcher_of(run->job);

    if (launcher->place || launcher->follow)
        ak_after_unheard(run, (int64_t)ms);
    ak_run_end(run, why);
}

// ---- start

static void on_join_late(uv_timer_t *timer)
{
    ak_run *run = timer->data;

    if (is_held_back(run))
        ak_run_deadline(run, AK_RUN_JOIN_MS, on_join_late);
    else if (ak_launcher_of(run->job)->place || ak_launcher_of(run->job)->follow)
        out_of_reach(run, AK_RUN_JOIN_MS,
                     "rank 0 did not join within 60 s: can its host reach akssld's --uplink (a "
                     "firewall, the name, the certificate)?");
    else
        ak_run_end(run, "rank 0 did not join within 60 s");
}

void ak_run_follow(ak_run *run)
{
    ak_job *job = run->job;
    bool runs = false;
    char *text = NULL;

    if (ak_launcher_of(job)->follow && run->phase >= AK_RUN_LAUNCHED &&
        run->phase <= AK_RUN_ADOPTING)
        text = ak_launch_look(run, &runs);
    run->ran |= text && runs;
    if (text && run->phase == AK_RUN_JOINED) {
        run->waits = run->ran && !runs; // suspended: uncharged
        free(text);
        return;
    }
    if (!text)
        return;
    if (run->waits && runs && run->phase == AK_RUN_LAUNCHED)
        ak_run_deadline(run, AK_RUN_JOIN_MS, on_join_late);
    else if (run->waits && runs && !run->preparing)
        ak_adopt_lease(run);
    run->waits = !runs;
    if (!job->outcome && !run->pausing && strcmp(job->reason, text) != 0) {
        ak_text_set(&job->reason, text);
        ak_watches_changed(run->d->watches, job, true);
    }
    free(text);
}

// note_word tells what a launcher has said, of the queue behind it, from a crash.
static void note_word(ak_run *run)
{
    int code = run->exit_code;

    if (code < AK_LAUNCHER_GONE || code > AK_LAUNCHER_REFUSED ||
        !ak_launcher_of(run->job)->follow || run->why[0])
        return;
    free(run->why);
    run->why = ak_launch_last_words(run);
    run->not_counted = true;
    run->pause_ms = AK_AFTER_PAUSE_MS;
    if (code == AK_LAUNCHER_CANCELLED)
        run->ended_there = AK_JOB_CANCEL;
    else if (code == AK_LAUNCHER_LATE)
        run->ended_there = AK_JOB_TIME_OUT;
    else if (code == AK_LAUNCHER_REFUSED)
        ak_run_hold(run, run->why);
}

void ak_run_gone(ak_run *run, int code, int signal)
{
    run->alive = false;
    run->exit_code = code;
    run->exit_signal = signal;
    note_word(run);
    ak_log_write(run->d->log, AK_LOG_DEBUG,
                 "job %" PRId64 " run %s: mpirun ended: code %d signal %d", run->job->id, run->id,
                 code, signal);
    begin_sweep(run);
}

static void on_exit_(uv_process_t *process, int64_t code, int signal)
{
    ak_run_gone(process->data, (int)code, signal);
}

static void on_prepared(ak_run *run, akssl_status rc, const char *error)
{
    if (run->phase != AK_RUN_PREPARING) { // ended meanwhile
        begin_sweep(run);
        return;
    }
    if (rc < 0 && !ak_run_passes(rc))
        ak_run_fail(run, error);
    else if (rc < 0)
        ak_run_hold(run, error);
    else if (ak_launch_spawn(run, on_exit_) < 0) // the machine's fault, not the job's
        ak_run_hold(run, ak_error_text());
    if (run->phase != AK_RUN_PREPARING) {
        begin_sweep(run);
        return;
    }
    run->phase = AK_RUN_LAUNCHED;
    run->waits = ak_launcher_of(run->job)->follow != NULL;
    if (!run->waits)
        ak_run_deadline(run, AK_RUN_JOIN_MS, on_join_late);
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
    run->folder = ak_control_folder(d, job->id);
    ak_text_set(&run->why, NULL);
    uv_timer_init(&d->loop, &run->timer);
    uv_timer_init(&d->loop, &run->commit_timer);
    uv_timer_init(&d->loop, &run->watch);
    run->timer.data = run->commit_timer.data = run->watch.data = run;
    run->handles = 3;
    job->run = run;
    d->runs++;
    ak_meter_charge(run);
    return run;
}

// move_on says, as the job's reason, what the note does, or else that it has fewer ranks than were
// asked for.
static void move_on(ak_daemon *d, ak_job *job, ak_job_event event, const char *note)
{
    char *reason = note ? NULL : ak_job_short(job, ak_launcher_slots(d, job));

    ak_control_move(d, job, event, note ? note : reason);
    free(reason);
}

bool ak_run_start(ak_daemon *d, ak_job *job, int64_t cores)
{
    const ak_launcher *launcher = ak_launcher_of(job);
    int64_t ranks = ak_job_ranks(job, ak_launcher_slots(d, job));
    akssl_status rc = AKSSL_OK;
    ak_hostlist places = { 0 };
    ak_run *run;

    if (launcher->place && !launcher->place(d, job, NULL, &ranks, &places))
        return false;
    if (places.count && ranks * job->spec.threads_per_shard < cores)
        cores = ranks * job->spec.threads_per_shard;
    run = run_new(d, job, cores);
    run->places = places;
    run->phase = AK_RUN_PREPARING;
    random_text(run->id, sizeof run->id - 1);
    random_text(run->secret, sizeof run->secret - 1);
    job->ranks = ranks;
    job->growing = job->keeps_ranks = false;
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
        return true;
    }
    ak_launch_prepare(run, on_prepared);
    return true;
}

ak_run *ak_run_take_up(ak_daemon *d, ak_job *job)
{
    int64_t need = job->ranks * job->spec.threads_per_shard, slots = ak_launcher_slots(d, job);
    ak_run *run = run_new(d, job, need < slots || job->ranks > 1 || !slots ? need : slots);

    run->phase = AK_RUN_ADOPTING;
    run->adopted = run->alive = true;
    memcpy(run->id, job->run_id, strnlen(job->run_id, sizeof run->id - 1));
    return run;
}

// ---- rank 0's words

void ak_run_joined(ak_run *run)
{
    run->phase = AK_RUN_JOINED;
    run->lost = run->waits = false;
    uv_timer_stop(&run->timer);
    if (run->job->state == AK_JOB_STARTING)
        move_on(run->d, run->job, AK_JOB_JOIN, run->note);
}

static void on_pause_long(uv_timer_t *timer)
{
    ak_run_end(timer->data, "it was asked to stop and did not in time");
}

// ask_to_leave asks rank 0 to stop, with a deadline; one that is not there is asked when it is.
static void ask_to_leave(ak_run *run, const char *why)
{
    run->pausing = true;
    ak_run_stop(run, why);
    if (run->phase == AK_RUN_JOINED && run->join && run->greeted)
        uv_timer_start(&run->timer, on_pause_long, AK_RUN_PAUSE_MS, 0);
}

void ak_run_greet(ak_run *run)
{
    if (run->job->cancel)
        ak_run_end(run, "cancelled");
    else if (run->job->pause)
        ask_to_leave(run, "paused by request");
    else if (run->job->requeue)
        ask_to_leave(run, "queued again by request");
    else if (run->job->resize)
        ask_to_leave(run, "goes on with another number of ranks");
    else if (run->d->ending)
        ak_uplink_stop(run, "akssld is stopping");
    else if (run->pausing) // while its stream was lost
        ask_to_leave(run, run->preempted_by ? "makes way" : "its time limit is reached");
}

static void on_exit_late(uv_timer_t *timer)
{
    ak_run_end(timer->data, "its processes did not end after Finish");
}

void ak_run_finished(ak_run *run, ak_job_state outcome, const char *reason)
{
    ak_job *job = run->job;

    // A run that is being ended (mpirun was killed, say) fails in ways that are not the job's.
    if (run->phase > AK_RUN_FINISHED && outcome == AK_JOB_FAILED)
        return;
    if (run->phase == AK_RUN_FINISHED && (job->outcome || !outcome))
        return;                        // it has not heard our answer, and says it again
    if (job->state == AK_JOB_STARTING) // that it had joined an earlier daemon was not stored
        ak_control_move(run->d, job, AK_JOB_JOIN, NULL);
    if (outcome) {
        job->outcome = outcome;
        ak_text_set(&job->reason, outcome == AK_JOB_SUCCEEDED ? "" : reason);
        (void)ak_control_save(run->d, job);
    } else {
        run->stopped = true;
        set_why(run, reason && reason[0] ? reason : "the worker stopped by itself");
    }
    if (run->phase > AK_RUN_FINISHED)
        return; // is being ended
    run->phase = AK_RUN_FINISHED;
    uv_timer_start(&run->timer, on_exit_late, AK_RUN_EXIT_MS, 0);
}

static uint64_t adopt_ms(const ak_run *run)
{
    return (uint64_t)run->d->config->adopt_timeout * 1000;
}

static void on_lost_long(uv_timer_t *timer)
{
    ak_run *run = timer->data;

    if (is_held_back(run) && run->pausing) {
        ak_run_end(run, "it was asked to stop, and is suspended");
    } else if (is_held_back(run)) {
        ak_run_deadline(run, adopt_ms(run), on_lost_long);
    } else {
        out_of_reach(run, adopt_ms(run), "rank 0 lost its stream and did not come back");
    }
}

void ak_run_lost(ak_run *run)
{
    if (run->phase != AK_RUN_JOINED || run->lost)
        return;
    run->lost = true;
    ak_run_deadline(run, adopt_ms(run), on_lost_long);
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
    if (!run->adopted)
        uv_process_kill(&run->process, SIGTERM);
    else if (!ak_process_signal_guard(run->id, SIGTERM))
        ak_process_signal(run->id, SIGKILL); // nobody is left who would take it
    uv_timer_start(&run->timer, on_grace_over,
                   AK_RUN_GRACE_MS + (uint64_t)ak_launcher_of(run->job)->grace_s * 1000, 0);
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
    bool told = strstr(why, "resume") != NULL;
    char *sentence = ak_path("%s%s", why, told ? "" : AK_RUN_REMEDY);

    end_as(run, AK_JOB_PAUSED, sentence);
    free(sentence);
}

bool ak_run_passes(akssl_status rc)
{
    return ak_is_unwritten(rc) || rc == AKSSL_ERR_CORRUPT || rc == AKSSL_ERR_NOT_FOUND ||
           rc == AKSSL_ERR_LIMIT || rc == AKSSL_ERR_NO_MEMORY;
}

void ak_run_kill(ak_run *run)
{
    if (!run->killed_ns)
        run->killed_ns = ak_clock_ns();
    if (run->phase != AK_RUN_SWEEPING)
        run->phase = AK_RUN_ENDING;
    if (run->alive && !run->adopted)
        uv_process_kill(&run->process, SIGKILL);
    ak_process_signal(run->id, SIGKILL);
}

void ak_run_stop(ak_run *run, const char *why)
{
    if (run->phase == AK_RUN_JOINED)
        ak_uplink_stop(run, why);
    else if (run->phase == AK_RUN_PREPARING || run->phase == AK_RUN_LAUNCHED ||
             (run->phase == AK_RUN_ADOPTING && run->waits && !run->preparing))
        ak_run_end(run, why);
}

void ak_run_pause(ak_run *run)
{
    if (!run->pausing)
        ask_to_leave(run, "paused by request");
}

void ak_run_yield(ak_run *run, const char *why)
{
    if (!run->pausing)
        ask_to_leave(run, why);
}

void ak_run_preempt(ak_run *run, int64_t by)
{
    char *reason;

    if (run->pausing)
        return;
    reason = ak_path("makes way for job %" PRId64 ", which has a higher priority", by);
    ak_text_set(&run->job->reason, reason);
    ak_log_write(run->d->log, AK_LOG_INFO, "job %" PRId64 " %s", run->job->id, reason);
    run->preempted_by = by;
    ak_watches_changed(run->d->watches, run->job, true);
    ask_to_leave(run, reason);
    free(reason);
}

int64_t ak_run_cores(const ak_daemon *d, const ak_launcher *launcher)
{
    int64_t cores = 0;

    for (size_t i = 0; i < d->jobs.count; i++) {
        const ak_run *run = d->jobs.at[i]->run;

        cores += run && ak_launcher_of(run->job) == launcher ? run->cores : 0;
    }
    return cores;
}

void ak_run_resize(ak_run *run)
{
    if (!run->pausing)
        ask_to_leave(run, "goes on with another number of ranks");
}

static void on_sweep(uv_timer_t *timer);

// Its secret is to go, which ranks that are cut off go by (worker/leash.h); the job waits for that
// for some seconds.
static void on_tidy(ak_run *run, akssl_status rc, const char *error)
{
    if (rc < 0 && ++run->tidied < TIDY_TRIES) {
        run->swept = false;
        uv_timer_start(&run->timer, on_sweep, TIDY_MS, SWEEP_MS);
        return;
    }
    if (rc < 0)
        ak_log_write(run->d->log, AK_LOG_WARN, "job %" PRId64 ": %s", run->job->id, error);
}

// tell_kept says, once, why the commit that a run made alone waits.
static void tell_kept(ak_run *run, const char *error)
{
    ak_job *job = run->job;
    char *why = ak_path("its run's own commit is taken once that can be done: %s; to give it up, "
                        "remove '%s/run/%s.commit'",
                        error, run->folder, run->id);

    if (!run->kept || strcmp(run->kept, why) != 0) {
        ak_text_set(&run->kept, why);
        ak_log_write(run->d->log, AK_LOG_ERROR, "job %" PRId64 ": %s", job->id, why);
        if (!job->outcome) // else the reason is the outcome's
            ak_text_set(&job->reason, why);
        ak_watches_changed(run->d->watches, job, true);
    }
    free(why);
}

static void on_collected(ak_run *run, akssl_status rc, const char *error)
{
    // A commit that is whole, as far as we know, stays where it is until it can be taken: by the
    // next akssld, if this one stops.
    if ((ak_is_unwritten(rc) || rc == AKSSL_ERR_LIMIT || rc == AKSSL_ERR_NO_MEMORY) &&
        !run->job->cancel) {
        tell_kept(run, error);
        run->leaving = run->d->stopping;
        if (!run->leaving)
            uv_timer_start(&run->timer, on_sweep, COLLECT_MS, SWEEP_MS);
        return;
    }
    if (rc < 0)
        ak_log_write(run->d->log, AK_LOG_WARN,
                     "job %" PRId64 ": the commit that its run made alone does not count: %s",
                     run->job->id, error);
    run->collected = true;
    uv_timer_start(&run->timer, on_sweep, 0, SWEEP_MS);
}

static void on_sweep(uv_timer_t *timer)
{
    ak_run *run = timer->data;
    int left = ak_process_signal(run->id, run->ticks < SWEEP_KILL ? 0 : SIGKILL);

    if (left && ++run->ticks < SWEEP_GIVE_UP)
        return;
    ak_meter_charge(run);
    run->idle = true;
    ak_uplink_drop(run);
    ak_committer_drop(run);
    if (run->works)
        return; // a commit
    if (!ak_after_settled(run)) {
        uv_timer_set_repeat(timer, ANSWER_MS);
        return;
    }
    uv_timer_stop(timer);
    if (!run->collected) {
        ak_adopt_collect(run, on_collected);
        return;
    }
    if (left)
        ak_log_write(run->d->log, AK_LOG_ERROR,
                     "job %" PRId64 ": %d processes of run %s cannot be killed: look at them",
                     run->job->id, left, run->id);
    run->swept = true;
    ak_launch_tidy(run, on_tidy); // conclude follows when all work is done
}

static void begin_sweep(ak_run *run)
{
    run->phase = AK_RUN_SWEEPING;
    uv_timer_stop(&run->watch);
    uv_timer_start(&run->timer, on_sweep, 0, SWEEP_MS);
}

void ak_run_work_done(ak_run *run)
{
    run->works--;
    if (run->leaving && !run->works)
        let_go(run);
    else if (run->swept && !run->works && !run->alive)
        conclude(run);
}

static void on_closed(uv_handle_t *handle)
{
    ak_run *run = handle->data;

    if (--run->handles)
        return;
    ak_hostlist_fini(&run->places);
    free(run->folder);
    free(run->why);
    free(run->note);
    free(run->kept);
    free(run);
}

static void release(ak_run *run)
{
    ak_state_free(run->state);
    ak_state_free(run->seed);
    ak_meter_charge(run);
    run->job->run = NULL;
    uv_close((uv_handle_t *)&run->timer, on_closed);
    uv_close((uv_handle_t *)&run->commit_timer, on_closed);
    uv_close((uv_handle_t *)&run->watch, on_closed);
    if (run->process.data)
        uv_close((uv_handle_t *)&run->process, on_closed);
    run->d->runs--;
}

static void conclude(ak_run *run)
{
    ak_daemon *d = run->d;
    ak_job *job = run->job;
    char *text = run->not_counted && !run->unheard ? ak_path("%s", run->why) : ak_after_text(run);

    if (run->pausing && job->state == AK_JOB_RUNNING && !run->stopped && !job->outcome)
        ak_log_write(d->log, AK_LOG_WARN,
                     "job %" PRId64
                     ": its run did not stop by itself (%s): it is left at its last commit",
                     job->id, text);
    release(run);
    ak_after_move(d, job, run, text); // run lives until its handles are closed
    free(text);
    ak_daemon_run_over(d);
}

// ---- leaving

static void let_go(ak_run *run)
{
    ak_daemon *d = run->d;

    ak_log_write(d->log, AK_LOG_INFO, "job %" PRId64 " run %s is left to the next akssld",
                 run->job->id, run->id);
    (void)ak_control_save(d, run->job); // its figures
    release(run);
    ak_daemon_run_over(d);
}

void ak_run_leave(ak_run *run)
{
    if (run->phase == AK_RUN_PREPARING)
        ak_run_end(run, "akssld is stopping");
    if (run->phase >= AK_RUN_ENDING || run->leaving)
        return;
    run->leaving = true;
    uv_timer_stop(&run->timer);
    uv_timer_stop(&run->watch);
    ak_uplink_drop(run);
    ak_committer_drop(run);
    if (!run->works)
        let_go(run);
}
