// daemon/job.c -- a job and its state machine.

#include "daemon/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

// Rows: the state; columns: the event; 0: cannot happen.
static const ak_job_state table[AK_JOB_STATE_END][AK_JOB_EVENT_END] = {
    [AK_JOB_QUEUED] = {
        [AK_JOB_LAUNCH] = AK_JOB_STARTING,
        [AK_JOB_PAUSE] = AK_JOB_PAUSED,
        [AK_JOB_FAIL] = AK_JOB_FAILED,
        [AK_JOB_CANCEL] = AK_JOB_CANCELLED,
        [AK_JOB_TIME_OUT] = AK_JOB_TIMEOUT,
    },
    [AK_JOB_STARTING] = {
        [AK_JOB_JOIN] = AK_JOB_RUNNING,
        [AK_JOB_REQUEUE] = AK_JOB_QUEUED,
        [AK_JOB_PAUSE] = AK_JOB_PAUSED,
        [AK_JOB_FAIL] = AK_JOB_FAILED,
        [AK_JOB_CANCEL] = AK_JOB_CANCELLED,
        [AK_JOB_TIME_OUT] = AK_JOB_TIMEOUT,
    },
    [AK_JOB_RUNNING] = {
        [AK_JOB_REQUEUE] = AK_JOB_QUEUED,
        [AK_JOB_PAUSE] = AK_JOB_PAUSED,
        [AK_JOB_SUCCEED] = AK_JOB_SUCCEEDED,
        [AK_JOB_FAIL] = AK_JOB_FAILED,
        [AK_JOB_CANCEL] = AK_JOB_CANCELLED,
        [AK_JOB_TIME_OUT] = AK_JOB_TIMEOUT,
    },
    [AK_JOB_PAUSED] = {
        [AK_JOB_RESUME] = AK_JOB_QUEUED,
        [AK_JOB_CANCEL] = AK_JOB_CANCELLED,
        [AK_JOB_FAIL] = AK_JOB_FAILED,
    },
    [AK_JOB_TIMEOUT] = {
        [AK_JOB_RESUME] = AK_JOB_QUEUED,
    },
};

static const char *const states[] = { "",
#define NAME(name, number) #name,
                                      AK_JOB_STATE_MAP(NAME)
#undef NAME
};

static const char *const events[] = { "",       "launch",   "join", "requeue", "pause",
                                      "resume", "end well", "fail", "cancel",  "time out" };

ak_job_state ak_job_next(ak_job_state state, ak_job_event event)
{
    if (state <= 0 || state >= AK_JOB_STATE_END || event <= 0 || event >= AK_JOB_EVENT_END)
        return 0;
    return table[state][event];
}

const char *ak_job_state_text(ak_job_state state)
{
    return states[state > 0 && state < AK_JOB_STATE_END ? state : 0];
}

ak_job_state ak_job_state_parse(const char *text)
{
    for (int state = 1; text && state < AK_JOB_STATE_END; state++)
        if (strcmp(states[state], text) == 0)
            return (ak_job_state)state;
    return 0;
}

bool ak_job_state_ended(ak_job_state state)
{
    return state >= AK_JOB_SUCCEEDED;
}

ak_job_state ak_job_shown(const ak_job *job)
{
    bool known = job->stored == job->state || !job->stored || !ak_job_state_ended(job->state);

    return known ? job->state : job->stored;
}

void ak_text_set(char **field, const char *value)
{
    char *copy = ak_strdup(value ? value : "");

    free(*field);
    *field = copy;
}

ak_job *ak_job_new(const ak_spec *spec, const char *yaml)
{
    ak_job *job = ak_alloc(1, sizeof *job);

    job->state = AK_JOB_QUEUED;
    ak_spec_copy(&job->spec, spec);
    job->yaml = ak_strdup(yaml);
    ak_text_set(&job->reason, NULL);
    ak_text_set(&job->run_id, NULL);
    ak_text_set(&job->weights, NULL);
    ak_text_set(&job->owner, NULL);
    job->submitted_ms = ak_clock_wall_ms();
    job->committed_step = -1;
    job->asked_ranks = -1;
    return job;
}

void ak_job_free(ak_job *job)
{
    if (!job)
        return;
    ak_spec_fini(&job->spec);
    ak_figures_fini(&job->figures);
    free(job->yaml);
    free(job->reason);
    free(job->run_id);
    free(job->weights);
    free(job->owner);
    free(job);
}

akssl_status ak_job_move(ak_job *job, ak_job_event event, const char *reason)
{
    ak_job_state next = ak_job_next(job->state, event);

    if (!next)
        return ak_fail(AKSSL_ERR_STATE, "job %" PRId64 " is %s and cannot %s", job->id,
                       ak_job_state_text(job->state),
                       events[event > 0 && event < AK_JOB_EVENT_END ? event : 0]);
    job->state = next;
    ak_text_set(&job->reason, reason);
    if (event == AK_JOB_RESUME) {
        job->ended_ms = 0;
        job->elapsed_ms = ak_job_late(job) ? 0 : job->elapsed_ms;
        job->restarts_since_commit = job->unheard_ms = 0; // somebody has looked
    }
    if (event == AK_JOB_JOIN && !job->started_ms)
        job->started_ms = ak_clock_wall_ms();
    if (next != AK_JOB_STARTING && next != AK_JOB_RUNNING) {
        ak_text_set(&job->run_id, NULL);
        job->resize = false; // the next run has the ranks that are asked for
        job->requeue = false;
    }
    if (next == AK_JOB_PAUSED) { // what its last run said has been carried out
        job->outcome = 0;
        job->pause = false;
    }
    if (ak_job_state_ended(next)) {
        job->ended_ms = ak_clock_wall_ms();
        job->cancel = job->pause = false;
    }
    return AKSSL_OK;
}

bool ak_job_late(const ak_job *job)
{
    return job->terms.limit_ms && job->elapsed_ms >= job->terms.limit_ms;
}

int64_t ak_job_asked(const ak_job *job)
{
    return job->asked_ranks >= 0 ? job->asked_ranks : job->spec.ranks;
}

static bool is_allowed(const ak_job *job, int64_t ranks, int64_t slots)
{
    int64_t asked = ak_job_asked(job), threads = job->spec.threads_per_shard;

    return job->spec.shards % ranks == 0 && (!asked || ranks <= asked) && ranks * threads <= slots;
}

int64_t ak_job_ranks(const ak_job *job, int64_t slots)
{
    int64_t ranks = 1, most = job->keeps_ranks && job->ranks > 0 ? job->ranks : INT64_MAX;

    while (ranks * 2 <= most && is_allowed(job, ranks * 2, slots))
        ranks *= 2;
    return ranks;
}

int64_t ak_job_cores(const ak_job *job, int64_t slots)
{
    int64_t need = ak_job_ranks(job, slots) * job->spec.threads_per_shard;

    return need < slots ? need : slots;
}

char *ak_job_short(const ak_job *job, int64_t slots)
{
    int64_t asked = ak_job_asked(job);
    char *text = NULL;

    if (!asked || job->ranks >= asked)
        return ak_strdup("");
    if (asprintf(&text, "%" PRId64 " ranks were asked for: akssld has %" PRId64 " cores", asked,
                 slots) < 0)
        return ak_strdup("");
    return text;
}
