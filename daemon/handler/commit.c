// daemon/handler/commit.c -- Commit: the ranks' files of a step, with the state of the same step
// (daemon/committer.h).

#include "daemon/committer.h"
#include "daemon/handler/handler.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__CommitRequest *message = (const Akssl__V1__CommitRequest *)request;
    ak_run *run;
    akssl_status rc = ak_run_find(d, message->job, message->run, ak_call_secret(call), &run);

    return rc < 0 ? rc : ak_committer_request(run, call, message);
}

static void ended(ak_daemon *d, ak_call *call)
{
    ak_run *run = ak_call_user(call);

    (void)d;
    if (run)
        ak_committer_ended(run);
}

const ak_handler ak_handler_commit = {
    .access = AK_ACCESS_RUN,
    .started = started,
    .ended = ended,
};
