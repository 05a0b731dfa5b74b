// proto/base/clock.c -- time.

#include "proto/base/clock.h"

#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t ak_clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

double ak_clock_seconds(void)
{
    return (double)ak_clock_ns() * 1e-9;
}

int64_t ak_clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}
