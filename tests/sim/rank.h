// tests/sim/rank.h -- rank 0 of a run: a model of training that speaks the worker's protocol.
//
// What it trains is a function of (job, step): files and tensors of step N can be told from those
// of any other step or job, so that mixed, lost or foreign state is seen.

#ifndef AK_SIM_RANK_H
#define AK_SIM_RANK_H

#include "proto/rpc/server.h"
#include "proto/spec/spec.h"
#include "tests/sim/procs.h"
#include "tests/sim/world.h"

enum {
    SIM_RING = 8, // rows of the ring
    SIM_PUSH = 3, // that a step pushes
    SIM_WIDTH = 4,
    SIM_TENSORS = 2,
    SIM_FILE = 1500, // bytes of a model, at most
};

// A tensor of step `version`.
typedef struct sim_tensor {
    const char *name;
    bool ring;
    int64_t rows, version, filled, position;
    float values[SIM_RING * SIM_WIDTH];
} sim_tensor;

// sim_model_tensors makes the tensors of a job's method at a step; returns their number.
int sim_model_tensors(const char *method, int64_t job, int64_t step,
                      sim_tensor tensors[SIM_TENSORS]);

// sim_model_rows makes what step pushes into the ring.
void sim_model_rows(int64_t job, int64_t step, float rows[SIM_PUSH * SIM_WIDTH]);

// sim_model_file makes a commit's file: `which` 0 is model.safetensors, 1 optimizer.safetensors.
int64_t sim_model_file(int64_t job, int64_t step, int which, char bytes[SIM_FILE]);
const char *sim_model_name(int which);

// sim_model_line is a step's line in metrics.jsonl.
const char *sim_model_line(int64_t step);

// sim_rank_start is rank 0's first moment; sim_rank_gone its last, told by procs.c.
void sim_rank_start(sim_run *run);
void sim_rank_gone(sim_run *run);

// ---- between rank.c, link.c, commit.c

typedef enum sim_stage { SIM_JOINING = 1, SIM_TRAINING, SIM_COMMITTING, SIM_LEAVING } sim_stage;

// The real worker's threads are three chains of events here: training (`next`), the stream
// (`link`), and the calls of Commit and Finish.
typedef struct sim_rank {
    sim_run *run;
    sim_stage stage;
    ak_spec spec;
    bool has_spec;
    bool stop; // asked by akssld, or for want of one
    int64_t step, committed;
    int count; // of tensors, which are those of `step`
    sim_event *next, *link;
    int part, code; // of a commit: the file that is next; of the end: the exit code

    // The stream.
    struct ak_call *join;
    int64_t started_at, down_at, wait_ms;
    int generation;
    bool began;                     // it has trained: it can only come back
    bool up;                        // akssld has all, and hears what is new
    bool welcomed;                  // a Welcome came on this stream
    bool met;                       // and took the run back
    bool orphaned;                  // there was no akssld for too long
    bool alone;                     // a commit was made without it: there is no way back
    sim_tensor coming[SIM_TENSORS]; // that akssld sends
    int coming_count;
    char *commit; // folder to resume from

    // What was asked for and is not answered.
    int64_t pending; // step of a commit; -1: none
    bool held;       // it waits for a stream
    bool finishing;
    const char *outcome, *reason;
    int64_t finish_at;

    int64_t frozen_until; // by SIGSTOP
} sim_rank;

bool sim_rank_is_gone(const sim_rank *rank);

// sim_rank_rests puts an event of a rank that is frozen off, and says so.
bool sim_rank_rests(sim_rank *rank, sim_action action, sim_event **holder);

// sim_rank_frozen is sim_caller's.
int64_t sim_rank_frozen(void *ctx);

// sim_rank_train goes on with the next step, or ends.
void sim_rank_train(sim_rank *rank);

// sim_rank_begin is called once all is there that the run starts from.
void sim_rank_begin(sim_rank *rank);

// sim_rank_commit writes the commit of rank->step and asks for it, then goes on.
void sim_rank_commit(sim_rank *rank);

// sim_rank_ask asks for the commit that is pending; sim_rank_answered is told how that went.
void sim_rank_ask(sim_rank *rank, void (*answered)(sim_rank *rank, int generation, akssl_status rc,
                                                   const char *sentence));

// sim_rank_finish says how it ended, then leaves.
void sim_rank_finish(sim_rank *rank, const char *outcome, const char *reason);

// sim_rank_refused does so for a commit that akssld refuses: one that it could not write is no
// fault of the job's.
void sim_rank_refused(sim_rank *rank, akssl_status rc, const char *sentence);

// sim_rank_leave ends the process.
void sim_rank_leave(sim_rank *rank, int code);

// sim_link_open joins; sim_link_drop ends the stream, to begin another.
void sim_link_open(sim_rank *rank);
void sim_link_drop(sim_rank *rank);

// sim_link_passes says whether a failure is one of the way to akssld, not of the run.
bool sim_link_passes(akssl_status rc, bool joining);

// sim_link_alone says whether there is no akssld, and was none for too long.
bool sim_link_alone(const sim_rank *rank);

// sim_link_step sends what a step changes.
void sim_link_step(sim_rank *rank);

#endif
