// daemon/handler/hold.c -- Hold: a queued job does not start until it is released.

#include "daemon/handler/answer.h"
#include "daemon/queue.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__JobRequest *message = (const Akssl__V1__JobRequest *)request;

    return ak_queue_hold(d, message->id, true, ak_answer_seen, &(ak_answer){ d, call });
}

const ak_handler ak_handler_hold = {
    .access = AK_ACCESS_SUBMIT,
    .job_at = offsetof(Akssl__V1__JobRequest, id),
    .started = started,
};
