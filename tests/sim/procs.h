// tests/sim/procs.h -- the processes of the simulated host.
//
//     akssld -- guard -- mpirun -- ranks          akssld -- akssl-worker check
//
// and strangers, which are somebody's.  Numbers of processes come again: in turn, and from the
// first one when the host has lost its power.
//
// They die as signals and their parents tell them to, some of them late, and what a killed mpirun
// leaves behind may stay.  Rank 0 is a model of training (rank.h).  akssld finds them in /proc.

#ifndef AK_SIM_PROCS_H
#define AK_SIM_PROCS_H

#include <uv.h>

#include "tests/sim/world.h"

enum { SIM_FIRST_PID = 100 }; // numbers begin after it

typedef enum sim_kind { SIM_TOOL = 1, SIM_GUARD, SIM_MPIRUN, SIM_RANK, SIM_STRANGER } sim_kind;

typedef struct sim_proc sim_proc;

// A run as it was launched; what its command line says.
typedef struct sim_run {
    struct sim_run *next;
    int64_t job, ranks;
    char *id, *secret; // the secret as rank 0 read it from its file
    char *secret_file, *exit_file;
    char *folder;
    int64_t orphan_ms; // 0: the run ends with akssld
    sim_proc *guard, *mpirun;
    sim_proc *rank[64];
    struct sim_rank *model;
} sim_run;

struct sim_proc {
    sim_proc *next;
    sim_kind kind;
    int pid;
    char *cmdline, *environ; // as in /proc: strings, each with its NUL
    size_t cmdline_size, environ_size;
    bool alive, asked; // asked: it got SIGTERM
    int exit_code, exit_signal;
    sim_run *run;
    uv_process_t *handle; // of akssld's; NULL: not, or no longer, its child
    uv_exit_cb exited;
    uv_pipe_t *pipes[2]; // of a tool
    char *out, *err;
    sim_event *ending;
};

typedef struct sim_procs {
    sim_proc *first;
    sim_run *runs;
    int last_pid, daemon_pid;
} sim_procs;

void sim_procs_begin(void);

// sim_procs_spawn is uv_spawn.
int sim_procs_spawn(uv_process_t *handle, const uv_process_options_t *options);

sim_proc *sim_procs_find(int pid); // alive; or NULL

// sim_procs_number gives a number that no process has.
int sim_procs_number(void);

// sim_procs_stranger starts a process that is none of akssld's business.
void sim_procs_stranger(void);

void sim_procs_signal(sim_proc *proc, int signal);

// sim_procs_exit ends a process in this moment.
void sim_procs_exit(sim_proc *proc, int code, int signal);

// sim_procs_orphan is told that akssld is dead, and its children therefore nobody's.
// sim_procs_power is told that everything is.
void sim_procs_orphan(void);
void sim_procs_power(void);

// sim_procs_farewell tells a dead akssld that its children have ended, so that it can forget them.
void sim_procs_farewell(void);

// sim_procs_stat gives a file of /proc/PID.
char *sim_procs_file(const sim_proc *proc, const char *name, size_t *size);

int sim_run_alive(const sim_run *run); // its processes

// ---- tool.c: akssl-worker check and catalogue

void sim_tool_start(sim_proc *proc, const char *spec_path);

// ---- uv.c

// sim_uv_exited tells akssld's loop that a child has ended; sim_uv_output what it wrote.
void sim_uv_exited(sim_proc *proc);
void sim_uv_output(sim_proc *proc);

// sim_uv_signal delivers a signal to akssld's loop; false: it does not listen.
bool sim_uv_signal(int number);

#endif
