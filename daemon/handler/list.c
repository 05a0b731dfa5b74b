// daemon/handler/list.c -- List: the newest jobs, each with the brief part of its spec.
//
// A job that has not ended is told as it is in memory.  The reply keeps under a message's limit:
// what does not fit is left out, oldest first.

#include <stdlib.h>

#include "daemon/handler/handler.h"
#include "daemon/wire.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { DEFAULT_LIMIT = 1000, MAX_LIMIT = 100000, ROOM = AK_RPC_MAX_MESSAGE - (64 << 10) };

typedef struct listing {
    ak_daemon *d;
    Akssl__V1__Job **jobs;
    size_t count, room, bytes;
} listing;

static bool see(void *ctx, const ak_job *row)
{
    listing *l = ctx;
    const ak_job *active = ak_jobs_find(&l->d->jobs, row->id);
    Akssl__V1__Job *copy;
    ak_wire wire;
    size_t size;
    uint8_t *bytes;

    ak_wire_job(&wire, active ? active : row, l->d->config->state_dir, AK_WIRE_BRIEF_SPEC);
    size = akssl__v1__job__get_packed_size(&wire.job);
    bytes = ak_alloc(size, 1);
    akssl__v1__job__pack(&wire.job, bytes);
    ak_wire_fini(&wire);
    copy = akssl__v1__job__unpack(NULL, size, bytes);
    free(bytes);
    l->bytes += size + 8;
    if (!copy || l->bytes > ROOM) {
        if (copy)
            akssl__v1__job__free_unpacked(copy, NULL);
        return false;
    }
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->jobs = ak_realloc(l->jobs, l->room, sizeof *l->jobs);
    }
    l->jobs[l->count++] = copy;
    return true;
}

static akssl_status read_states(const Akssl__V1__ListRequest *message, unsigned *states)
{
    *states = 0;
    for (size_t i = 0; i < message->n_states; i++) {
        ak_job_state state = ak_job_state_parse(message->states[i]);

        if (!state)
            return ak_fail(AKSSL_ERR_INVALID,
                           "state '%.64s': give QUEUED, STARTING, RUNNING, PAUSED, SUCCEEDED, "
                           "FAILED, CANCELLED or TIMEOUT",
                           message->states[i]);
        *states |= 1u << state;
    }
    return AKSSL_OK;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__ListRequest *message = (const Akssl__V1__ListRequest *)request;
    Akssl__V1__ListReply reply = AKSSL__V1__LIST_REPLY__INIT;
    int64_t limit = message->has_limit && message->limit ? message->limit : DEFAULT_LIMIT;
    listing l = { .d = d };
    ak_filter filter = {
        .owner = message->owner, .name = message->name, .before = message->before, .limit = limit
    };
    akssl_status rc;

    if (limit < 1 || limit > MAX_LIMIT)
        return ak_fail(AKSSL_ERR_INVALID, "limit %lld: give 1 to %d", (long long)limit, MAX_LIMIT);
    rc = read_states(message, &filter.states);
    if (rc == AKSSL_OK)
        rc = ak_store_list(d->store, &filter, see, &l);
    if (rc == AKSSL_OK) {
        reply.jobs = l.jobs;
        reply.n_jobs = l.count;
        ak_call_reply(call, &reply.base);
    }
    for (size_t i = 0; i < l.count; i++)
        akssl__v1__job__free_unpacked(l.jobs[i], NULL);
    free(l.jobs);
    return rc;
}

const ak_handler ak_handler_list = {
    .access = AK_ACCESS_READ,
    .started = started,
};
