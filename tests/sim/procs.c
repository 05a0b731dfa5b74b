// tests/sim/procs.c -- processes: launched, signalled, dying, and what their parents make of it.

#include "tests/sim/procs.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"
#include "tests/sim/rank.h"

enum { START_MS = 300, TERM_MS = 1500, LEAK = 15, DEAF = 8 }; // the last two: per cent
enum { STRANGER_S = 120, BOOT = 12, BOOT_GAP = 6 };

void sim_procs_begin(void)
{
    sim_here->procs = sim_alloc(sizeof(sim_procs));
    sim_here->procs->last_pid = SIM_FIRST_PID;
}

// ---- as /proc shows them

static char *join(char *const *strings, size_t *size)
{
    char *text, *at;

    *size = 0;
    for (int i = 0; strings && strings[i]; i++)
        *size += strlen(strings[i]) + 1;
    at = text = sim_alloc(*size + 1);
    for (int i = 0; strings && strings[i]; i++)
        at = stpcpy(at, strings[i]) + 1;
    return text;
}

static sim_proc *proc_new(sim_kind kind, sim_run *run, char *const *args, char *const *env)
{
    sim_proc *p = sim_alloc(sizeof *p), **last = &sim_here->procs->first;

    p->kind = kind;
    p->pid = sim_procs_number();
    p->cmdline = join(args, &p->cmdline_size);
    p->environ = join(env, &p->environ_size);
    p->alive = true;
    p->run = run;
    while (*last)
        last = &(*last)->next;
    *last = p;
    return p;
}

// ---- a launch

static const char *flag(char *const *args, const char *name)
{
    for (int i = 0; args[i]; i++)
        if (strcmp(args[i], name) == 0)
            return args[i + 1] ? args[i + 1] : "";
    return "";
}

static const char *variable(char *const *env, const char *name)
{
    size_t length = strlen(name);

    for (int i = 0; env && env[i]; i++)
        if (strncmp(env[i], name, length) == 0 && env[i][length] == '=')
            return env[i] + length + 1;
    return "";
}

typedef struct launch {
    sim_run *run;
    char *args; // mpirun's command line, kept until it starts
    size_t size;
    char *mark[2];
} launch;

static void on_ranks(void *ctx)
{
    launch *l = ctx;
    sim_run *run = l->run;

    if (!run->mpirun->alive || run->mpirun->asked)
        return;
    for (int i = 0; i < run->ranks && i < 64; i++) {
        run->rank[i] = proc_new(SIM_RANK, run, NULL, l->mark);
        run->rank[i]->cmdline = l->args;
        run->rank[i]->cmdline_size = l->size;
    }
    sim_rank_start(run);
}

static void on_mpirun(void *ctx)
{
    launch *l = ctx;
    sim_run *run = l->run;

    if (!run->guard->alive)
        return;
    run->mpirun = proc_new(SIM_MPIRUN, run, NULL, l->mark);
    run->mpirun->cmdline = l->args;
    run->mpirun->cmdline_size = l->size;
    sim_after(SIM_WORLD, sim_range(SIM_MS, START_MS * SIM_MS), "ranks start", on_ranks, l, NULL);
}

static void start_run(sim_proc *guard, const uv_process_options_t *o)
{
    char *const *args = o->args;
    sim_run *run = sim_alloc(sizeof *run);
    launch *l = sim_alloc(sizeof *l);

    run->id = sim_format("%s", variable(o->env, "AKSSL_RUN"));
    run->job = atoll(flag(args, "--job"));
    run->ranks = atoll(flag(args, "-np"));
    run->secret_file = sim_format("%s", flag(args, "--secret-file"));
    run->folder = sim_format("%s", o->cwd);
    run->orphan_ms = atoll(flag(args, "--orphan-timeout")) * 1000;
    if (!isdigit((unsigned char)args[2][0]))
        run->exit_file = sim_format("%s", args[2]);
    run->guard = guard;
    run->next = sim_here->procs->runs;
    sim_here->procs->runs = run;
    guard->kind = SIM_GUARD;
    guard->run = run;
    l->run = run;
    l->args = join(args + 3, &l->size);
    l->mark[0] = sim_format("AKSSL_RUN=%s", run->id);
    sim_oracle_launched(run);
    sim_after(SIM_WORLD, sim_range(0, 20 * SIM_MS), "mpirun starts", on_mpirun, l, NULL);
}

int sim_procs_spawn(uv_process_t *handle, const uv_process_options_t *o)
{
    sim_proc *p = proc_new(SIM_TOOL, NULL, o->args, o->env);

    handle->pid = p->pid;
    handle->u.reserved[0] = p;
    p->handle = handle;
    p->exited = o->exit_cb;
    if (strcmp(o->args[1], "--guard") == 0) {
        start_run(p, o);
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        if (i + 1 >= o->stdio_count || !(o->stdio[i + 1].flags & UV_CREATE_PIPE))
            continue;
        p->pipes[i] = (uv_pipe_t *)o->stdio[i + 1].data.stream;
        p->pipes[i]->u.reserved[0] = p;
    }
    sim_tool_start(p, flag(o->args, "--spec"));
    return 0;
}

static void on_stranger_over(void *ctx)
{
    sim_procs_exit(ctx, 0, 0);
}

void sim_procs_stranger(void)
{
    char *args[] = { (char *)"editor", (char *)"notes.txt", NULL };
    sim_proc *p = proc_new(SIM_STRANGER, NULL, args, NULL);

    sim_after(SIM_WORLD, sim_range(0, STRANGER_S * SIM_S), "stranger", on_stranger_over, p,
              &p->ending);
}

// The host starts again: some of its own are there before akssld is.
static void boot(void)
{
    sim_here->procs->last_pid = SIM_FIRST_PID;
    for (int64_t left = sim_range(0, BOOT); left; left--) {
        sim_here->procs->last_pid += (int)sim_range(0, BOOT_GAP);
        sim_procs_stranger();
    }
}

// ---- endings

static void kill_ranks(sim_run *run, int number)
{
    for (int i = 0; i < run->ranks && i < 64; i++)
        if (run->rank[i])
            sim_procs_signal(run->rank[i], number);
}

static bool any_rank(const sim_run *run)
{
    for (int i = 0; i < run->ranks && i < 64; i++)
        if (run->rank[i] && run->rank[i]->alive)
            return true;
    return false;
}

static void on_mpirun_over(void *ctx)
{
    sim_proc *mpirun = ctx;

    if (!mpirun->alive)
        return;
    kill_ranks(mpirun->run, SIGKILL);
    sim_procs_exit(mpirun, mpirun->exit_code, 0);
}

// mpirun ends its ranks: SIGTERM, a second later SIGKILL, then itself.
static void mpirun_ends(sim_proc *mpirun, int code)
{
    if (mpirun->asked)
        return;
    mpirun->asked = true;
    mpirun->exit_code = code;
    kill_ranks(mpirun->run, SIGTERM);
    sim_after(SIM_WORLD, SIM_S, "mpirun kills", on_mpirun_over, mpirun, &mpirun->ending);
}

static void rank_over(sim_proc *rank)
{
    sim_run *run = rank->run;
    sim_proc *mpirun = run->mpirun;
    bool crashed = rank->exit_code || rank->exit_signal;

    if (rank == run->rank[0])
        sim_rank_gone(run);
    if (!mpirun || !mpirun->alive)
        return;
    if (crashed)
        mpirun_ends(mpirun, rank->exit_signal ? 128 + rank->exit_signal : rank->exit_code);
    if (any_rank(run))
        return;
    sim_cancel(&mpirun->ending);
    sim_after(SIM_WORLD, sim_range(0, 50 * SIM_MS), "mpirun ends", on_mpirun_over, mpirun,
              &mpirun->ending);
}

static void on_guard_done(void *ctx)
{
    sim_proc *guard = ctx;
    const sim_proc *mpirun = guard->run->mpirun;
    int code = mpirun ? mpirun->exit_code : 143, signal = mpirun ? mpirun->exit_signal : 0;
    char *text = sim_format("code %d signal %d\n", code, signal);

    if (!guard->alive)
        return;
    if (guard->run->exit_file) {
        kill_ranks(guard->run, SIGKILL);
        (void)sim_disk_put(guard->run->exit_file, text, (int64_t)strlen(text));
    }
    sim_procs_exit(guard, signal ? 128 + signal : code, 0);
}

// The guard ends what mpirun left, if nobody else is there to do it.
static void on_guard_sees(void *ctx)
{
    sim_proc *guard = ctx;

    if (!guard->alive)
        return;
    if (guard->run->exit_file && any_rank(guard->run)) {
        kill_ranks(guard->run, SIGTERM);
        sim_after(SIM_WORLD, TERM_MS * SIM_MS, "guard ends", on_guard_done, guard, &guard->ending);
        return;
    }
    on_guard_done(guard);
}

static void on_rank_leaves(void *ctx)
{
    sim_proc *rank = ctx;

    if (rank->alive)
        sim_procs_exit(rank, 195, 0);
}

static void mpirun_over(sim_proc *mpirun)
{
    sim_run *run = mpirun->run;

    for (int i = 0; i < run->ranks && i < 64; i++)
        if (run->rank[i] && run->rank[i]->alive && !sim_chance(LEAK))
            sim_after(SIM_WORLD, sim_range(SIM_S / 2, 3 * SIM_S / 2), "rank leaves", on_rank_leaves,
                      run->rank[i], NULL);
    if (run->guard->alive)
        sim_after(SIM_WORLD, sim_range(0, 200 * SIM_MS), "guard sees", on_guard_sees, run->guard,
                  &run->guard->ending);
}

void sim_procs_exit(sim_proc *p, int code, int signal)
{
    static const char *const names[] = { "", "tool", "guard", "mpirun", "rank", "stranger" };

    if (!p->alive)
        return;
    p->alive = false;
    p->exit_code = code;
    p->exit_signal = signal;
    sim_cancel(&p->ending);
    sim_trace("%s %d ends: code %d signal %d", names[p->kind], p->pid, code, signal);
    if (p->handle)
        sim_uv_exited(p);
    if (p->kind == SIM_RANK)
        rank_over(p);
    else if (p->kind == SIM_MPIRUN)
        mpirun_over(p);
    else if (p->kind == SIM_GUARD && p->run->mpirun)
        sim_procs_signal(p->run->mpirun, SIGTERM); // its parent's death signal
}

static void on_term(void *ctx)
{
    sim_procs_exit(ctx, 0, SIGTERM);
}

static void on_guard_kills(void *ctx)
{
    sim_proc *guard = ctx;

    if (guard->alive && guard->run->mpirun)
        sim_procs_signal(guard->run->mpirun, SIGKILL);
}

static void guard_asked(sim_proc *guard)
{
    guard->asked = true;
    if (!guard->run->mpirun) {
        on_guard_done(guard);
        return;
    }
    sim_procs_signal(guard->run->mpirun, SIGTERM);
    sim_after(SIM_WORLD, 4 * SIM_S, "guard kills", on_guard_kills, guard, NULL);
}

void sim_procs_signal(sim_proc *p, int number)
{
    if (!p->alive)
        return;
    if (number == SIGKILL) {
        sim_procs_exit(p, 0, SIGKILL);
    } else if (p->kind == SIM_GUARD && !p->asked) {
        guard_asked(p);
    } else if (p->kind == SIM_MPIRUN && p->asked) {
        sim_procs_exit(p, 1, 0); // a second one: at once, without its ranks
    } else if (p->kind == SIM_MPIRUN) {
        mpirun_ends(p, 1);
    } else if (p->kind != SIM_GUARD && !p->asked) {
        p->asked = true;
        if (!sim_chance(DEAF))
            sim_after(SIM_WORLD, sim_range(0, SIM_S), "sigterm", on_term, p, &p->ending);
    }
}

void sim_procs_orphan(void)
{
    for (sim_proc *p = sim_here->procs->first; p; p = p->next) {
        if (!p->handle)
            continue;
        p->handle = NULL;
        p->pipes[0] = p->pipes[1] = NULL;
        if (p->kind == SIM_GUARD && !p->run->exit_file)
            sim_procs_signal(p, SIGTERM);
    }
}

void sim_procs_farewell(void)
{
    for (sim_proc *p = sim_here->procs->first; p; p = p->next)
        if (p->handle)
            sim_uv_exited(p);
}

void sim_procs_power(void)
{
    for (sim_proc *p = sim_here->procs->first; p; p = p->next) {
        if (!p->alive)
            continue;
        p->alive = false;
        sim_cancel(&p->ending);
        if (p->kind == SIM_RANK && p == p->run->rank[0])
            sim_rank_gone(p->run);
    }
    boot();
}
