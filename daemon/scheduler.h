// daemon/scheduler.h -- which jobs start now, which runs make way, and why the others wait.
//
// A pure function of what it is given: the same jobs, runs, usage and limits give the same answer,
// on any machine, after any restart.  queue.c makes the question of the daemon's jobs and carries
// the answer out.
//
//     order      priority; then whose owner has used less (fair share); then who came first
//     start      in that order, while the cores are free
//     head       the first that does not fit: its start is planned for when the runs that end in
//                time have given back enough, and nothing may put that off
//     backfill   later ones start if they are over by then, or leave the head its cores even so
//     preempt    the head may take the cores of runs of a lower priority: the lowest first, of
//     those
//                the youngest, and no more of them than it takes
//
// Of two jobs of one owner and priority the older goes first.  Each core that an owner's runs have,
// and each that one of the jobs before is picked for, counts as used for run_ms more, which is what
// jobs take (at most what it has left): a core that becomes free goes to who will have had least,
// not to who has had least so far and has just got the others.
// Cores may be of several hosts, and then not be enough for what has to be on one of them: a job
// that has no place for its cores does not fit, and nobody makes way for it in vain.
//
// A run without a time limit counts as one that never ends: what is started beside it may hold up
// the head for its own time limit at most, and a job without one never passes it by.

#ifndef AK_DAEMON_SCHEDULER_H
#define AK_DAEMON_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AK_SCHEDULE_NEVER INT64_MAX

enum { AK_SCHEDULE_RUN_MS = 60000 }; // run_ms where no job has ended yet

typedef enum ak_wait {
    AK_WAIT_NONE = 0,   // nobody has looked yet
    AK_WAIT_START,      // it does not: it starts
    AK_WAIT_RESOURCES,  // it is next, and its cores are not free; of: cores that are
    AK_WAIT_PRIORITY,   // of: how many go before it
    AK_WAIT_DEPENDENCY, // of: the job that it waits for
    AK_WAIT_HELD,
    AK_WAIT_LATER, // it crashed, and waits a little
    AK_WAIT_HOSTS, // its launcher has no cores at all
} ak_wait;

// A job that waits.
typedef struct ak_pending {
    int64_t id, priority;
    int64_t cores;   // that it takes: 1 to slots
    int64_t left_ms; // that it may run for, or NEVER
    size_t user;     // its owner: index into usage
    ak_wait wait;    // given: NONE, or why it cannot start whatever is free.  Filled in.
    int64_t of;      // the same
} ak_pending;

// A run.
typedef struct ak_running {
    int64_t id, priority, cores;
    int64_t left_ms;  // that it may go on for, or NEVER
    size_t user;      // its owner: index into usage
    bool stopping;    // it is on its way out: as good as over
    bool stays;       // it cannot be asked to make way now
    int64_t preempts; // filled in: the job that it makes way for; 0: none
} ak_running;

typedef struct ak_schedule {
    int64_t slots;
    ak_pending *pending; // any order; answered in this order
    size_t pending_count;
    ak_running *running; // by id
    size_t running_count;
    const double *usage; // core-seconds of each owner, faded
    size_t users;
    int64_t run_ms; // what a job takes, for all that is known
    bool preempt;   // whether runs may be asked to make way
    bool backfill;

    // has_place says whether a job that fits by its cores has a place for them, too, once those
    // runs (by id) are gone; ctx is for it.  NULL: any cores will do.
    bool (*has_place)(void *ctx, int64_t job, const int64_t *gone, size_t count);
    void *ctx;
} ak_schedule;

// ak_schedule_run fills in pending[i].wait and .of, and running[i].preempts.
void ak_schedule_run(ak_schedule *schedule);

// ak_schedule_start_of says in how many milliseconds job id (one of pending) would start if nobody
// came later, every run and job took all the time that it has, and any cores would do; NEVER when
// that cannot be said.
// The schedule is left as it was.
int64_t ak_schedule_start_of(const ak_schedule *schedule, int64_t id);

#endif
