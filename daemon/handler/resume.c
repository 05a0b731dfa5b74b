// daemon/handler/resume.c -- Resume: a paused job is queued again, and goes on from its last
// commit, or from the start.

#include "daemon/handler/answer.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__ResumeRequest *message = (const Akssl__V1__ResumeRequest *)request;

    return ak_control_resume(d, message->id, message->from_start, ak_answer_seen,
                             &(ak_answer){ d, call });
}

const ak_handler ak_handler_resume = {
    .access = AK_ACCESS_SUBMIT,
    .job_at = offsetof(Akssl__V1__ResumeRequest, id),
    .started = started,
};
