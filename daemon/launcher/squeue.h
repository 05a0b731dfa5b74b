// daemon/launcher/squeue.h -- what Slurm's programs print, and how they are asked.  Any thread.

#ifndef AK_DAEMON_LAUNCHER_SQUEUE_H
#define AK_DAEMON_LAUNCHER_SQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"

// What squeue is to print: id, state, why it waits, its nodes.
#define AK_SQUEUE_FORMAT "%i|%T|%r|%N"

enum { AK_SQUEUE_STATE = 24, AK_SQUEUE_WORDS = 128 };

typedef struct ak_squeue_job {
    int64_t id;
    char state[AK_SQUEUE_STATE];                          // capital letters and '_'
    char reason[AK_SQUEUE_WORDS], nodes[AK_SQUEUE_WORDS]; // cut; what cannot be printed is '?'
} ak_squeue_job;

typedef enum ak_squeue_phase {
    AK_SQUEUE_WAITS = 1,
    AK_SQUEUE_RUNS,
    AK_SQUEUE_LEAVES, // its processes are being ended
    AK_SQUEUE_OVER,
} ak_squeue_phase;

// ak_squeue_parse reads the first line of squeue's answer.  *found is false when there is none;
// ERR_INVALID for what squeue does not print, *job is as it was then.
akssl_status ak_squeue_parse(const char *text, ak_squeue_job *job, bool *found) AKSSL_MUST_CHECK;

// ak_squeue_phase_of says what a state means for who waits; what is not known runs.
ak_squeue_phase ak_squeue_phase_of(const char *state);

// ak_squeue_took_away says whether an end (NODE_FAIL, PREEMPTED, ...) is Slurm's doing, not the
// job's.
bool ak_squeue_took_away(const char *state);

// ak_squeue_parse_sacct reads state and reason from "STATE|CODE:SIGNAL", as ak_squeue_parse does.
akssl_status ak_squeue_parse_sacct(const char *text, ak_squeue_job *job,
                                   bool *found) AKSSL_MUST_CHECK;

// ak_squeue_is_away says whether what a program of Slurm's complains of is that Slurm's daemons
// cannot be reached, which passes; ak_squeue_is_full that it takes no more jobs at present.
bool ak_squeue_is_away(const char *complaint);
bool ak_squeue_is_full(const char *complaint);

#endif
