// daemon/handler/report.c -- Report: a run's progress and results so far.
//
// Kept in memory and stored with the next commit or the end: a run that is cut off repeats the
// steps since, and their figures.

#include "daemon/handler/handler.h"
#include "daemon/run.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__ReportRequest *message = (const Akssl__V1__ReportRequest *)request;
    Akssl__V1__ReportReply reply = AKSSL__V1__REPORT_REPLY__INIT;
    ak_run *run;
    akssl_status rc;

    rc = ak_run_find(d, message->job, message->run, ak_call_secret(call), &run);
    if (rc == AKSSL_OK)
        rc = ak_figures_merge(&run->job->figures, message->progress, message->n_results,
                              message->results);
    if (rc < 0)
        return rc;
    ak_watches_changed(d->watches, run->job, false);
    reply.has_stop = 1;
    reply.stop = d->stopping || run->phase > AK_RUN_FINISHED;
    ak_call_reply(call, &reply.base);
    return AKSSL_OK;
}

const ak_handler ak_handler_report = { .started = started };
