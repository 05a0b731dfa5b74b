// daemon/elastic.c -- how many ranks a job has.

#include "daemon/elastic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/run.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { MAX_RANKS = 4096 };

static akssl_status check(const ak_daemon *d, const ak_job *job, int64_t ranks)
{
    int64_t slots = ak_launcher_slots(d, job), threads = job->spec.threads_per_shard;
    akssl_status rc;

    if (ranks < 0 || ranks > MAX_RANKS)
        return ak_fail(AKSSL_ERR_INVALID, "ranks %" PRId64 ": give 0 to %d", ranks, MAX_RANKS);
    rc = ak_spec_check_ranks(&job->spec, ranks);
    if (rc == AKSSL_OK && ranks > 1 && ranks * threads > slots)
        rc = ak_fail(AKSSL_ERR_INVALID,
                     "ranks %" PRId64 " take %" PRId64 " cores, and akssld has %" PRId64
                     ": give fewer, or 0 for as many as fit",
                     ranks, ranks * threads, slots);
    return rc;
}

// runs_on says whether job has a run that will go on by itself.
static bool runs_on(const ak_job *job)
{
    return job->run && job->run->phase <= AK_RUN_ADOPTING && !job->outcome && !job->cancel &&
           !job->pause && !job->run->pausing;
}

static void say(ak_daemon *d, ak_job *job, const char *why)
{
    char *text = ak_path("resizing to %" PRId64 " ranks%s",
                         ak_job_ranks(job, ak_launcher_slots(d, job)), why);

    ak_text_set(&job->reason, text);
    ak_log_write(d->log, AK_LOG_INFO, "job %" PRId64 ": %s", job->id, text);
    free(text);
    ak_watches_changed(d->watches, job, true);
}

static akssl_status wish(ak_daemon *d, ak_job *job, int64_t ranks)
{
    int64_t asked = job->asked_ranks;
    bool resize = job->resize;
    akssl_status rc;

    job->asked_ranks = ranks;
    job->resize |= runs_on(job) && ak_job_ranks(job, ak_launcher_slots(d, job)) != job->ranks;
    rc = ak_control_save(d, job);
    if (rc < 0) {
        job->asked_ranks = asked;
        job->resize = resize;
    }
    return rc;
}

akssl_status ak_elastic_resize(ak_daemon *d, int64_t id, int64_t ranks,
                               void (*seen)(void *ctx, const ak_job *job), void *ctx)
{
    ak_job *job;
    akssl_status rc = ak_control_active(d, id, &job);

    if (rc == AKSSL_OK && job->cancel)
        rc = ak_fail(AKSSL_ERR_STATE, "job %" PRId64 " is being cancelled", id);
    if (rc == AKSSL_OK)
        rc = check(d, job, ranks);
    if (rc == AKSSL_OK)
        rc = wish(d, job, ranks);
    if (rc < 0)
        return rc;
    job->roomy_ns = 0;
    job->grown = 0;
    job->growing = job->keeps_ranks = false;
    if (job->resize && job->run) { // a row may say so of a job that has no run
        say(d, job, "");
        ak_run_resize(job->run);
    }
    seen(ctx, job);
    ak_control_schedule(d);
    return AKSSL_OK;
}

// ---- by itself

static void change(ak_daemon *d, ak_job *job, const char *why)
{
    job->roomy_ns = 0;
    job->resize = true;
    if (ak_control_save(d, job) < 0) {
        job->resize = false;
        return;
    }
    say(d, job, why);
    ak_run_resize(job->run);
}

// resizes says whether a run of the launcher is to get other cores than it has: what is free now
// may be for that one.
static bool resizes(const ak_daemon *d, const ak_launcher *launcher)
{
    for (size_t i = 0; i < d->jobs.count; i++) {
        const ak_job *job = d->jobs.at[i];

        if (job->run && job->resize && ak_launcher_of(job) == launcher)
            return true;
    }
    return false;
}

// has_place says whether more ranks would find hosts; numbers alone do not tell.
static bool has_place(const ak_daemon *d, const ak_job *job)
{
    const ak_launcher *launcher = ak_launcher_of(job);
    int64_t ranks = ak_job_ranks(job, ak_launcher_slots(d, job));
    ak_hostlist places = { 0 };
    bool more =
        !launcher->place || (launcher->place(d, job, NULL, &ranks, &places) && ranks > job->ranks);

    ak_hostlist_fini(&places);
    return more;
}

static bool has_room(const ak_daemon *d, const ak_job *job)
{
    const ak_launcher *launcher = ak_launcher_of(job);
    int64_t slots = ak_launcher_slots(d, job);

    return ak_job_ranks(job, slots) > job->ranks && !d->waiting[ak_launcher_index(launcher)] &&
           !resizes(d, launcher) &&
           ak_run_cores(d, launcher) - job->run->cores + ak_job_cores(job, slots) <= slots &&
           has_place(d, job);
}

static void look(ak_daemon *d, ak_job *job)
{
    int doublings = job->grown < AK_ELASTIC_DOUBLINGS ? job->grown : AK_ELASTIC_DOUBLINGS;
    int64_t wait_ns = ((int64_t)AK_ELASTIC_GROW_MS * 1000000) << doublings;
    int64_t slots = ak_launcher_slots(d, job), now = ak_clock_ns();

    if (!job->run->places.count && job->ranks * job->spec.threads_per_shard > slots &&
        ak_job_ranks(job, slots) < job->ranks) {
        change(d, job, ": there are fewer cores now");
    } else if (!has_room(d, job)) {
        job->roomy_ns = 0;
    } else if (!job->roomy_ns) {
        job->roomy_ns = now;
    } else if (now - job->roomy_ns >= wait_ns) {
        job->grown++;
        job->growing = true;
        change(d, job, ": there are more cores now");
    }
}

// trains says whether its run has steps to do: an evaluation, or a job that is nothing else, would
// begin again.
static bool trains(const ak_job *job)
{
    static const char *const evaluations[] = { "knn", "probe", "embed", NULL };
    const Akssl__V1__ReportRequest *report = job->figures.report;
    const Akssl__V1__Progress *at = report ? report->progress : NULL;

    for (const char *const *kind = evaluations; *kind; kind++)
        if (strcmp(job->spec.kind, *kind) == 0)
            return false;
    return !at || !at->has_total_steps || at->step < at->total_steps;
}

void ak_elastic_tick(ak_daemon *d)
{
    for (size_t i = 0; i < d->jobs.count && !d->stopping; i++) {
        ak_job *job = d->jobs.at[i];

        if (runs_on(job) && job->run->phase == AK_RUN_JOINED && !job->run->lost &&
            !job->run->waits && !job->resize && trains(job))
            look(d, job);
    }
}
