// daemon/handler/resize.c -- Resize: another number of ranks, now if the job runs
// (daemon/elastic.h).

#include "daemon/elastic.h"
#include "daemon/handler/answer.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__ResizeRequest *message = (const Akssl__V1__ResizeRequest *)request;

    return ak_elastic_resize(d, message->id, message->ranks, ak_answer_seen,
                             &(ak_answer){ d, call });
}

const ak_handler ak_handler_resize = {
    .access = AK_ACCESS_SUBMIT,
    .job_at = offsetof(Akssl__V1__ResizeRequest, id),
    .started = started,
};
