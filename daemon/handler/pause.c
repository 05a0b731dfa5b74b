// daemon/handler/pause.c -- Pause: the wish is durable, then carried out, then answered.
//
// A job that runs is told as RUNNING, "is being paused": it commits at its next step first.

#include "daemon/handler/answer.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__JobRequest *message = (const Akssl__V1__JobRequest *)request;

    return ak_control_pause(d, message->id, ak_answer_seen, &(ak_answer){ d, call });
}

const ak_handler ak_handler_pause = {
    .access = AK_ACCESS_SUBMIT,
    .job_at = offsetof(Akssl__V1__JobRequest, id),
    .started = started,
};
