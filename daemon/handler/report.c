// daemon/handler/report.c -- Report: a run's progress and results so far.
//
// Kept in memory and stored with the next commit or the end: a run that is cut off repeats the
// steps since, and their figures.

#include "daemon/handler/handler.h"
#include "daemon/notice.h"

// note writes a new warning down.
static void note(ak_run *run, const char *warning)
{
    if (run->warnings == AK_RUN_WARNINGS)
        return;
    if (++run->warnings == AK_RUN_WARNINGS)
        warning = "there were many warnings: those that follow are not written down";
    ak_notice_write(run, AK_LOG_WARN, warning);
}

// find_new gives, as bits, which warnings the last report did not have.
static unsigned find_new(const ak_figures *figures, const Akssl__V1__Progress *progress)
{
    unsigned found = 0;

    for (size_t i = 0; progress && i < progress->n_warnings && i < AK_FIGURES_MAX_WARNINGS; i++)
        found |= (unsigned)!ak_figures_warns(figures, progress->warnings[i]) << i;
    return found;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__ReportRequest *message = (const Akssl__V1__ReportRequest *)request;
    Akssl__V1__ReportReply reply = AKSSL__V1__REPORT_REPLY__INIT;
    unsigned warnings;
    ak_run *run;
    akssl_status rc;

    rc = ak_run_find(d, message->job, message->run, ak_call_secret(call), &run);
    if (rc < 0)
        return rc;
    warnings = find_new(&run->job->figures, message->progress);
    rc = ak_figures_merge(&run->job->figures, message->progress, message->n_results,
                          message->results);
    if (rc < 0)
        return rc;
    for (size_t i = 0; warnings >> i; i++)
        if (warnings >> i & 1)
            note(run, message->progress->warnings[i]);
    ak_watches_changed(d->watches, run->job, false);
    reply.has_stop = 1;
    reply.stop = d->ending || run->job->pause || run->pausing || run->phase > AK_RUN_FINISHED;
    ak_call_reply(call, &reply.base);
    return AKSSL_OK;
}

const ak_handler ak_handler_report = {
    .access = AK_ACCESS_RUN,
    .started = started,
};
