// daemon/job.h -- a job and its state machine.
//
//     submit -> QUEUED --launch--> STARTING --join--> RUNNING --succeed--> SUCCEEDED
//                ^ ^                  |                | |
//                | +----requeue-------+----requeue-----+ +--fail--> FAILED
//                |                    |                |
//              resume <-- PAUSED <----+-----pause------+
//                ^                                     |
//                +------- TIMEOUT <------time out------+
//
// QUEUED waits for cores; STARTING has a run whose rank 0 has not joined; RUNNING has joined.
// `requeue` is a crash, or a daemon that stops: the job goes on from its last commit.  `pause`
// leads from QUEUED, too; PAUSED waits for `resume`.  TIMEOUT has run for its time limit and been
// committed: an end that `resume` leads out of; it may be found out in QUEUED and STARTING, too.
// `cancel` leads from every state that has not ended to CANCELLED, `fail` to FAILED.  The table in
// job.c is the only place that knows.  Loop thread only.

#ifndef AK_DAEMON_JOB_H
#define AK_DAEMON_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"
#include "daemon/figures.h"
#include "daemon/scheduler.h"
#include "daemon/terms.h"
#include "proto/spec/spec.h"

#define AK_JOB_STATE_MAP(X)                                                                        \
    X(QUEUED, 1)                                                                                   \
    X(STARTING, 2)                                                                                 \
    X(RUNNING, 3)                                                                                  \
    X(PAUSED, 4)                                                                                   \
    X(SUCCEEDED, 5)                                                                                \
    X(FAILED, 6)                                                                                   \
    X(CANCELLED, 7)                                                                                \
    X(TIMEOUT, 8)

typedef enum ak_job_state {
#define AK_JOB_STATE_ENUM(name, number) AK_JOB_##name = number,
    AK_JOB_STATE_MAP(AK_JOB_STATE_ENUM)
#undef AK_JOB_STATE_ENUM
        AK_JOB_STATE_END
} ak_job_state;

typedef enum ak_job_event {
    AK_JOB_LAUNCH = 1,
    AK_JOB_JOIN,
    AK_JOB_REQUEUE,
    AK_JOB_PAUSE,
    AK_JOB_RESUME,
    AK_JOB_SUCCEED,
    AK_JOB_FAIL,
    AK_JOB_CANCEL,
    AK_JOB_TIME_OUT,
    AK_JOB_EVENT_END
} ak_job_event;

// ak_job_next gives the state that event leads to from state, or 0 when it cannot happen there.
ak_job_state ak_job_next(ak_job_state state, ak_job_event event);

const char *ak_job_state_text(ak_job_state state);
ak_job_state ak_job_state_parse(const char *text); // 0 when there is none of that name
bool ak_job_state_ended(ak_job_state state);

struct ak_run;

typedef struct ak_job {
    int64_t id; // 0 until stored
    ak_job_state state;
    char *reason;   // never NULL
    ak_spec spec;   // resolved
    char *owner;    // who submitted it; "": nobody that is known
    char *yaml;     // the same as text; NULL for a job read for a list, of whose spec
                    // only kind, name, method, backbone, dataset and priority are set
    ak_terms terms; // of the spec; none of a job read for a list
    int64_t submitted_ms, started_ms, ended_ms; // 0: not yet
    int64_t elapsed_ms; // that it has run for since it was submitted, or resumed from TIMEOUT
    int64_t restarts, restarts_since_commit;
    int64_t committed_step; // -1: none
    int64_t ranks;          // of the current or last run
    int64_t asked_ranks;    // by a resize (0: as many as fit); -1: the spec's
    char *run_id;           // of the run whose processes may live; "" when none
    bool cancel, pause;     // asked for, and not over yet
    bool resize;            // its run is to stop, and the next one to have other ranks
    bool requeue;           // its run is to stop, and it is to wait for its turn again
    bool held;              // it is not to start
    ak_job_state outcome;   // what the worker's Finish said, once it has; 0
    char *weights;          // the export; ""
    ak_figures figures;

    struct ak_run *run;    // while it has one; not stored
    int64_t not_before_ns; // a pause before the next launch; not stored
    bool dirty;            // the store does not have this yet; not stored
    ak_job_state stored;   // the state that it has; 0: none yet
    bool unwritten;        // result.json could not be written yet; not stored
    int64_t unheard_ms;    // that its runs on other machines were not heard, since a commit
    int64_t roomy_ns;      // since when there has been room for more ranks; 0: there is none
    int grown;             // times that it was given more by itself, which waits longer each time
    bool growing;          // its run was stopped, or is to stop, for that
    bool keeps_ranks;      // and there are no more when it is over: as many as that had will do
    ak_wait wait;          // why it does not start (scheduler.h), as of the last look; not stored
    int64_t wait_of, wait_cores; // the same: what goes with it, and the cores that it takes
    int64_t wait_lost;           // the same: hosts of its launcher that do not answer
    int64_t blocker;             // the job that it waits for; 0: none; not stored
} ak_job;

// ak_job_new takes nothing: spec and yaml are copied.  A new job is QUEUED.
ak_job *ak_job_new(const ak_spec *spec, const char *yaml);
void ak_job_free(ak_job *job); // NULL-safe

// ak_job_move applies event and sets the reason (NULL: ""), the times and what belongs to a run.
// ERR_STATE, with a sentence, when the table does not have it.
akssl_status ak_job_move(ak_job *job, ak_job_event event, const char *reason) AKSSL_MUST_CHECK;

// ak_job_late says whether it has run for as long as it may.
bool ak_job_late(const ak_job *job);

// ak_job_shown is the state that people are told: an end only once the store has it, since a daemon
// that dies before would take the job up again.
ak_job_state ak_job_shown(const ak_job *job);

// ak_text_set replaces a heap string; value may be NULL for "".
void ak_text_set(char **field, const char *value);

// ak_job_asked is the number of ranks that people want for it; 0: as many as fit.
int64_t ak_job_asked(const ak_job *job);

// ak_job_ranks is the number of ranks for job on slots cores: what was asked for, or the largest
// power of two below it that fits; at least one.  ak_job_cores is how many cores they take (one
// rank that needs more than there are takes all).
int64_t ak_job_ranks(const ak_job *job, int64_t slots);
int64_t ak_job_cores(const ak_job *job, int64_t slots);

// ak_job_short is what is to be said of ranks where more were asked for ("" where not): "8 ranks
// were asked for: akssld has 4 cores".  Yours to free.
char *ak_job_short(const ak_job *job, int64_t slots);

#endif
