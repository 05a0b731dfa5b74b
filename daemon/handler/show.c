// daemon/handler/show.c -- Show: one job, whole.

#include "daemon/control.h"
#include "daemon/handler/handler.h"
#include "daemon/wire.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__JobRequest *message = (const Akssl__V1__JobRequest *)request;
    const ak_job *job;
    ak_job *stored;
    akssl_status rc = ak_control_find(d, message->id, &job, &stored);

    if (rc < 0)
        return rc;
    ak_wire_reply(call, job, d->config->state_dir);
    ak_job_free(stored);
    return AKSSL_OK;
}

const ak_handler ak_handler_show = {
    .access = AK_ACCESS_READ,
    .started = started,
};
