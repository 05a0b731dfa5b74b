// daemon/handler/requeue.c -- Requeue: a running job commits, and waits for its turn again.

#include "daemon/handler/answer.h"
#include "daemon/queue.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__JobRequest *message = (const Akssl__V1__JobRequest *)request;

    return ak_queue_requeue(d, message->id, ak_answer_seen, &(ak_answer){ d, call });
}

const ak_handler ak_handler_requeue = {
    .access = AK_ACCESS_SUBMIT,
    .job_at = offsetof(Akssl__V1__JobRequest, id),
    .started = started,
};
