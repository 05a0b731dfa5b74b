// worker/train/session.h -- a job from its spec to its end, on every rank.
//
// Rank 0 has a link to whoever coordinates the run (worker/command/run.c: the daemon); the engine
// knows it only as these functions.

#ifndef AK_TRAIN_SESSION_H
#define AK_TRAIN_SESSION_H

#include "worker/train/commit.h"

typedef struct ak_progress {
    int64_t step, total_steps;
    double epoch, loss, lr, images_per_s, eta_s;
    const ak_gauge *gauges;
    int gauge_count;
    const char *const *warnings; // what is wrong, a sentence each
    int warning_count;
} ak_progress;

// Called on rank 0 only, by the compute thread; commit and release by another, meanwhile.
typedef struct ak_link {
    // restore gives back what the coordinator holds for state->name, if anything: fills rows,
    // version, filled, position.  ERR_CORRUPT when it is of another shape.
    akssl_status (*restore)(void *ctx, ak_state *state);
    // seed gives the state of a fresh run the rows of another job's that the spec's state_from
    // names (seed.h).  Needed only then.
    akssl_status (*seed)(void *ctx, ak_state *state);
    akssl_status (*declare)(void *ctx, const ak_state *state); // a fresh run's state
    akssl_status (*push)(void *ctx, const ak_state *state, const float *rows, int64_t count);
    akssl_status (*replace)(void *ctx, const ak_state *state); // a whole's rows
    void (*report)(void *ctx, const ak_progress *progress, const ak_results *results);
    // hold begins the commit of step: its state is the one that was pushed so far.  commit asks for
    // it once its files are durable, release gives it up.
    akssl_status (*hold)(void *ctx, int64_t step);
    akssl_status (*commit)(void *ctx, int64_t step, const ak_commit_file *files, int count);
    void (*release)(void *ctx);
    bool (*stop)(void *ctx); // commit at this step boundary and leave
    void *ctx;
} ak_link;

typedef struct ak_session {
    const ak_spec *spec;
    ak_comm *comm;
    const ak_link *link; // NULL on ranks above 0
    const char *folder;  // the job's
    int64_t resume_step; // 0: from the start
    const char *commit;  // folder of the commit to resume from
} ak_session;

typedef struct ak_outcome {
    bool stopped;   // asked to; the run goes on from its commit another time
    bool paused;    // stopped by itself, until a person resumes it; rank 0
    bool unwritten; // it failed since a file could not be written; rank 0
    ak_str reason;  // why it paused; the caller's
    ak_results results;
    ak_str weights; // the export's path; the caller's
} ak_outcome;

// ak_outcome_wrote is told how a write of the job's files went, and returns that: a disk that is
// full or fails is no fault of the job, which goes on from its last commit once it is put right.
akssl_status ak_outcome_wrote(ak_outcome *outcome, akssl_status rc) AKSSL_MUST_CHECK;

// ak_session_run runs the job.  Collective; a failure of one rank is returned on that rank, and
// the caller must then end all ranks (ak_comm_abort).
akssl_status ak_session_run(const ak_session *session, ak_outcome *outcome) AKSSL_MUST_CHECK;

#endif
