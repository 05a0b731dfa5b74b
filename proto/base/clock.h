// proto/base/clock.h -- time: monotonic for waits and leases, wall only for display.

#ifndef AK_BASE_CLOCK_H
#define AK_BASE_CLOCK_H

#include <stdint.h>

// ak_clock_ns is CLOCK_MONOTONIC in nanoseconds.  Any thread.
int64_t ak_clock_ns(void);

// ak_clock_seconds is the same in seconds.
double ak_clock_seconds(void);

// ak_clock_wall_ms is milliseconds since 1970, for display and records only.
int64_t ak_clock_wall_ms(void);

#endif
