// daemon/scheduler.h -- which job runs next: the highest priority, then the lowest id.
//
// The head of the queue waits until its cores are free, and nothing overtakes it: a big job is
// never starved by small ones.  Pure bookkeeping; the daemon starts what it names.

#ifndef AK_DAEMON_SCHEDULER_H
#define AK_DAEMON_SCHEDULER_H

#include <stddef.h>
#include <stdint.h>

typedef struct ak_scheduler ak_scheduler;

ak_scheduler *ak_scheduler_new(int64_t slots);
void ak_scheduler_free(ak_scheduler *scheduler); // NULL-safe

// ak_scheduler_push queues a job that takes cores (1 to slots) when it runs.
void ak_scheduler_push(ak_scheduler *scheduler, int64_t id, int64_t priority, int64_t cores);

// ak_scheduler_remove takes a waiting job out; fine if it does not wait.
void ak_scheduler_remove(ak_scheduler *scheduler, int64_t id);

// ak_scheduler_head gives the job that is next, 0 when none waits, and in *fits whether its cores
// are free.  ak_scheduler_start takes it off the queue and takes its cores; returns how many.
int64_t ak_scheduler_head(const ak_scheduler *scheduler, int *fits);
int64_t ak_scheduler_start(ak_scheduler *scheduler);

// ak_scheduler_take takes cores for a run that is there already, be they free or not: nothing
// starts until they are free again.
void ak_scheduler_take(ak_scheduler *scheduler, int64_t cores);

// ak_scheduler_release gives cores back.
void ak_scheduler_release(ak_scheduler *scheduler, int64_t cores);

int64_t ak_scheduler_slots(const ak_scheduler *scheduler);
int64_t ak_scheduler_used(const ak_scheduler *scheduler);
size_t ak_scheduler_waiting(const ak_scheduler *scheduler);

#endif
