// daemon/handler/logs.c -- Logs: what the job's processes wrote (daemon/tail.h).

#include <stdlib.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__LogsRequest *message = (const Akssl__V1__LogsRequest *)request;
    const ak_job *job;
    ak_job *stored;
    char *folder, *path;
    akssl_status rc = ak_control_find(d, message->id, &job, &stored);

    if (rc < 0)
        return rc;
    folder = ak_control_folder(d, job->id);
    path = ak_path("%s/log", folder);
    ak_tails_add(d->tails, call, path, job->id, message->follow);
    free(path);
    free(folder);
    ak_job_free(stored);
    return AKSSL_OK;
}

static void drained(ak_daemon *d, ak_call *call)
{
    ak_tails_drained(d->tails, call);
}

static void ended(ak_daemon *d, ak_call *call)
{
    ak_tails_ended(d->tails, call);
}

const ak_handler ak_handler_logs = {
    .access = AK_ACCESS_READ,
    .started = started,
    .drained = drained,
    .ended = ended,
};
