// daemon/adopt.h -- runs that an earlier daemon has started, and what they did alone.
//
// A job whose row says that it runs may have processes.  They are known by the run's id
// (process.h), and rank 0 proves by id and secret that it is that run: never by a process id.  It
// has config->adopt_timeout seconds for it, then its processes are ended, which is no restart by
// the job's count.  If none is left, the guard has written how it ended (guard.h), and the job goes
// on as after any end of its run.
//
// A worker that was without a daemon for config->orphan_timeout seconds has committed by itself and
// ended: its files lie in commits/step-N as always, and its replica of the state and a manifest in
// JOB/run (launch.h).  What is whole, of this run and newer than the last commit is made a commit.

#ifndef AK_DAEMON_ADOPT_H
#define AK_DAEMON_ADOPT_H

#include "daemon/run.h"

// ak_adopt takes up a STARTING or RUNNING job of the store.
void ak_adopt(ak_daemon *d, ak_job *job);

// ak_adopt_lease gives a run that is ADOPTING its time to join, from now on.
void ak_adopt_lease(ak_run *run);

// ak_adopt_collect looks, once no process is left, for a commit that the run made alone, verifies
// it on the thread pool and records it: run->committed_alone.  done gets OK when there was none.
void ak_adopt_collect(ak_run *run, void (*done)(ak_run *run, akssl_status rc, const char *error));

#endif
