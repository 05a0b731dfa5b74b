// tests/sim/faults.c -- what is broken, when: crashes, cuts, kills, bad disks, clocks, rogues.

#include "tests/sim/faults.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/procs.h"
#include "tests/sim/rank.h"

enum { CRASH_OPS = 80 };

typedef struct fault {
    int64_t every;
    const char *name;
    void (*strike)(void);
} fault;

static bool calm(void)
{
    return sim_here->now > sim_here->plan.faults_end;
}

// ---- akssld dies

static void on_sigterm(void *ctx)
{
    (void)ctx;
    if (!sim_here->dead && sim_here->d) {
        sim_trace("gets SIGTERM");
        sim_uv_signal(SIGTERM);
    }
}

static void crash(void)
{
    sim_disk *disk = sim_here->disk;

    if (!sim_here->up || sim_here->dead)
        return;
    if (sim_chance(sim_here->plan.stop)) {
        sim_after(SIM_DAEMON, 0, "sigterm", on_sigterm, NULL, NULL);
    } else if (sim_chance(sim_here->plan.crash_ops)) {
        disk->crash_op = disk->ops + sim_range(1, CRASH_OPS);
        disk->crash_after = sim_chance(50);
    } else {
        sim_trace("akssld is killed");
        sim_here->dead = true;
    }
}

bool sim_faults_power(void)
{
    return !calm() && sim_chance(sim_here->plan.power);
}

// ---- others

static void kill_one(void)
{
    int64_t count = 0, chosen;

    for (const sim_proc *p = sim_here->procs->first; p; p = p->next)
        count += p->alive && p->run;
    chosen = sim_range(0, count - 1);
    for (sim_proc *p = sim_here->procs->first; p && count; p = p->next) {
        if (!p->alive || !p->run || chosen-- > 0)
            continue;
        sim_trace("process %d of job %" PRId64 " is killed", p->pid, p->run->job);
        sim_procs_signal(p, SIGKILL);
        return;
    }
}

// A process that is stopped, or a host that stands still for it.
static void freeze(void)
{
    const sim_run *run = sim_here->procs->runs;
    int64_t ms = sim_range(100, sim_chance(70) ? 8000 : 150000);

    while (run && (!run->model || !run->rank[0]->alive || (run->next && sim_chance(30))))
        run = run->next;
    if (!run)
        return;
    sim_trace("rank 0 of job %" PRId64 " stands still for %" PRId64 " ms", run->job, ms);
    run->model->frozen_until = sim_here->now + ms * SIM_MS;
}

static void on_room(void *ctx)
{
    (void)ctx;
    sim_trace("the disk has room again");
    sim_here->disk->full = false;
}

static void fill(void)
{
    sim_trace("the disk is full");
    sim_here->disk->full = true;
    sim_after(SIM_WORLD, sim_range(SIM_MS, 30 * SIM_S), "room", on_room, NULL, NULL);
}

static void on_well(void *ctx)
{
    (void)ctx;
    sim_trace("the disk works again");
    sim_here->disk->bad = false;
}

static void spoil(void)
{
    sim_trace("the disk fails");
    sim_here->disk->bad = true;
    sim_after(SIM_WORLD, sim_range(SIM_MS, 5 * SIM_S), "well", on_well, NULL, NULL);
}

static void on_writable(void *ctx)
{
    (void)ctx;
    sim_trace("the disk can be written again");
    sim_here->disk->fixed = false;
}

static void fix(void)
{
    sim_trace("the disk is read-only");
    sim_here->disk->fixed = true;
    sim_after(SIM_WORLD, sim_range(SIM_MS, 30 * SIM_S), "writable", on_writable, NULL, NULL);
}

static void jump(void)
{
    int64_t ms = sim_range(-86400000, 86400000);

    sim_trace("the wall clock jumps by %" PRId64 " s", ms / 1000);
    sim_here->wall_ms += ms;
}

void sim_faults_rot(void)
{
    static const char *const files[] = { "model", "optimizer", "state" };
    int64_t skip = sim_range(0, 3);

    if (calm() || !sim_chance(sim_here->plan.rot))
        return;
    for (const sim_account *a = sim_here->oracle->accounts; a; a = a->next) {
        const char *path =
            sim_format("/state/jobs/%" PRId64 "/commits/step-%" PRId64 "/%s.safetensors", a->id,
                       a->committed, files[sim_range(0, 2)]);
        sim_node *node;

        if (sim_disk_find(path, &node) || !node->size || skip-- > 0)
            continue;
        sim_trace("'%s' rots", path);
        node->data[sim_range(0, node->size - 1)] ^= 1;
        node->rotten = true;
        return;
    }
}

// ---- somebody who knows a run's id, as every user of the host does, and not its secret

typedef struct rogue {
    const sim_run *run;
    const char *what;
} rogue;

static void on_rogue_message(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    const rogue *r = ctx;

    (void)call, (void)message;
    sim_broken("job %" PRId64 ": %s without the run's secret was heard", r->run->job, r->what);
}

static void rogue_join(const rogue *r, const char *secret, const sim_caller *caller)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__Hello hello = AKSSL__V1__HELLO__INIT;
    ak_call *call = sim_net_call(AK_RPC_join, secret, r->run->id, NULL, 10000, caller);

    hello.has_job = hello.has_ranks = 1;
    hello.job = r->run->job;
    hello.run = r->run->id;
    hello.ranks = r->run->ranks;
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    sim_net_send(call, &message.base);
}

static void rogue_finish(const rogue *r, const char *secret, const sim_caller *caller)
{
    Akssl__V1__FinishRequest request = AKSSL__V1__FINISH_REQUEST__INIT;

    request.has_job = 1;
    request.job = r->run->job;
    request.run = r->run->id;
    request.outcome = (char *)"failed";
    request.reason = (char *)"by a rogue";
    sim_net_call(AK_RPC_finish, secret, r->run->id, &request.base, 10000, caller);
}

static void rogue_commit(const rogue *r, const char *secret, const sim_caller *caller)
{
    Akssl__V1__CommitRequest request = AKSSL__V1__COMMIT_REQUEST__INIT;
    Akssl__V1__CommitFile file = AKSSL__V1__COMMIT_FILE__INIT, *files = &file;

    request.has_job = request.has_step = 1;
    request.job = r->run->job;
    request.run = r->run->id;
    request.step = sim_range(0, 30);
    file.name = (char *)"model.safetensors";
    file.digest = (char *)"00000000000000000000000000000000";
    file.has_size = 1;
    request.files = &files;
    request.n_files = 1;
    sim_net_call(AK_RPC_commit, secret, r->run->id, &request.base, 10000, caller);
}

// old_secret gives the secret of a run that another one of its job has followed.
static const char *old_secret(const sim_run *run)
{
    for (; run; run = run->next)
        for (const sim_run *newer = sim_here->procs->runs; newer != run; newer = newer->next)
            if (newer->job == run->job && run->secret)
                return run->secret;
    return "";
}

static void intrude(void)
{
    const sim_run *run = sim_here->procs->runs; // the newest
    const char *secret = "";
    rogue *r = sim_alloc(sizeof *r);
    const sim_caller caller = { .message = on_rogue_message, .ctx = r };

    if (!run)
        return;
    *r = (rogue){ run, "Join" };
    if (sim_chance(50))
        secret = old_secret(run->next);
    switch (sim_range(0, 2)) {
    case 0:
        rogue_join(r, secret, &caller);
        break;
    case 1:
        r->what = "Finish";
        rogue_finish(r, secret, &caller);
        break;
    default:
        r->what = "Commit";
        rogue_commit(r, secret, &caller);
        break;
    }
}

// ---- when

static void on_fault(void *ctx)
{
    fault *f = ctx;

    if (calm())
        return;
    f->strike();
    sim_after(SIM_WORLD, sim_rare(f->every), f->name, on_fault, f, NULL);
}

static void begin(int64_t every, const char *name, void (*strike)(void))
{
    fault *f = sim_alloc(sizeof *f);

    *f = (fault){ every, name, strike };
    if (every)
        sim_after(SIM_WORLD, sim_rare(every), name, on_fault, f, NULL);
}

static void on_calm(void *ctx)
{
    (void)ctx;
    sim_trace("from now on nothing is broken");
    sim_here->disk->full = sim_here->disk->bad = sim_here->disk->fixed = false;
    sim_here->disk->crash_op = 0;
}

void sim_faults_begin(void)
{
    const sim_plan *plan = &sim_here->plan;

    begin(plan->crash_every, "crash", crash);
    begin(plan->cut_every, "cut", sim_net_cut_some);
    begin(plan->kill_every, "kill", kill_one);
    begin(plan->freeze_every, "freeze", freeze);
    begin(plan->full_every, "full", fill);
    begin(plan->bad_every, "bad", spoil);
    begin(plan->fix_every, "read-only", fix);
    begin(plan->jump_every, "jump", jump);
    begin(plan->rogue_every, "rogue", intrude);
    begin(plan->stranger_every, "stranger", sim_procs_stranger);
    sim_after(SIM_WORLD, plan->faults_end - sim_here->now + 1, "calm", on_calm, NULL, NULL);
}
