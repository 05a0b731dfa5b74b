// daemon/jobs.c -- the jobs that have not ended, by id.

#include "daemon/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

static size_t lower_bound(const ak_jobs *jobs, int64_t id)
{
    size_t low = 0, high = jobs->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (jobs->at[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void ak_jobs_add_take(ak_jobs *jobs, ak_job *job)
{
    size_t at = lower_bound(jobs, job->id);

    if (jobs->count == jobs->room) {
        jobs->room = jobs->room ? jobs->room * 2 : 16;
        jobs->at = ak_realloc(jobs->at, jobs->room, sizeof *jobs->at);
    }
    memmove(jobs->at + at + 1, jobs->at + at, (jobs->count - at) * sizeof *jobs->at);
    jobs->at[at] = job;
    jobs->count++;
}

ak_job *ak_jobs_find(const ak_jobs *jobs, int64_t id)
{
    size_t at = lower_bound(jobs, id);

    return at < jobs->count && jobs->at[at]->id == id ? jobs->at[at] : NULL;
}

void ak_jobs_remove(ak_jobs *jobs, int64_t id)
{
    size_t at = lower_bound(jobs, id);

    if (at == jobs->count || jobs->at[at]->id != id)
        return;
    ak_job_free(jobs->at[at]);
    jobs->count--;
    memmove(jobs->at + at, jobs->at + at + 1, (jobs->count - at) * sizeof *jobs->at);
}

void ak_jobs_fini(ak_jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        ak_job_free(jobs->at[i]);
    free(jobs->at);
    *jobs = (ak_jobs){ 0 };
}
