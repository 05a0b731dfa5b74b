// daemon/control.h -- what happens to jobs: moved, stored, watched, started, recovered.
//
// Every change of a job's state goes through here, so that each is stored, told to its watchers,
// and, at the end, written as result.json.  Loop thread only.

#ifndef AK_DAEMON_CONTROL_H
#define AK_DAEMON_CONTROL_H

#include "daemon/daemon.h"

// ak_control_folder gives the job's folder; yours to free.
char *ak_control_folder(const ak_daemon *d, int64_t id);

// ak_control_find gives a job, active or ended; when it comes from the store *stored is it too and
// is yours to free, else *stored is NULL.  ERR_NOT_FOUND.
akssl_status ak_control_find(ak_daemon *d, int64_t id, const ak_job **job,
                             ak_job **stored) AKSSL_MUST_CHECK;

// ak_control_active is the same for a job that has not ended; ERR_STATE for one that has.
akssl_status ak_control_active(ak_daemon *d, int64_t id, ak_job **job) AKSSL_MUST_CHECK;

// What is submitted; all of it borrowed.
typedef struct ak_order {
    const ak_spec *spec; // resolved
    const char *yaml;    // the same
    const char *seed;    // the file that it starts from, which moves into its folder; NULL: none
    const char *owner;   // who submits it
    bool hold;
} ak_order;

// ak_control_submit stores a new job with its folder and spec.yaml, and queues it.  On failure
// nothing of it is left.
akssl_status ak_control_submit(ak_daemon *d, const ak_order *order, int64_t *id) AKSSL_MUST_CHECK;

// ak_control_cancel makes the wish durable, then ends the job: at once when it waits.  *job lives
// on only if it has not ended; say what is to be said by `seen` before.
akssl_status ak_control_cancel(ak_daemon *d, int64_t id, void (*seen)(void *ctx, const ak_job *job),
                               void *ctx) AKSSL_MUST_CHECK;

// ak_control_pause does so for a pause: a job that waits is PAUSED at once, one that runs when it
// has committed.  One that is paused, or being paused, stays so.
akssl_status ak_control_pause(ak_daemon *d, int64_t id, void (*seen)(void *ctx, const ak_job *job),
                              void *ctx) AKSSL_MUST_CHECK;

// ak_control_resume queues a PAUSED job again, to go on from its last commit, or from_start.
akssl_status ak_control_resume(ak_daemon *d, int64_t id, bool from_start,
                               void (*seen)(void *ctx, const ak_job *job),
                               void *ctx) AKSSL_MUST_CHECK;

// ak_control_save stores a job as it is; what fails is tried again every second.
akssl_status ak_control_save(ak_daemon *d, ak_job *job);

// ak_control_move applies an event that the table has, stores it and tells the watchers.  A job
// that has ended is gone afterwards.
void ak_control_move(ak_daemon *d, ak_job *job, ak_job_event event, const char *reason);

// ak_control_requeue moves a job back to the queue, to be started pause_ms from now at the
// earliest.
void ak_control_requeue(ak_daemon *d, ak_job *job, const char *reason, int64_t pause_ms);

// ak_control_is_behind says whether the store does not have all of some job.
bool ak_control_is_behind(const ak_daemon *d);

// ak_control_schedule starts what is next (queue.h), and asks runs to make way; call it after
// whatever changes who that is.
void ak_control_schedule(ak_daemon *d);

// ak_control_recover takes up the store's jobs at start: adopts what runs and queues what waits.
akssl_status ak_control_recover(ak_daemon *d) AKSSL_MUST_CHECK;

// ak_control_retry stores again what could not be stored.
void ak_control_retry(ak_daemon *d);

#endif
