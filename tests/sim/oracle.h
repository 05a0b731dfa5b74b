// tests/sim/oracle.h -- what must hold, whatever happens: looked at after every event.
//
// The oracle keeps its own account of what was promised to people and workers, and compares it
// with akssld's memory (sim_oracle_look), with the disk after every death (sim_oracle_disk) and
// with the end of the story.  To add an invariant, note what it needs in one of the calls below,
// and call sim_broken where it does not hold.

#ifndef AK_SIM_ORACLE_H
#define AK_SIM_ORACLE_H

#include "daemon/job.h"
#include "tests/sim/procs.h"
#include "tests/sim/world.h"

typedef enum sim_wish { SIM_NO_WISH, SIM_WISH_RUN, SIM_WISH_PAUSE, SIM_WISH_OPEN } sim_wish;

// What is known of a job: ids that were never acknowledged have an account, too, once seen.
typedef struct sim_account {
    struct sim_account *next;
    int64_t id;
    bool acked;           // its submission was
    ak_job_state told;    // what somebody was told last; 0
    ak_job_state ended;   // the same, if it is an end
    int64_t ended_at;     // when it was told first
    int64_t committed;    // the newest step whose commit was acknowledged; -1
    uint64_t acked_steps; // those of all of them, as bits
    bool begun_again;     // on request: its commits were given up
    bool told_lost;       // that no commit is whole
    int64_t total, keep;
    int64_t ranks; // that are wanted; 0: as many as fit, -2: not known
    int64_t had;   // ranks of its last run
    int64_t launched_at;
    int64_t cancelled_at;
    bool cancelled;  // Cancel was acknowledged
    int64_t late_at; // when a wish was heard whose caller had given it up, or made it again
    sim_wish wish;   // pause or not, as far as acknowledged; OPEN: the answer is not known
    int64_t wish_at;
    ak_job_state finish;   // an acknowledged Finish; 0
    bool resumed;          // somebody asked for it: an end by its time limit may be over again
    sim_wish hold;         // RUN: it may start; PAUSE: it may not; OPEN: the answer is not known
    int64_t after;         // the job that it waits for; 0: none
    bool after_any;        // however that ends
    struct sim_kept *kept; // kept.c's: its newest commit; NULL: none was acknowledged yet
} sim_account;

// A submission that was refused since the disk failed; whether it holds is not known once it was
// heard again, or the power was lost before the disk knew.
typedef struct sim_refusal {
    struct sim_refusal *next;
    const char *name; // of its job
    bool open;
} sim_refusal;

typedef struct sim_oracle {
    sim_account *accounts;
    sim_refusal *refusals;
    int64_t last_acked; // id
    int count_acked;
    uint64_t seen, seen_rows; // of the disk's changes, kept.c's
} sim_oracle;

void sim_oracle_begin(void);
sim_account *sim_oracle_of(int64_t job); // made when there is none

// ---- what happens

// its submission was acknowledged
void sim_oracle_submitted(int64_t job, int64_t total, int64_t ranks, int64_t keep);
// the submission of a job of that name was refused, or (open) may have been accepted after all
void sim_oracle_refused(const char *name, bool open);
void sim_oracle_power(void); // was lost
// somebody who asked at asked_at saw this state
void sim_oracle_told(int64_t job, const char *state, const char *reason, int64_t asked_at);
void sim_oracle_launched(sim_run *run);                       // before its processes are
void sim_oracle_welcomed(sim_run *run, int64_t step);         // it resumes there
void sim_oracle_committed(sim_run *run, int64_t step);        // acknowledged
void sim_oracle_finished(sim_run *run, ak_job_state outcome); // acknowledged
void sim_oracle_moved(int64_t job, ak_job_state from, ak_job_state to);
void sim_oracle_signalled(const sim_proc *proc, int signal); // by akssld

// sim_oracle_rotten says whether a file in commits/PREFIX-STEP is rotten.
bool sim_oracle_rotten(int64_t job, int64_t step, const char *prefix);

// sim_oracle_forgive takes back the promise of commits that were damaged, and set aside for it.
void sim_oracle_forgive(sim_account *account);

// ---- looking

// sim_oracle_look compares akssld's memory with the accounts.
void sim_oracle_look(void);

// sim_oracle_kept looks whether what was committed is still there, after an event that changed
// anything on the disk.
void sim_oracle_kept(void);

// sim_oracle_disk reads the database and the commits as a new akssld would find them.
void sim_oracle_disk(void);

// sim_oracle_all_ended says whether every job that was acknowledged has ended.
bool sim_oracle_all_ended(void);

// sim_oracle_late: the time is over, and the story is not.
_Noreturn void sim_oracle_late(void);

// sim_oracle_end is the last look, when akssld has stopped.
void sim_oracle_end(void);

#endif
