// daemon/jobs.h -- the jobs that have not ended, by id.  Those that have are in the store alone.

#ifndef AK_DAEMON_JOBS_H
#define AK_DAEMON_JOBS_H

#include "daemon/job.h"

// A value: start from zero.  at is in order of id.  Loop thread only.
typedef struct ak_jobs {
    ak_job **at;
    size_t count, room;
} ak_jobs;

void ak_jobs_add_take(ak_jobs *jobs, ak_job *job); // its id must not be there
ak_job *ak_jobs_find(const ak_jobs *jobs, int64_t id);
void ak_jobs_remove(ak_jobs *jobs, int64_t id); // and frees the job
void ak_jobs_fini(ak_jobs *jobs);

#endif
