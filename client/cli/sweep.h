// client/cli/sweep.h -- many jobs of one spec: --sweep lr=0.1,0.3 --sweep method=byol,dino.
//
// The product of the sweeps, the last one turning fastest; each job's name says what it has of
// each. An array, --array 0-15%4, is a sweep of seeds of which at most four are not over at once.

#ifndef AK_CLI_SWEEP_H
#define AK_CLI_SWEEP_H

#include "client/cli/cmd.h"

enum { AK_SWEEP_MAX_JOBS = 1000, AK_SWEEP_MAX_VALUES = 1000 };

// One key and the values that it takes.
typedef struct ak_sweep_axis {
    char *text; // its own copy, cut into key and values
    const char *key;
    const char *values[AK_SWEEP_MAX_VALUES];
    size_t count;
} ak_sweep_axis;

typedef struct ak_sweep {
    ak_sweep_axis *axes;
    int axis_count;
    size_t jobs;     // in all
    int64_t at_once; // of an array: at most so many; 0: any number
} ak_sweep;

// ak_sweep_read reads the flags; array may be NULL.  Returns an exit code.  End with
// ak_sweep_fini, whatever came of it.
int ak_sweep_read(ak_sweep *sweep, const ak_texts *sweeps, const char *array);
void ak_sweep_fini(ak_sweep *sweep);

// ak_sweep_apply sets the values that job number index (from 0) has, and its name.  Returns an exit
// code.
int ak_sweep_apply(const ak_sweep *sweep, size_t index, akssl_job_spec *spec);

#endif
