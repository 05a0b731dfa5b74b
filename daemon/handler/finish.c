// daemon/handler/finish.c -- Finish: how the run ended, in rank 0's words.
//
// Stored before it is answered, so that a daemon that dies now does not run the job again.

#include <string.h>

#include "daemon/handler/handler.h"
#include "daemon/uplink.h"
#include "proto/base/error.h"

enum { MAX_TEXT = 4096 };

static akssl_status read_outcome(const Akssl__V1__FinishRequest *message, ak_job_state *outcome)
{
    const char *text = message->outcome ? message->outcome : "";

    if ((message->reason && strlen(message->reason) > MAX_TEXT) ||
        (message->weights && strlen(message->weights) > MAX_TEXT))
        return ak_fail(AKSSL_ERR_LIMIT, "finish: reason and weights have at most %d bytes",
                       MAX_TEXT);
    if (strcmp(text, "succeeded") == 0)
        *outcome = AK_JOB_SUCCEEDED;
    else if (strcmp(text, "failed") == 0)
        *outcome = AK_JOB_FAILED;
    else if (strcmp(text, "stopped") == 0)
        *outcome = 0;
    else if (strcmp(text, "paused") == 0)
        *outcome = AK_JOB_PAUSED;
    else
        return ak_fail(AKSSL_ERR_INVALID,
                       "finish: outcome '%.64s': give succeeded, failed, stopped or paused", text);
    return AKSSL_OK;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__FinishRequest *message = (const Akssl__V1__FinishRequest *)request;
    Akssl__V1__FinishReply reply = AKSSL__V1__FINISH_REPLY__INIT;
    ak_job_state outcome = 0;
    ak_run *run;
    akssl_status rc;

    rc = ak_run_find(d, message->job, message->run, ak_call_secret(call), &run);
    if (rc == AKSSL_OK && (run->phase == AK_RUN_PREPARING || run->phase == AK_RUN_LAUNCHED))
        rc = ak_fail(AKSSL_ERR_STATE, "finish: rank 0 has not joined");
    if (rc == AKSSL_OK)
        rc = read_outcome(message, &outcome);
    if (rc == AKSSL_OK)
        rc = ak_figures_merge(&run->job->figures, NULL, message->n_results, message->results);
    if (rc < 0)
        return rc;
    if (message->weights && message->weights[0])
        ak_text_set(&run->job->weights, message->weights);
    ak_run_finished(run, outcome,
                    message->reason && message->reason[0] ? message->reason
                    : outcome                             ? "the worker gave no reason"
                                                          : "");
    if (outcome && run->job->dirty) // the worker says it again
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "finish: it cannot be stored yet");
    ak_call_reply(call, &reply.base);
    ak_uplink_finish(run);
    return AKSSL_OK;
}

const ak_handler ak_handler_finish = {
    .access = AK_ACCESS_RUN,
    .started = started,
};
