// daemon/handler/join.c -- Join: rank 0's stream (daemon/uplink.h).

#include "daemon/handler/handler.h"
#include "daemon/uplink.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    ak_run *run;
    akssl_status rc = ak_uplink_open(d, call, &run);

    (void)request;
    if (rc == AKSSL_OK)
        ak_call_set_user(call, run);
    return rc;
}

static void received(ak_daemon *d, ak_call *call, const ProtobufCMessage *message)
{
    ak_run *run = ak_call_user(call);

    (void)d;
    if (run)
        ak_uplink_receive(run, (const Akssl__V1__WorkerMessage *)message);
}

static void drained(ak_daemon *d, ak_call *call)
{
    ak_run *run = ak_call_user(call);

    (void)d;
    if (run)
        ak_uplink_drained(run);
}

static void ended(ak_daemon *d, ak_call *call)
{
    ak_run *run = ak_call_user(call);

    (void)d;
    if (run)
        ak_uplink_ended(run);
}

const ak_handler ak_handler_join = {
    .access = AK_ACCESS_RUN,
    .started = started,
    .received = received,
    .drained = drained,
    .ended = ended,
};
