// daemon/launch.h -- what a run does before and around its processes: verify, spawn, read the log.

#ifndef AK_DAEMON_LAUNCH_H
#define AK_DAEMON_LAUNCH_H

#include "daemon/run.h"

//
//     JOB/run/ID.secret   the run's secret, mode 0600: who has it is the run
//     JOB/run/ID.exit     how mpirun ended (guard.h)
//     JOB/run/ID.hosts    where its ranks are, as `--host` of mpirun has it
//     JOB/run/ID.status   how it stands in the queue of its launcher (launcher/follow.h)
//     JOB/run/ID.ending   it is being ended there (the same)
//     JOB/run/ID.commit   the manifest of a commit that the worker made by itself (adopt.h), and
//     JOB/run/ID.state    its replica of the coordinator's state

// ak_launch_file gives the path of one of these, by its last word; yours to free.
char *ak_launch_file(const ak_run *run, const char *kind);

// ak_launch_prepare reads through the newest commit, if resuming, and its state, on the thread
// pool; if that is damaged, the one before it and so on, and run->resume becomes what is whole
// (fallback.h).  Else it reads the state that the job starts from, if there is one.  Commits that
// the store does not know of are removed.  done gets the outcome, with run->state, and run->seed
// where there is one, set.
void ak_launch_prepare(ak_run *run, void (*done)(ak_run *run, akssl_status rc, const char *error));

// ak_launch_spawn starts the launcher's command with its output appended to the job's log.
akssl_status ak_launch_spawn(ak_run *run, uv_exit_cb exited) AKSSL_MUST_CHECK;

// ak_launch_again does so for a run whose command has died: it takes up what is there.
akssl_status ak_launch_again(ak_run *run, uv_exit_cb exited) AKSSL_MUST_CHECK;

// ak_launch_look reads how the run stands in its launcher's queue: *runs, and a sentence, which is
// yours to free; NULL when nothing is known.
char *ak_launch_look(const ak_run *run, bool *runs);

// ak_launch_read reads secret and places of a run that an earlier daemon has started.
akssl_status ak_launch_read(ak_run *run) AKSSL_MUST_CHECK;

// ak_launch_tidy removes, on the thread pool, what the run leaves: JOB/run, commits cut off.
void ak_launch_tidy(ak_run *run, void (*done)(ak_run *run, akssl_status rc, const char *error));

// ak_launch_last_words gives the line of the run's log that says best why it ended; "" when there
// is none.  Yours to free.
char *ak_launch_last_words(const ak_run *run);

#endif
