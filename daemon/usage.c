// daemon/usage.c -- what each person's jobs have taken of the cores, faded by time.

#include "daemon/usage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

static const double FORGOTTEN = 1e-3; // core-seconds: as good as none

void ak_usage_fini(ak_usage *u)
{
    free(u->rows);
    *u = (ak_usage){ 0 };
}

static size_t lower_bound(const ak_usage *u, const char *user)
{
    size_t low = 0, high = u->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(u->rows[middle].user, user) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget_one(ak_usage *u)
{
    size_t least = 0;

    for (size_t i = 1; i < u->count; i++)
        if (u->rows[i].core_s < u->rows[least].core_s)
            least = i;
    u->count--;
    memmove(u->rows + least, u->rows + least + 1, (u->count - least) * sizeof *u->rows);
}

size_t ak_usage_find(ak_usage *u, const char *user)
{
    char name[AK_USAGE_MAX_NAME + 1];
    size_t at;

    memset(name, 0, sizeof name);
    memcpy(name, user, strnlen(user, AK_USAGE_MAX_NAME));
    at = lower_bound(u, name);
    if (at < u->count && strcmp(u->rows[at].user, name) == 0)
        return at;
    if (u->count == AK_USAGE_MAX_USERS) {
        forget_one(u);
        at = lower_bound(u, name);
    }
    if (u->count == u->room) {
        u->room = u->room ? u->room * 2 : 16;
        u->rows = ak_realloc(u->rows, u->room, sizeof *u->rows);
    }
    memmove(u->rows + at + 1, u->rows + at, (u->count - at) * sizeof *u->rows);
    u->count++;
    memcpy(u->rows[at].user, name, sizeof name);
    u->rows[at].core_s = 0;
    return at;
}

void ak_usage_add(ak_usage *u, const char *user, double core_s)
{
    size_t at = ak_usage_find(u, user);

    u->rows[at].core_s += core_s;
}

void ak_usage_end(ak_usage *u, int64_t elapsed_ms)
{
    if (elapsed_ms <= 0) // it has never run
        return;
    u->ended += u->ended < AK_USAGE_LATELY;
    u->job_ms += (elapsed_ms - u->job_ms) / u->ended;
}

void ak_usage_fade(ak_usage *u, double seconds, double half_life_s)
{
    double factor = exp2(-seconds / half_life_s);

    for (size_t i = 0; i < u->count; i++) {
        u->rows[i].core_s *= factor;
        if (u->rows[i].core_s < FORGOTTEN)
            u->rows[i].core_s = 0;
    }
}
