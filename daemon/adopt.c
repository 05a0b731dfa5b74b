// daemon/adopt.c -- runs that an earlier daemon has started, and what they did alone.

#include "daemon/adopt.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/committer.h"
#include "daemon/files.h"
#include "daemon/guard.h"
#include "daemon/launch.h"
#include "daemon/launcher/follow.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/format/manifest.h"

enum {
    LOOK_MS = 250,
    LOOK_AT_PROCESSES = 8, // looks from one search of /proc to the next
    SETTLE_MS = 1000,      // that a new command has until it takes signals
};

// How long processes that were killed are waited for; some wait in the kernel for a file server.
#define DEAF_NS (15 * (int64_t)1000000000)

// ---- its processes

// gone is for processes that have left no word.  While nobody had joined, it is no crash of the
// job's: the machine may have been started again.
static void gone(ak_run *run, int code, int signal, const char *why)
{
    if (run->phase == AK_RUN_ADOPTING && !code && !signal) {
        run->not_counted = true;
        ak_run_end(run, why);
    }
    ak_run_gone(run, code, signal);
}

static bool read_exit(ak_run *run)
{
    char *path = ak_launch_file(run, "exit");
    int code = 0, signal = 0;
    akssl_status rc = ak_guard_read_exit(path, &code, &signal);

    free(path);
    if (rc == AKSSL_OK)
        gone(run, code, signal, "its run ended while akssld was away");
    return rc == AKSSL_OK;
}

static void on_look(uv_timer_t *timer)
{
    ak_run *run = timer->data;

    // /proc is searched seldom, for one run after the other: the file tells of the usual end.
    if (read_exit(run) || ++run->looks % (LOOK_AT_PROCESSES * (1 + run->d->runs / 8)) != 0)
        return;
    if (ak_process_signal(run->id, 0)) {
        if (run->killed_ns && ak_clock_ns() - run->killed_ns > DEAF_NS)
            gone(run, 0, SIGKILL,
                 "its processes cannot be killed"); // the sweep looks on, and tells
        return;
    }
    if (read_exit(run)) // the last of them may just have written it
        return;
    gone(run, 0, 0, "no process of its run is left: it was ended from outside, or the machine was");
}

// ---- the lease

static bool is_wanted_back(const ak_job *job)
{
    return job->pause || job->requeue || job->resize;
}

static void on_lease_over(uv_timer_t *timer);

// end_there ends a run that its launcher's queue does not let run, and that is to leave it: at once
// where it has not begun; one that is suspended is let commit first, if it goes on in time.
static void end_there(ak_run *run)
{
    if (run->job->state == AK_JOB_RUNNING && !run->pausing) {
        run->pausing = true;
        ak_run_deadline(run, AK_RUN_PAUSE_MS, on_lease_over);
    } else {
        ak_run_end(run, "it was asked to stop, and waits in its launcher's queue");
    }
}

static void on_lease_over(uv_timer_t *timer)
{
    ak_run *run = timer->data;

    if (run->waits && is_wanted_back(run->job)) {
        end_there(run);
        return;
    }
    if (run->waits) { // in its launcher's queue
        ak_adopt_lease(run);
        return;
    }
    run->not_counted = true;
    ak_run_end(run, "its rank 0 did not join akssld when that was started again");
}

void ak_adopt_lease(ak_run *run)
{
    ak_run_deadline(run, (uint64_t)run->d->config->adopt_timeout * 1000, on_lease_over);
}

// ---- a command that has died, while what it follows goes on

static void on_ended(uv_process_t *process, int64_t code, int signal)
{
    (void)process; // on_look finds it out, as of one that an earlier daemon has started
    (void)code;
    (void)signal;
}

// follow_again gives a launcher's command again; true when there is one now.
static bool follow_again(ak_run *run)
{
    char *path = ak_launch_file(run, "exit");
    bool ended = access(path, F_OK) == 0;
    akssl_status rc = AKSSL_OK;

    free(path);
    if (ended || !ak_launcher_of(run->job)->follow || ak_process_signal_guard(run->id, 0))
        return false;
    rc = ak_launch_again(run, on_ended);
    ak_log_write(run->d->log, rc < 0 ? AK_LOG_ERROR : AK_LOG_INFO,
                 "job %" PRId64 " run %s: its %s is followed again%s%s", run->job->id, run->id,
                 ak_launcher_of(run->job)->name, rc < 0 ? ": " : "", rc < 0 ? ak_error_text() : "");
    return rc == AKSSL_OK;
}

static void on_exit_late(uv_timer_t *timer)
{
    ak_run_end(timer->data, "its processes did not end after Finish");
}

static void on_settled(uv_timer_t *timer)
{
    ak_run *run = timer->data;

    run->not_counted = !run->job->cancel;
    ak_run_end(run, run->job->cancel ? "cancelled" : "it was being ended when akssld went away");
}

// was_ending says whether a command that is given again goes on to end what it follows.
static bool was_ending(const ak_run *run)
{
    char *path = ak_launch_file(run, "ending");
    bool refused = false, ending = ak_follow_ending(path, &refused);

    free(path);
    return ending && !refused;
}

void ak_adopt(ak_daemon *d, ak_job *job)
{
    ak_run *run = ak_run_take_up(d, job);
    int left = ak_process_signal(run->id, 0);
    akssl_status rc = ak_launch_read(run);
    bool again = rc == AKSSL_OK && follow_again(run);

    left += again;
    run->looks = left ? (int)(job->id % LOOK_AT_PROCESSES) : -1;
    uv_timer_start(&run->watch, on_look, 0, LOOK_MS);
    if (!left)
        return; // the first look concludes
    ak_log_write(d->log, AK_LOG_INFO, "job %" PRId64 " run %s: %d processes are there", job->id,
                 run->id, left);
    if (again && (job->cancel || (!job->outcome && was_ending(run)))) {
        ak_run_deadline(run, SETTLE_MS, on_settled);
    } else if (job->cancel) {
        ak_run_end(run, "cancelled");
    } else if (job->outcome) {
        run->phase = AK_RUN_FINISHED;
        uv_timer_start(&run->timer, on_exit_late, AK_RUN_EXIT_MS, 0);
    } else if (rc < 0) { // nobody can prove that he is the run
        run->not_counted = true;
        ak_run_end(run, ak_error_text());
    } else {
        ak_adopt_lease(run);
        ak_run_follow(run);
    }
}

// ---- a commit that it made alone

typedef struct collection {
    ak_run *run;
    void (*done)(ak_run *run, akssl_status rc, const char *error);
    int64_t job, committed;
    char *path, *state_path;
    ak_commit commit;
    bool found;
} collection;

static akssl_status check(const collection *c, const ak_manifest *m)
{
    if (m->job != c->job || strcmp(m->run, c->run->id) != 0)
        return ak_fail(AKSSL_ERR_CORRUPT,
                       "manifest '%s' is of job %" PRId64 " run %s, not of this run", c->path,
                       m->job, m->run);
    if (m->step <= c->committed)
        return ak_fail(AKSSL_ERR_STATE,
                       "manifest '%s' is of step %" PRId64 ", and step %" PRId64
                       " is committed already",
                       c->path, m->step, c->committed);
    return AKSSL_OK;
}

static akssl_status check_state(const collection *c, const ak_manifest *m, ak_state **state)
{
    char digest[AK_DIGEST_TEXT] = "";
    bool reached = false;
    uint64_t size = 0;
    akssl_status rc = ak_digest_file(c->state_path, &size, digest);

    if (rc == AKSSL_OK && (size != m->state.size || strcmp(digest, m->state.digest) != 0))
        rc = ak_fail(AKSSL_ERR_CORRUPT, "file '%s' is not what its manifest says", c->state_path);
    if (rc == AKSSL_OK)
        rc = ak_state_read(state, c->state_path);
    if (rc == AKSSL_OK)
        rc = ak_state_reached(*state, m->step, &reached);
    if (rc == AKSSL_OK && !reached)
        rc =
            ak_fail(AKSSL_ERR_CORRUPT, "file '%s' is not of step %" PRId64, c->state_path, m->step);
    return rc;
}

static akssl_status make_commit(collection *c, const ak_manifest *m)
{
    char *folder = ak_path("%s/commits/step-%" PRId64, c->run->folder, m->step);
    ak_state *state = NULL;
    akssl_status rc = AKSSL_OK;

    c->commit = (ak_commit){ .job = c->job, .step = m->step, .made_ms = ak_clock_wall_ms() };
    for (int i = 0; i < m->count && rc == AKSSL_OK; i++)
        rc = ak_commit_add_file(&c->commit, m->files[i].name, m->files[i].size, m->files[i].digest);
    if (rc == AKSSL_OK)
        rc = ak_commit_verify(&c->commit, folder);
    if (rc == AKSSL_OK)
        rc = check_state(c, m, &state);
    if (rc == AKSSL_OK)
        rc = ak_commit_make(&c->commit, folder, state);
    ak_state_free(state);
    free(folder);
    return rc;
}

static akssl_status collect(void *ctx)
{
    collection *c = ctx;
    ak_manifest *m;
    akssl_status rc;

    if (access(c->path, F_OK) < 0 && errno == ENOENT)
        return AKSSL_OK; // there is none
    m = ak_alloc(1, sizeof *m);
    rc = ak_manifest_read(m, c->path);
    if (rc == AKSSL_OK)
        rc = check(c, m);
    if (rc == AKSSL_OK)
        rc = make_commit(c, m);
    c->found = rc == AKSSL_OK;
    free(m);
    return rc;
}

static void on_collected(void *ctx, akssl_status rc, const char *error)
{
    collection *c = ctx;
    ak_run *run = c->run;

    if (c->found && rc == AKSSL_OK) {
        run->commit = c->commit;
        rc = ak_committer_record(run);
        error = ak_error_text();
        run->committed_alone = rc == AKSSL_OK;
    }
    c->done(run, rc, error);
    free(c->path);
    free(c->state_path);
    free(c);
    ak_run_work_done(run);
}

void ak_adopt_collect(ak_run *run, void (*done)(ak_run *run, akssl_status rc, const char *error))
{
    collection *c = ak_alloc(1, sizeof *c);

    c->run = run;
    c->done = done;
    c->job = run->job->id;
    c->committed = run->job->committed_step;
    c->path = ak_launch_file(run, "commit");
    c->state_path = ak_launch_file(run, "state");
    run->works++;
    ak_work_start(&run->d->loop, collect, on_collected, c);
}
