// daemon/run.h -- one run of a job: from its cores to the last of its processes.
//
//   start -> PREPARING --launched--> LAUNCHED --Hello--> JOINED --Finish--> FINISHED
//              |                        |                   |                  |
//              +------------------------+------- end -------+------------------+--> ENDING
//                                                                                     |
//                       over <-- nothing left <-- SWEEPING <-- mpirun is gone --------+
//
//   a later daemon: adopt -> ADOPTING --Hello--> JOINED, or --Finish--> FINISHED, or end
//
// PREPARING   the newest commit that is whole is looked for, and its state read (thread pool)
// LAUNCHED    mpirun runs; rank 0 has AK_RUN_JOIN_MS to join, from when its launcher's queue, if
//             there is one, has let it run
// JOINED      rank 0 has joined: it streams (uplink.h), and may commit (committer.h); a stream that
//             is lost has config->adopt_timeout seconds to come back
// ADOPTING    another daemon has started it; it has as long to join this one (adopt.h)
// FINISHED    rank 0 has said how it went; the processes have AK_RUN_EXIT_MS to go
// ENDING      mpirun got SIGTERM; after AK_RUN_GRACE_MS it and all ranks get SIGKILL
// SWEEPING    processes that outlive mpirun are waited for, then killed
//
// mpirun may also go by itself in any state.  When no process is left and no work is under way, the
// job moves on: run.c's conclude decides how.  A daemon that is stopped leaves its runs: they go
// on, and the next one adopts them.  Loop thread only.

#ifndef AK_DAEMON_RUN_H
#define AK_DAEMON_RUN_H

#include "daemon/daemon.h"
#include "daemon/state/commit.h"

enum {
    AK_RUN_JOIN_MS = 60000,
    AK_RUN_EXIT_MS = 15000,
    AK_RUN_GRACE_MS = 5000,
    AK_RUN_PAUSE_MS = 300000, // from a pause's or a resize's Stop to the end of the processes
    AK_RUN_WARNINGS = 64,     // that a run writes to its log
    AK_RUN_STILL_MS = 2000,   // that akssld's loop may be late by before deadlines wait for it
    AK_RUN_STATE_MS = 60000,  // a commit waits that long for the state to reach its step
};

typedef enum ak_run_phase {
    AK_RUN_PREPARING = 1,
    AK_RUN_LAUNCHED,
    AK_RUN_JOINED,
    AK_RUN_ADOPTING,
    AK_RUN_FINISHED,
    AK_RUN_ENDING,
    AK_RUN_SWEEPING,
} ak_run_phase;

// What run.c, uplink.c, committer.c and the handlers of the Run service share.
typedef struct ak_run {
    ak_daemon *d;
    ak_job *job;
    int64_t cores;
    ak_run_phase phase;
    char id[33], secret[65];
    char *folder; // the job's
    char *why;    // the first reason to end it, "" when none
    char *note;   // the job's reason while it runs; NULL: none
    char *kept;   // why its own commit waits to be taken; NULL: it does not
    int64_t log_start;
    int warnings; // that were written to the log

    uv_process_t process;
    uv_timer_t timer, commit_timer, watch; // watch: of an adopted run's processes
    int handles;                           // not closed yet
    bool alive, swept;                     // mpirun; no process is left
    bool adopted;                          // an earlier daemon has started it
    bool not_counted;                      // it failed for a reason that is no crash
    bool unheard;                          // ak_after_unheard
    bool doubted;                          // its hosts were asked whether they are there
    int64_t pause_ms;                      // then, before the next launch
    ak_job_event ended_there; // CANCEL, TIME_OUT: by its launcher's queue; 0: it was not
    ak_hostlist places;       // ranks on each host; empty: nobody has said
    uv_timer_cb over;         // what ak_run_deadline waits to do, and when
    uint64_t due_ms;
    bool idle;                       // no process of it is left: its time is not counted
    int64_t killed_ns;               // when it was; 0: it was not
    bool waits;                      // in another queue: its launcher's (launch.h)
    bool ran;                        // it was seen not to, since
    int64_t charged_ns;              // meter.h: until when its time is counted
    int64_t preempted_by;            // the job that it makes way for; 0: none
    bool leaving;                    // it is being let go of, and goes on
    bool collected, committed_alone; // adopt.h: its own commit was looked for; there was one
    bool lost;                       // the stream ended before Finish
    bool pausing;                    // rank 0 was asked to stop, and the job goes on later
    bool stopped;                    // it said that it did
    int ticks, tidied;               // of the sweep; how often what it leaves did not go
    int works;                       // on the thread pool
    int exit_code, exit_signal;
    int looks; // of the watch

    // The commit to resume from, while resuming; the state; rank 0's stream.
    bool resuming;
    ak_commit resume;
    ak_state *state;
    ak_state *seed; // another job's state, to start from; NULL: none, or the run has begun
    ak_call *join;
    bool greeted;       // the stream has said Hello
    bool rejoined;      // the state is the worker's: nothing was restored
    bool changed;       // the worker has sent some of the state
    bool preparing;     // an adopted run starts from its commit, which is being read
    bool sent;          // the whole state was sent, or none had to be
    ak_state *sending;  // what is being sent
    int sending_tensor; // index, and bytes of it that are sent; -1 for its head
    int64_t sending_offset;
    int64_t pushes;

    // The commit under way.
    ak_call *commit_call;
    ak_commit commit;
    ak_state *frozen;
    int64_t commit_tensors; // that the state must have
    bool committing, waiting_for_state;
} ak_run;

// ak_run_start moves a QUEUED job to STARTING on cores of the scheduler, which get released when
// it is over; false when its launcher has no place for it, and nothing has happened.
bool ak_run_start(ak_daemon *d, ak_job *job, int64_t cores);

// ak_run_take_up makes the run of a job that an earlier daemon has started: ADOPTING, on cores that
// are taken, with its secret still to be read.
ak_run *ak_run_take_up(ak_daemon *d, ak_job *job);

// ak_run_follow looks how a run stands in its launcher's queue, and of one that has not joined says
// so as its job's reason; every second.  It has its time to join from when it runs there, and waits
// uncharged until then, as it does while it is suspended there.
void ak_run_follow(ak_run *run);

// ak_run_gone is told that mpirun has ended.
void ak_run_gone(ak_run *run, int code, int signal);

// ak_run_leave lets go of a run that is to go on without this daemon; one that has no processes
// yet is ended first, and one that is being ended stays until it is over.
void ak_run_leave(ak_run *run);

// ak_run_joined is told by uplink.c that rank 0 said Hello.
void ak_run_joined(ak_run *run);

// ak_run_finished records what rank 0's Finish said: SUCCEEDED, FAILED, PAUSED, or 0 for stopped. A
// failure of a run that is being ended already is not the job's: it counts for nothing.
void ak_run_finished(ak_run *run, ak_job_state outcome, const char *reason);

// ak_run_deadline calls over in so long from now, unless its timer is used for something else
// before.
void ak_run_deadline(ak_run *run, uint64_t ms, uv_timer_cb over);

// ak_run_end ends the processes; why is kept for the log and the job's reason.  May be repeated.
void ak_run_end(ak_run *run, const char *why);

// ak_run_fail does so for a job that is not to be started again.
void ak_run_fail(ak_run *run, const char *why);

// ak_run_hold does so for a job that is to be PAUSED, at its last commit, until a person has put
// right what is wrong with the disk or the machine: ak_run_passes says that rc is of that kind.
// The remedy is added to why, unless it names its own.
#define AK_RUN_REMEDY "; the job is paused: put that right, then resume it"
void ak_run_hold(ak_run *run, const char *why);
bool ak_run_passes(akssl_status rc);

// ak_run_kill ends the processes without a grace time.
void ak_run_kill(ak_run *run);

// ak_run_stop asks rank 0 to commit and finish; a run that has not joined is ended, and one whose
// stream is lost is asked when it comes back (ak_run_greet).
void ak_run_stop(ak_run *run, const char *why);

// ak_run_pause does so for a job that is to be paused, and ends the run if that takes too long.
void ak_run_pause(ak_run *run);

// ak_run_yield does so for one that is to be queued again, or whose time is over.
void ak_run_yield(ak_run *run, const char *why);

// ak_run_preempt does so for one that makes way for job `by`: it commits, gives its cores back and
// waits for its turn; nothing is lost, and it is no restart.
void ak_run_preempt(ak_run *run, int64_t by);

// ak_run_resize does so for a job that is to go on with another number of ranks.
void ak_run_resize(ak_run *run);

// ak_run_greet asks a rank 0 that has just joined to stop if that is wished already.
void ak_run_greet(ak_run *run);

// ak_run_lost is told that the stream is gone.
void ak_run_lost(ak_run *run);

// ak_run_cores is how many cores all runs of a launcher have.
int64_t ak_run_cores(const ak_daemon *d, const ak_launcher *launcher);

// ak_run_find gives the run of job whose id and secret are these; ERR_PERMISSION else.
akssl_status ak_run_find(ak_daemon *d, int64_t job, const char *id, const char *secret,
                         ak_run **run) AKSSL_MUST_CHECK;

// ak_run_by_secret gives the run that has this secret, or NULL.
ak_run *ak_run_by_secret(ak_daemon *d, const char *secret);

// ak_run_work_done counts work back in and concludes if that was the last thing to wait for.
void ak_run_work_done(ak_run *run);

#endif
