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

// sim_rank_start is rank 0's first moment; sim_rank_gone its last.
void sim_rank_start(sim_run *run);
void sim_rank_gone(sim_run *run);

// ---- between rank.c and commit.c

typedef enum sim_stage { SIM_JOINING = 1, SIM_TRAINING, SIM_COMMITTING, SIM_LEAVING } sim_stage;

typedef struct sim_rank {
    sim_run *run;
    sim_stage stage;
    struct ak_call *join;
    bool joined;      // akssld holds all our tensors
    bool rejoin;      // the next Hello says so
    bool stop, asked; // asked by akssld
    int64_t lost_at;  // since when there is no stream; 0: there is one
    int tries;
    ak_spec spec;
    bool has_spec;
    int64_t step, committed, resumed;
    int64_t committing;
    sim_tensor tensors[SIM_TENSORS];
    int count;
    sim_tensor coming[SIM_TENSORS]; // that akssld sends
    int coming_count;
    char *commit; // folder to resume from
    sim_event *next;
    int part; // of a commit: the file that is next
    bool finishing;
    const char *outcome, *reason;
} sim_rank;

// sim_rank_commit writes and asks for the commit of rank->step, then goes on.
void sim_rank_commit(sim_rank *rank);

// sim_rank_finish says how it ended, then leaves.
void sim_rank_finish(sim_rank *rank, const char *outcome, const char *reason);

// sim_rank_leave ends the process.
void sim_rank_leave(sim_rank *rank, int code);

// sim_rank_again is for what waits for a stream: commit and finish.
void sim_rank_train(sim_rank *rank);

#endif
