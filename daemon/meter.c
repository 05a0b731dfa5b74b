// daemon/meter.c -- what runs take: time, by job, and cores times time, by owner.

#include "daemon/meter.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

static double half_life(const ak_daemon *d)
{
    return (double)d->config->fair_share_half_life;
}

akssl_status ak_meter_open(ak_daemon *d)
{
    akssl_status rc;

    d->metered_ns = d->usage_stored_ns = ak_clock_ns();
    rc = ak_store_read_usage(d->store, &d->usage);
    return rc < 0 ? rc : ak_store_read_lately(d->store, &d->usage);
}

static void store(ak_daemon *d)
{
    d->usage_stored_ns = ak_clock_ns();
    if (ak_store_write_usage(d->store, &d->usage, ak_clock_wall_ms()) < 0)
        ak_log_write(d->log, AK_LOG_WARN, "what people have used is not stored: %s",
                     ak_error_text());
}

void ak_meter_close(ak_daemon *d)
{
    if (d->store && d->metered_ns)
        store(d);
    ak_usage_fini(&d->usage);
}

void ak_meter_charge(ak_run *run)
{
    int64_t now = ak_clock_ns(), took = now - run->charged_ns;

    if (run->waits || run->idle) {
        run->charged_ns = now;
    } else if (run->charged_ns) {
        run->job->elapsed_ms += took / 1000000;
        took -= took % 1000000;
        ak_usage_add(&run->d->usage, run->job->owner, (double)took / 1e9 * (double)run->cores);
        run->charged_ns += took;
    } else {
        run->charged_ns = now;
    }
}

static void limit(ak_run *run)
{
    ak_job *job = run->job;

    if (!ak_job_late(job) || run->pausing || run->phase > AK_RUN_JOINED || job->outcome ||
        job->cancel || job->pause)
        return;
    ak_text_set(&job->reason, "its time is over: it is being stopped");
    if (ak_control_save(run->d, job) < 0)
        return; // what it has used must outlive us before it is held against it
    ak_watches_changed(run->d->watches, job, true);
    ak_run_yield(run, "its time limit is reached");
}

void ak_meter_tick(ak_daemon *d)
{
    int64_t now = ak_clock_ns();

    ak_usage_fade(&d->usage, (double)(now - d->metered_ns) / 1e9, half_life(d));
    d->metered_ns = now;
    for (size_t i = 0; i < d->jobs.count; i++) {
        ak_run *run = d->jobs.at[i]->run;

        if (!run)
            continue;
        ak_meter_charge(run);
        if (!d->stopping)
            limit(run);
    }
    if (d->runs && now - d->usage_stored_ns >= (int64_t)AK_METER_STORE_MS * 1000000)
        store(d);
}

void ak_meter_time_out(ak_daemon *d, ak_job *job)
{
    char time[32];
    char *reason;

    ak_terms_time_text(job->terms.limit_ms, time);
    reason = job->committed_step >= 0
                 ? ak_path("TimeLimit: it has run for %s and is committed at step %" PRId64
                           ": `akssl-client resume %" PRId64 "` lets it go on for as long again",
                           time, job->committed_step, job->id)
                 : ak_path("TimeLimit: it has run for %s without a commit: `akssl-client resume "
                           "%" PRId64 "` lets it begin again",
                           time, job->id);
    ak_control_move(d, job, AK_JOB_TIME_OUT, reason);
    free(reason);
}
