// daemon/handler/watch.c -- Watch: a job's changes as they come (daemon/watch.h).

#include "daemon/watch.h"
#include "daemon/control.h"
#include "daemon/handler/handler.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__WatchRequest *message = (const Akssl__V1__WatchRequest *)request;
    const ak_job *job;
    ak_job *stored;
    akssl_status rc = ak_control_find(d, message->id, &job, &stored);

    if (rc < 0)
        return rc;
    ak_watches_add(d->watches, call, job);
    ak_job_free(stored);
    return AKSSL_OK;
}

static void drained(ak_daemon *d, ak_call *call)
{
    ak_watches_drained(d->watches, call);
}

static void ended(ak_daemon *d, ak_call *call)
{
    ak_watches_ended(d->watches, call);
}

const ak_handler ak_handler_watch = {
    .access = AK_ACCESS_READ,
    .started = started,
    .drained = drained,
    .ended = ended,
};
