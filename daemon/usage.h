// daemon/usage.h -- what each person's jobs have taken of the cores, faded by time.
//
// Core-seconds that lose half of their weight in every half-life: who has had much lately waits
// behind who has had little (scheduler.h).  And how long jobs take, which is what one will.  Kept
// in memory; meter.c adds to it, fades it while akssld runs, and stores it.  Loop thread only.

#ifndef AK_DAEMON_USAGE_H
#define AK_DAEMON_USAGE_H

#include <stddef.h>
#include <stdint.h>

enum {
    AK_USAGE_MAX_USERS = 4096,
    AK_USAGE_MAX_NAME = 64,
    AK_USAGE_LATELY = 8 // jobs that have ended
};

typedef struct ak_usage_row {
    char user[AK_USAGE_MAX_NAME + 1];
    double core_s;
} ak_usage_row;

// Start from zero; end with ak_usage_fini.
typedef struct ak_usage {
    ak_usage_row *rows; // by name
    size_t count, room;
    int64_t job_ms; // what a job has taken lately: a mean that older ones fade from
    int ended;      // of so many; 0: not known.  At most AK_USAGE_LATELY
} ak_usage;

void ak_usage_fini(ak_usage *usage);

// ak_usage_find gives the index of a person's row, made when there is none.  Rows of others may
// move.  When there are AK_USAGE_MAX_USERS, the one who has used least is forgotten for it.
size_t ak_usage_find(ak_usage *usage, const char *user);

void ak_usage_add(ak_usage *usage, const char *user, double core_s);

// ak_usage_end counts a job that has ended after it had run for so long.
void ak_usage_end(ak_usage *usage, int64_t elapsed_ms);

// ak_usage_fade lets seconds go by.
void ak_usage_fade(ak_usage *usage, double seconds, double half_life_s);

#endif
