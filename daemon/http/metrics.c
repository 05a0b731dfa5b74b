// daemon/http/metrics.c -- /metrics: for Prometheus, in its text format 0.0.4.
//
// A family of samples is told at once, so each walks the jobs.  Those that wait are counted alone;
// of those that have begun and not ended the newest AK_METRICS_JOBS are told one by one.

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "daemon/hosts.h"
#include "daemon/http/route.h"
#include "daemon/run.h"

enum { AK_METRICS_JOBS = 500 };

typedef struct scrape {
    const ak_daemon *d;
    ak_str *text;
    size_t first; // of the jobs that are told one by one
} scrape;

static void family(const scrape *s, const char *name, const char *type, const char *help)
{
    ak_str_format(s->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(const scrape *s, double value)
{
    if (isnan(value))
        ak_str_append(s->text, " NaN\n");
    else if (isinf(value))
        ak_str_append(s->text, value > 0 ? " +Inf\n" : " -Inf\n");
    else
        ak_str_format(s->text, " %.17g\n", value);
}

static void gauge(const scrape *s, const char *name, const char *help, double value)
{
    family(s, name, "gauge", help);
    ak_str_append(s->text, name);
    number(s, value);
}

// What is no UTF-8 would make Prometheus refuse all of it.
static void label(const scrape *s, const char *name, const char *value)
{
    bool clean = ak_str_is_utf8(value);

    ak_str_format(s->text, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\n')
            ak_str_append(s->text, "\\n");
        else if (*value == '"' || *value == '\\')
            ak_str_format(s->text, "\\%c", *value);
        else
            ak_str_append_n(s->text, clean || (unsigned char)*value < 0x80 ? value : "?", 1);
    }
    ak_str_append(s->text, "\"");
}

// ---- akssld and its cores

static void tell_states(const scrape *s)
{
    int64_t count[AK_JOB_STATE_END] = { 0 };

    for (size_t i = 0; i < s->d->jobs.count; i++)
        count[ak_job_shown(s->d->jobs.at[i])]++;
    family(s, "akssl_jobs", "gauge", "Jobs that have not ended, by state.");
    for (int state = 1; state < AK_JOB_STATE_END; state++)
        if (!ak_job_state_ended(state))
            ak_str_format(s->text, "akssl_jobs{state=\"%s\"} %" PRId64 "\n",
                          ak_job_state_text(state), count[state]);
    family(s, "akssl_jobs_ended_total", "counter", "Jobs that have ended since akssld started.");
    for (int state = 1; state < AK_JOB_STATE_END; state++)
        if (ak_job_state_ended(state))
            ak_str_format(s->text, "akssl_jobs_ended_total{state=\"%s\"} %" PRId64 "\n",
                          ak_job_state_text(state), s->d->ended[state]);
}

static void tell_cores(const scrape *s)
{
    const ak_launcher *launcher;

    family(s, "akssl_cores", "gauge", "Cores that jobs may have, by launcher.");
    for (int i = 0; (launcher = ak_launcher_at(i)) != NULL; i++)
        ak_str_format(s->text, "akssl_cores{launcher=\"%s\"} %" PRId64 "\n", launcher->name,
                      launcher->slots(s->d, 1));
    family(s, "akssl_cores_used", "gauge", "Cores that runs have, by launcher.");
    for (int i = 0; (launcher = ak_launcher_at(i)) != NULL; i++)
        ak_str_format(s->text, "akssl_cores_used{launcher=\"%s\"} %" PRId64 "\n", launcher->name,
                      ak_run_cores(s->d, launcher));
}

static void tell_hosts(const scrape *s)
{
    json_t *rows = ak_hosts_rows(s->d->hosts), *row;
    size_t i;

    family(s, "akssl_host_up", "gauge", "1: the host answers, and jobs may run on it.");
    json_array_foreach(rows, i, row)
    {
        ak_str_append(s->text, "akssl_host_up{");
        label(s, "host", json_string_value(json_object_get(row, "name")));
        ak_str_format(s->text, "} %d\n", json_is_true(json_object_get(row, "up")));
    }
    json_decref(rows);
}

static void tell_process(const scrape *s)
{
    uv_rusage_t used = { 0 };
    size_t resident = 0;

    ak_str_format(s->text,
                  "# HELP akssl_build_info 1, with the version.\n# TYPE akssl_build_info gauge\n"
                  "akssl_build_info{version=\"%s\"} 1\n",
                  AKSSL_VERSION);
    gauge(s, "akssl_store_behind", "1: the database does not take what is to be stored.",
          s->d->behind);
    if (uv_resident_set_memory(&resident) == 0)
        gauge(s, "process_resident_memory_bytes", "Resident memory of akssld.", (double)resident);
    if (uv_getrusage(&used) == 0) {
        family(s, "process_cpu_seconds_total", "counter", "Time of cores that akssld itself took.");
        ak_str_append(s->text, "process_cpu_seconds_total");
        number(s, (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                      (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6);
    }
}

// ---- jobs

static bool is_told(const ak_job *job)
{
    return job->state == AK_JOB_STARTING || job->state == AK_JOB_RUNNING ||
           job->state == AK_JOB_PAUSED;
}

static const Akssl__V1__Progress *progress_of(const ak_job *job)
{
    return job->figures.report ? job->figures.report->progress : NULL;
}

static double if_known(const ak_job *job, size_t offset)
{
    const char *progress = (const char *)progress_of(job);
    double value;

    if (!progress)
        return (double)NAN;
    memcpy(&value, progress + offset, sizeof value);
    return value;
}

#define FIGURE(field) offsetof(Akssl__V1__Progress, field)

static const struct {
    const char *name, *help;
    size_t offset; // in a Progress, of a double
} figures[] = {
    { "akssl_job_epoch", "Passes over the data.", FIGURE(epoch) },
    { "akssl_job_loss", "Loss of the last step.", FIGURE(loss) },
    { "akssl_job_learning_rate", "Learning rate of the last step.", FIGURE(lr) },
    { "akssl_job_images_per_second", "Images that are trained on, a second.",
      FIGURE(images_per_s) },
    { "akssl_job_eta_seconds", "Seconds to go, at the speed of now.", FIGURE(eta_s) },
};

static double step_of(const ak_job *job)
{
    return progress_of(job) ? (double)progress_of(job)->step : (double)NAN;
}

static double steps_of(const ak_job *job)
{
    return progress_of(job) ? (double)progress_of(job)->total_steps : (double)NAN;
}

static double collapsed(const ak_job *job)
{
    const Akssl__V1__Progress *p = progress_of(job);

    for (size_t i = 0; p && i < p->n_warnings; i++)
        if (strncmp(p->warnings[i], "collapse:", strlen("collapse:")) == 0)
            return 1;
    return 0;
}

static double committed(const ak_job *job)
{
    return (double)job->committed_step;
}

static double restarts(const ak_job *job)
{
    return (double)job->restarts;
}

static double elapsed(const ak_job *job)
{
    return (double)job->elapsed_ms / 1000;
}

static const struct {
    const char *name, *type, *help;
    double (*value)(const ak_job *job);
} counts[] = {
    { "akssl_job_step", "gauge", "Steps done.", step_of },
    { "akssl_job_total_steps", "gauge", "Steps in all.", steps_of },
    { "akssl_job_collapsed", "gauge", "1: its embeddings have collapsed.", collapsed },
    { "akssl_job_committed_step", "gauge", "Step of the last commit; -1: none.", committed },
    { "akssl_job_restarts_total", "counter", "Starts after a crash.", restarts },
    { "akssl_job_elapsed_seconds", "gauge", "That it has run for, of its time limit.", elapsed },
};

static void sample(const scrape *s, const char *name, const ak_job *job, double value)
{
    if (isnan(value) && !progress_of(job))
        return;
    ak_str_format(s->text, "%s{id=\"%" PRId64 "\"}", name, job->id);
    number(s, value);
}

static void tell_info(const scrape *s)
{
    family(s, "akssl_job_info", "gauge", "1, with what the job is.");
    for (size_t i = s->first; i < s->d->jobs.count; i++) {
        const ak_job *job = s->d->jobs.at[i];

        if (!is_told(job))
            continue;
        ak_str_format(s->text, "akssl_job_info{id=\"%" PRId64 "\",state=\"%s\",", job->id,
                      ak_job_state_text(ak_job_shown(job)));
        label(s, "name", job->spec.name);
        ak_str_append(s->text, ",");
        label(s, "owner", job->owner);
        ak_str_append(s->text, ",");
        label(s, "kind", job->spec.kind);
        ak_str_append(s->text, ",");
        label(s, "method", job->spec.method);
        ak_str_append(s->text, ",");
        label(s, "backbone", job->spec.backbone);
        ak_str_append(s->text, "} 1\n");
    }
}

static void tell_named(const scrape *s, const char *family_name, const ak_job *job, size_t count,
                       Akssl__V1__Metric *const *list)
{
    for (size_t i = 0; i < count; i++) {
        ak_str_format(s->text, "%s{id=\"%" PRId64 "\",", family_name, job->id);
        label(s, "name", list[i]->name);
        ak_str_append(s->text, "}");
        number(s, list[i]->value);
    }
}

static void tell_lists(const scrape *s)
{
    family(s, "akssl_job_figure", "gauge", "The method's own figures, by name.");
    for (size_t i = s->first; i < s->d->jobs.count; i++) {
        const ak_job *job = s->d->jobs.at[i];

        if (is_told(job) && progress_of(job))
            tell_named(s, "akssl_job_figure", job, progress_of(job)->n_gauges,
                       progress_of(job)->gauges);
    }
    family(s, "akssl_job_result", "gauge", "Results of evaluations, by name.");
    for (size_t i = s->first; i < s->d->jobs.count; i++) {
        const ak_job *job = s->d->jobs.at[i];

        if (is_told(job) && job->figures.report)
            tell_named(s, "akssl_job_result", job, job->figures.report->n_results,
                       job->figures.report->results);
    }
}

static void tell_jobs(const scrape *s)
{
    for (size_t f = 0; f < sizeof counts / sizeof *counts; f++) {
        family(s, counts[f].name, counts[f].type, counts[f].help);
        for (size_t i = s->first; i < s->d->jobs.count; i++)
            if (is_told(s->d->jobs.at[i]))
                sample(s, counts[f].name, s->d->jobs.at[i], counts[f].value(s->d->jobs.at[i]));
    }
    for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
        family(s, figures[f].name, "gauge", figures[f].help);
        for (size_t i = s->first; i < s->d->jobs.count; i++)
            if (is_told(s->d->jobs.at[i]))
                sample(s, figures[f].name, s->d->jobs.at[i],
                       if_known(s->d->jobs.at[i], figures[f].offset));
    }
}

static akssl_status look(ak_ask *ask)
{
    scrape s = { ask->d, &ask->body, ask->d->jobs.count };
    size_t told = 0;

    while (s.first && told < AK_METRICS_JOBS)
        told += is_told(ask->d->jobs.at[--s.first]);
    tell_process(&s);
    tell_states(&s);
    tell_cores(&s);
    tell_hosts(&s);
    tell_info(&s);
    tell_jobs(&s);
    tell_lists(&s);
    return AKSSL_OK;
}

const ak_route ak_route_metrics = {
    .path = "/metrics",
    .type = "text/plain; version=0.0.4; charset=utf-8",
    .access = AK_ACCESS_READ,
    .look = look,
};
