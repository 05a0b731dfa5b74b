// tests/sim/proc.c -- processes by their numbers, and what /proc shows of them.

#include <string.h>

#include "tests/sim/procs.h"

// What a daemon would take a process for that remembers numbers: the newest guard that had this
// one.
static const sim_proc *remembered(const sim_proc *proc)
{
    for (const sim_run *run = sim_here->procs->runs; run; run = run->next)
        if (run->guard->pid == proc->pid)
            return run->guard;
    return proc;
}

char *sim_procs_file(const sim_proc *proc, const char *name, size_t *size)
{
    char *text;

    if (sim_here->plant == SIM_PLANT_ADOPT_PID)
        proc = remembered(proc);
    if (strcmp(name, "cmdline") == 0) {
        *size = proc->cmdline_size;
        return proc->cmdline;
    }
    if (strcmp(name, "environ") == 0) {
        *size = proc->environ_size;
        return proc->environ;
    }
    text = sim_format("%d (akssl) S 1 %d %d 0", proc->pid, proc->pid, proc->pid);
    *size = strlen(text);
    return text;
}

sim_proc *sim_procs_find(int pid)
{
    for (sim_proc *p = sim_here->procs->first; p; p = p->next)
        if (p->pid == pid && p->alive)
            return p;
    return NULL;
}

// A child that has ended keeps its number until akssld has heard of it.
static bool is_taken(int pid)
{
    for (const sim_proc *p = sim_here->procs->first; p; p = p->next)
        if (p->pid == pid && (p->alive || p->handle))
            return true;
    return pid == sim_here->procs->daemon_pid;
}

int sim_procs_number(void)
{
    sim_procs *procs = sim_here->procs;
    int left = sim_here->plan.pids;

    do {
        if (++procs->last_pid > SIM_FIRST_PID + sim_here->plan.pids)
            procs->last_pid = SIM_FIRST_PID + 1;
        if (!left--)
            sim_broken("the simulated host has no number left for a process");
    } while (is_taken(procs->last_pid));
    return procs->last_pid;
}

int sim_run_alive(const sim_run *run)
{
    int count = 0;

    for (const sim_proc *p = sim_here->procs->first; p; p = p->next)
        count += p->alive && p->run == run;
    return count;
}
