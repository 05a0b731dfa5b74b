// tests/sim/call.c -- what akssld asks of a call: who makes it, and what it has noted there.

#include <string.h>
#include <unistd.h>

#include "tests/sim/net.h"
#include "tests/sim/procs.h"

ak_rpc_id ak_call_rpc(const ak_call *call)
{
    return call->rpc;
}

uid_t ak_call_uid(const ak_call *call)
{
    (void)call;
    return geteuid();
}

static const char *secret_of_run(const char *id)
{
    for (const sim_run *run = sim_here->procs->runs; run; run = run->next)
        if (run->secret && strcmp(run->id, id) == 0)
            return run->secret;
    return "";
}

const char *ak_call_secret(const ak_call *call)
{
    if (sim_here->plant == SIM_PLANT_ADOPT_MARK && call->run[0])
        return secret_of_run(call->run);
    return call->secret;
}

// Everybody is whoever runs akssld.
const char *ak_call_token(const ak_call *call)
{
    (void)call;
    return "";
}

const char *ak_call_peer(const ak_call *call)
{
    (void)call;
    return "";
}

const char *ak_call_peer_name(const ak_call *call)
{
    (void)call;
    return "";
}

void ak_call_vouch(ak_call *call)
{
    (void)call;
}

void ak_call_set_caller(ak_call *call, void *who)
{
    call->who = who;
}

void *ak_call_caller(const ak_call *call)
{
    return call->who;
}

akssl_status ak_call_outcome(const ak_call *call)
{
    return call->rc;
}

void ak_call_set_user(ak_call *call, void *user)
{
    call->user = user;
}

void *ak_call_user(const ak_call *call)
{
    return call->user;
}
