// daemon/handler/cancel.c -- Cancel: the wish is durable, then answered, then carried out.
//
// A job that runs is told as RUNNING, "is being cancelled": its processes need a moment.

#include "daemon/handler/answer.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__JobRequest *message = (const Akssl__V1__JobRequest *)request;

    return ak_control_cancel(d, message->id, ak_answer_seen, &(ak_answer){ d, call });
}

const ak_handler ak_handler_cancel = {
    .access = AK_ACCESS_SUBMIT,
    .job_at = offsetof(Akssl__V1__JobRequest, id),
    .started = started,
};
