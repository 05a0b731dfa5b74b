// tests/sim/oracle.c -- what must hold: promises, and akssld's memory after every event.

#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/run.h"
#include "tests/sim/disk.h"
#include "tests/sim/wrap.h"

enum { CANCEL_S = 30, PAUSE_S = 330 }; // that a run may go on for

void sim_oracle_begin(void)
{
    sim_here->oracle = sim_alloc(sizeof(sim_oracle));
}

sim_account *sim_oracle_of(int64_t job)
{
    sim_account *account = sim_here->oracle->accounts;

    while (account && account->id != job)
        account = account->next;
    if (account)
        return account;
    account = sim_alloc(sizeof *account);
    *account = (sim_account){
        .next = sim_here->oracle->accounts, .id = job, .committed = -1, .ranks = -2
    };
    return sim_here->oracle->accounts = account;
}

// ---- people

void sim_oracle_submitted(int64_t job, int64_t total, int64_t ranks, int64_t keep)
{
    sim_account *account = sim_oracle_of(job);

    sim_trace("job %" PRId64 " is acknowledged: %" PRId64 " steps", job, total);
    if (account->acked)
        sim_broken("id %" PRId64 " was given twice", job);
    account->acked = true;
    account->total = total;
    account->keep = keep;
    account->ranks = ranks;
    sim_here->oracle->count_acked++;
}

void sim_oracle_refused(const char *name, bool open)
{
    sim_refusal *r = sim_here->oracle->refusals;

    while (r && strcmp(r->name, name) != 0)
        r = r->next;
    if (!r) {
        r = sim_alloc(sizeof *r);
        *r = (sim_refusal){ .next = sim_here->oracle->refusals, .name = name };
        sim_here->oracle->refusals = r;
    }
    r->open = r->open || open;
}

void sim_oracle_power(void)
{
    for (sim_refusal *r = sim_here->oracle->refusals; r; r = r->next)
        r->open = true;
}

// What was refused does not run, whatever the database's log brings to light after a crash.
static void check_refused(int64_t id)
{
    const ak_job *job = sim_here->d ? ak_jobs_find(&sim_here->d->jobs, id) : NULL;

    for (const sim_refusal *r = sim_here->oracle->refusals; job && r; r = r->next)
        if (!r->open && strcmp(r->name, job->spec.name) == 0)
            sim_broken("job %" PRId64 " is launched, though its submission was refused", id);
}

// A job fails by what it does itself, or when it cannot be helped; never by what was broken around
// it, which is to be survived.
static void check_failure(const sim_account *account, const char *reason)
{
    static const char *const fair[] = { "without a new commit" };

    for (size_t i = 0; i < sizeof fair / sizeof *fair; i++)
        if (strstr(reason, fair[i]))
            return;
    sim_broken("job %" PRId64 " FAILED: %s", account->id, reason);
}

void sim_oracle_told(int64_t job, const char *text, const char *reason, int64_t asked_at)
{
    sim_account *account = sim_oracle_of(job);
    ak_job_state state = ak_job_state_parse(text);

    if (!state)
        sim_broken("job %" PRId64 " is told to be '%s'", job, text);
    if (state == AK_JOB_TIMEOUT && account->resumed && asked_at < account->launched_at)
        return; // a late answer, of before it went on
    if (account->ended == AK_JOB_TIMEOUT && account->resumed && state != account->ended)
        account->ended = 0; // it goes on
    if (account->ended && state != account->ended && asked_at >= account->ended_at)
        sim_broken("job %" PRId64 " was told to be %s, and is now told to be %s", job,
                   ak_job_state_text(account->ended), text);
    if (!account->ended) {
        account->told = state;
        account->told_lost = strstr(reason, "--from-start") != NULL;
    }
    if (account->ended || !ak_job_state_ended(state))
        return;
    sim_trace("job %" PRId64 " is seen to have ended: %s", job, text);
    account->ended = state;
    account->ended_at = sim_here->now;
    if (state == AK_JOB_FAILED)
        check_failure(account, reason);
    if (account->cancelled && state == AK_JOB_FAILED)
        sim_broken("job %" PRId64 " FAILED after its cancelling was acknowledged", job);
    if (account->finish == AK_JOB_SUCCEEDED && state != AK_JOB_SUCCEEDED)
        sim_broken("job %" PRId64 ": Finish as SUCCEEDED was acknowledged, and it ended %s", job,
                   text);
}

// ---- runs

// The ranks that a job gets: those that are wanted, or the largest power of two that there are
// cores for; of 8 shards each, and one thread a shard.
static int64_t fitting(int64_t wanted)
{
    int64_t ranks = wanted ? wanted : 8;

    while (ranks > sim_here->slots)
        ranks /= 2;
    return ranks;
}

static int64_t cores_in_use(void)
{
    int64_t used = 0;

    for (const sim_run *run = sim_here->procs->runs; run; run = run->next)
        used += sim_run_alive(run) ? run->ranks : 0;
    return used;
}

// Who is held does not start, nor who waits for another.
static void check_turn(const sim_account *account)
{
    const ak_daemon *d = sim_here->d;
    const ak_job *other = d && account->after ? ak_jobs_find(&d->jobs, account->after) : NULL;
    const sim_account *known = account->after ? sim_oracle_of(account->after) : NULL;

    if (account->hold == SIM_WISH_PAUSE)
        sim_broken("job %" PRId64 " is launched while it is held", account->id);
    if (other && !ak_job_state_ended(other->state) && !known->resumed)
        sim_broken("job %" PRId64 " is launched while job %" PRId64 " is %s, which it waits for",
                   account->id, account->after, ak_job_state_text(other->state));
    if (known && !account->after_any && ak_job_state_ended(known->ended) &&
        known->ended != AK_JOB_SUCCEEDED)
        sim_broken("job %" PRId64 " is launched though job %" PRId64 " was told to be %s",
                   account->id, account->after, ak_job_state_text(known->ended));
}

// keeps: a job that akssld itself has stopped to give it more cores may find them taken, and goes
// on with as many ranks as it had.
static bool keeps(const sim_account *account, const sim_run *run)
{
    const ak_job *job = sim_here->d ? ak_jobs_find(&sim_here->d->jobs, run->job) : NULL;

    return job && job->grown > 0 && run->ranks == account->had &&
           run->ranks < fitting(account->ranks);
}

void sim_oracle_launched(sim_run *run)
{
    sim_account *account = sim_oracle_of(run->job);

    sim_trace("job %" PRId64 " is launched: run %s, %" PRId64 " ranks", run->job, run->id,
              run->ranks);
    for (const sim_run *other = sim_here->procs->runs; other; other = other->next)
        if (other != run && other->job == run->job && sim_run_alive(other))
            sim_broken("job %" PRId64 " is launched while %d processes of its run %s live",
                       run->job, sim_run_alive(other), other->id);
    check_refused(run->job);
    account->finish = 0;
    if (account->ended == AK_JOB_TIMEOUT && account->resumed)
        account->ended = 0;
    check_turn(account);
    if (cores_in_use() > sim_here->slots)
        sim_broken("job %" PRId64 " is launched with %" PRId64 " ranks, and then %" PRId64
                   " cores of %d are in use",
                   run->job, run->ranks, cores_in_use(), sim_here->slots);
    if (account->ranks >= 0 && run->ranks != fitting(account->ranks) && !keeps(account, run))
        sim_broken("job %" PRId64 " is launched with %" PRId64 " ranks, wanted are %" PRId64,
                   run->job, run->ranks, account->ranks);
    account->had = run->ranks;
    account->launched_at = sim_here->now;
    if (account->cancelled)
        sim_broken("job %" PRId64 " is launched after its cancelling was acknowledged", run->job);
    if (account->wish == SIM_WISH_PAUSE)
        sim_broken("job %" PRId64 " is launched after its pausing was acknowledged", run->job);
    if (account->ended)
        sim_broken("job %" PRId64 " is launched after it was told to be %s", run->job,
                   ak_job_state_text(account->ended));
}

bool sim_oracle_rotten(int64_t job, int64_t step, const char *prefix)
{
    const char *path = sim_format("/state/jobs/%" PRId64 "/commits/%s-%" PRId64, job, prefix, step);
    sim_node *folder;

    if (sim_disk_find(path, &folder))
        return false;
    for (int i = 0; i < folder->now.count; i++)
        if (folder->now.at[i].node->rotten)
            return true;
    return false;
}

void sim_oracle_forgive(sim_account *account)
{
    while (account->committed >= 0 &&
           sim_oracle_rotten(account->id, account->committed, "aside-step")) {
        account->acked_steps &= ~(UINT64_C(1) << account->committed);
        account->committed = -1;
        for (int64_t step = 0; step < 64 && account->keep > 1; step++)
            if (account->acked_steps >> step & 1)
                account->committed = step;
    }
}

void sim_oracle_welcomed(sim_run *run, int64_t step)
{
    sim_account *account = sim_oracle_of(run->job);

    sim_oracle_forgive(account);
    sim_trace("job %" PRId64 " begins at step %" PRId64, run->job, step);
    if (step < account->committed)
        sim_broken("job %" PRId64 " resumes at step %" PRId64 ", but the commit of step %" PRId64
                   " was acknowledged",
                   run->job, step, account->committed);
}

static const sim_run *newest_run(int64_t job)
{
    const sim_run *run = sim_here->procs->runs; // newest first

    while (run && run->job != job)
        run = run->next;
    return run;
}

void sim_oracle_committed(sim_run *run, int64_t step)
{
    sim_account *account = sim_oracle_of(run->job);

    sim_trace("job %" PRId64 ": the commit of step %" PRId64 " is acknowledged", run->job, step);
    if (account->cancelled && sim_here->now - account->cancelled_at > CANCEL_S * SIM_S)
        sim_broken("job %" PRId64 " commits %d s after its cancelling was acknowledged", run->job,
                   CANCEL_S);
    if (account->wish == SIM_WISH_PAUSE && sim_here->now - account->wish_at > PAUSE_S * SIM_S)
        sim_broken("job %" PRId64 " commits %d s after its pausing was acknowledged", run->job,
                   PAUSE_S);
    if (newest_run(run->job) != run)
        sim_broken("job %" PRId64 ": a commit of run %s is acknowledged, which is not its newest",
                   run->job, run->id);
    if (step <= account->committed)
        sim_broken("job %" PRId64 ": the commit of step %" PRId64 " is acknowledged after that of "
                   "step %" PRId64,
                   run->job, step, account->committed);
    sim_here->disk->changes++; // so that it is looked for
    account->committed = step;
    account->acked_steps |= UINT64_C(1) << step;
}

void sim_oracle_finished(sim_run *run, ak_job_state outcome)
{
    sim_account *account = sim_oracle_of(run->job);

    sim_trace("job %" PRId64 ": Finish is acknowledged: %s", run->job,
              outcome ? ak_job_state_text(outcome) : "stopped");
    account->finish = outcome;
}

// ---- akssld's memory

// job.h's table, written down again: a change of one needs a thought about the other.
static bool may_move(ak_job_state from, ak_job_state to)
{
    static const unsigned table[AK_JOB_STATE_END] = {
        [AK_JOB_QUEUED] = 1 << AK_JOB_STARTING | 1 << AK_JOB_PAUSED | 1 << AK_JOB_FAILED |
                          1 << AK_JOB_CANCELLED | 1 << AK_JOB_TIMEOUT,
        [AK_JOB_STARTING] = 1 << AK_JOB_RUNNING | 1 << AK_JOB_QUEUED | 1 << AK_JOB_PAUSED |
                            1 << AK_JOB_FAILED | 1 << AK_JOB_CANCELLED | 1 << AK_JOB_TIMEOUT,
        [AK_JOB_RUNNING] = 1 << AK_JOB_SUCCEEDED | 1 << AK_JOB_QUEUED | 1 << AK_JOB_PAUSED |
                           1 << AK_JOB_FAILED | 1 << AK_JOB_CANCELLED | 1 << AK_JOB_TIMEOUT,
        [AK_JOB_PAUSED] = 1 << AK_JOB_QUEUED | 1 << AK_JOB_FAILED | 1 << AK_JOB_CANCELLED,
        [AK_JOB_TIMEOUT] = 1 << AK_JOB_QUEUED,
    };

    return table[from] >> to & 1;
}

akssl_status __wrap_ak_job_move(ak_job *job, ak_job_event event, const char *reason);
akssl_status __real_ak_job_move(ak_job *job, ak_job_event event, const char *reason);

akssl_status __wrap_ak_job_move(ak_job *job, ak_job_event event, const char *reason)
{
    ak_job_state from = job->state;
    akssl_status rc = __real_ak_job_move(job, event, reason);

    if (sim_here->dead)
        return rc;
    if (rc < 0)
        sim_broken("job %" PRId64 ": akssld tries event %d in state %s", job->id, (int)event,
                   ak_job_state_text(from));
    if (!may_move(from, job->state))
        sim_broken("job %" PRId64 " goes from %s to %s", job->id, ak_job_state_text(from),
                   ak_job_state_text(job->state));
    return rc;
}

static const ak_run *run_of(const ak_daemon *d, const char *id)
{
    for (size_t i = 0; i < d->jobs.count; i++)
        if (d->jobs.at[i]->run && strcmp(d->jobs.at[i]->run->id, id) == 0)
            return d->jobs.at[i]->run;
    return NULL;
}

// Runs that an earlier akssld has started may have more cores than there are now.
static void look_at_cores(const ak_daemon *d)
{
    bool adopted = false;

    for (size_t i = 0; i < d->jobs.count; i++)
        adopted |= d->jobs.at[i]->run && d->jobs.at[i]->run->adopted;
    if (!adopted && ak_run_cores(d, ak_launcher_find("local")) > d->config->slots)
        sim_broken("runs have %" PRId64 " cores of %" PRId64,
                   ak_run_cores(d, ak_launcher_find("local")), d->config->slots);
}

// akssld ends its tools, and the processes of runs that it has decided to end, and no others.
void sim_oracle_signalled(const sim_proc *proc, int signal)
{
    const ak_daemon *d = sim_here->d;
    const ak_run *run = d && proc->run ? run_of(d, proc->run->id) : NULL;

    if (!proc->run && !proc->handle)
        sim_broken("akssld signals process %d, which is a stranger's: signal %d", proc->pid,
                   signal);
    if (run && run->phase < AK_RUN_ENDING)
        sim_broken("akssld signals process %d of job %" PRId64
                   ", and its run %s is not to end: signal %d",
                   proc->pid, proc->run->job, proc->run->id, signal);
}

void sim_oracle_look(void)
{
    const ak_daemon *d = sim_here->d;

    if (!d || !d->server || d->stopping) // not there yet, or leaving its runs
        return;
    look_at_cores(d);
    for (const sim_proc *p = sim_here->procs->first; p; p = p->next)
        if (p->alive && p->run && !run_of(d, p->run->id))
            sim_broken("process %d of job %" PRId64 " lives, and its run %s is over", p->pid,
                       p->run->job, p->run->id);
    sim_oracle_kept();
}

// ---- the end

_Noreturn void sim_oracle_late(void)
{
    const ak_daemon *d = sim_here->d;

    for (const sim_account *a = sim_here->oracle->accounts; a; a = a->next) {
        const ak_job *job = d ? ak_jobs_find(&d->jobs, a->id) : NULL;

        if (a->acked && !a->ended)
            sim_broken("job %" PRId64 " has not ended, long after the last fault: it is %s (%s)",
                       a->id, job ? ak_job_state_text(job->state) : "not in memory",
                       job ? job->reason : "");
    }
    sim_broken("the story does not end, though every job has");
}
