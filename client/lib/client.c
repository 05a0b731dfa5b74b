// client/lib/client.c -- the requests that are one question and one answer.

#include "akssl/client.h"

#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "akssl/version.h"
#include "client/lib/lib.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/rpc/address.h"

// REVIVE_MS: gRPC's back-off, and a handshake.
enum { MAX_STATES = 64, REVIVE_MS = 2000 };

const char *akssl_version(void)
{
    return AKSSL_VERSION;
}

void akssl_free(char *text)
{
    free(text);
}

const char *akssl_client_server(const akssl_client *client)
{
    return ak_channel_address(client->channel);
}

void akssl_client_set_timeout(akssl_client *client, int64_t milliseconds)
{
    client->timeout_ms = milliseconds > 0 ? milliseconds : 1;
}

void akssl_client_set_patience(akssl_client *client, int64_t milliseconds)
{
    client->patience_ms = milliseconds > 0 ? milliseconds : 0;
}

akssl_status ak_client_judge(const akssl_client *client, akssl_status rc)
{
    if (rc == AKSSL_ERR_UNAVAILABLE && ak_error_told())
        return AKSSL_ERR_STATE;
    if (rc == AKSSL_ERR_DEADLINE && ak_error_told())
        return AKSSL_ERR_LIMIT;
    if (rc != AKSSL_ERR_UNAVAILABLE ||
        ak_address_kind_of(akssl_client_server(client), NULL) != AK_ADDRESS_UNIX)
        return rc;
    return ak_fail(rc,
                   "%s; start one with `akssld --state-dir DIR`, and name its socket, "
                   "DIR/akssld.sock, in AKSSL_SERVER or --server",
                   ak_error_text());
}

void ak_client_revive(const akssl_client *client)
{
    ak_channel_revive(client->channel,
                      client->timeout_ms < REVIVE_MS ? client->timeout_ms : REVIVE_MS);
}

akssl_status ak_client_call(akssl_client *client, ak_rpc_id rpc, const ProtobufCMessage *request,
                            ProtobufCMessage **reply)
{
    int64_t began_ns = ak_clock_ns();
    akssl_status rc;

    ak_client_revive(client);
    rc = ak_channel_call(client->channel, rpc, request,
                         client->timeout_ms - (ak_clock_ns() - began_ns) / 1000000, reply);
    return ak_client_judge(client, rc);
}

// ---- submit

typedef enum submit_how { SUBMIT, SUBMIT_HELD, SUBMIT_DRY } submit_how;

static akssl_status submit(akssl_client *client, const akssl_job_spec *spec, submit_how how,
                           Akssl__V1__SubmitReply **reply)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    akssl_status rc;

    request.spec = ak_rpc_spec_encode_given(&spec->spec);
    request.has_dry_run = request.has_hold = 1;
    request.dry_run = how == SUBMIT_DRY;
    request.hold = how == SUBMIT_HELD;
    rc = ak_client_call(client, AK_RPC_submit, &request.base, &answer);
    akssl__v1__job_spec__free_unpacked(request.spec, NULL);
    if (rc >= 0)
        *reply = (Akssl__V1__SubmitReply *)answer;
    return rc;
}

static akssl_status give_resolved(const Akssl__V1__SubmitReply *reply, akssl_job_spec **resolved)
{
    akssl_job_spec *spec;

    if (!resolved)
        return AKSSL_OK;
    spec = ak_job_spec_decode(reply->spec);
    if (!spec)
        return ak_fail(AKSSL_ERR_UNSUPPORTED,
                       "the daemon's resolved spec holds what this library does not know: use a "
                       "library of the daemon's version");
    *resolved = spec;
    return AKSSL_OK;
}

static akssl_status submit_job(akssl_client *client, const akssl_job_spec *spec, submit_how how,
                               int64_t *id, akssl_job_spec **resolved)
{
    Akssl__V1__SubmitReply *reply = NULL;
    akssl_status rc = submit(client, spec, how, &reply);

    if (rc < 0)
        return rc;
    if (!reply->has_id || reply->id < 1) {
        rc = ak_fail(AKSSL_ERR_INTERNAL, "the daemon took the job but gave it no number: look "
                                         "for it with `akssl-client list`");
        goto out;
    }
    *id = reply->id;
    // The job is queued: a spec that cannot be shown must not read as a failed submit.
    if (resolved && give_resolved(reply, resolved) < 0)
        *resolved = akssl_job_spec_copy(spec);
out:
    akssl__v1__submit_reply__free_unpacked(reply, NULL);
    return rc;
}

akssl_status akssl_client_submit(akssl_client *client, const akssl_job_spec *spec, int64_t *id,
                                 akssl_job_spec **resolved)
{
    return submit_job(client, spec, SUBMIT, id, resolved);
}

akssl_status akssl_client_submit_held(akssl_client *client, const akssl_job_spec *spec, int64_t *id,
                                      akssl_job_spec **resolved)
{
    return submit_job(client, spec, SUBMIT_HELD, id, resolved);
}

akssl_status akssl_client_dry_run(akssl_client *client, const akssl_job_spec *spec,
                                  akssl_job_spec **resolved, char **estimate)
{
    Akssl__V1__SubmitReply *reply = NULL;
    akssl_status rc = submit(client, spec, SUBMIT_DRY, &reply);

    if (rc < 0)
        return rc;
    rc = give_resolved(reply, resolved);
    if (rc >= 0 && estimate)
        *estimate = ak_strdup(reply->estimate ? reply->estimate : "");
    akssl__v1__submit_reply__free_unpacked(reply, NULL);
    return rc;
}

// A prediction, and the reply that it points into.
typedef struct prediction {
    akssl_prediction seen; // first
    Akssl__V1__SubmitReply *reply;
    akssl_value values[];
} prediction;

static prediction *prediction_take(Akssl__V1__SubmitReply *reply)
{
    prediction *p = calloc(1, sizeof *p + reply->n_prediction * sizeof *p->values);

    if (!p)
        return NULL;
    for (size_t i = 0; i < reply->n_prediction; i++) {
        const Akssl__V1__Metric *value = reply->prediction[i];

        p->values[i].name = value->name ? value->name : "";
        p->values[i].value = value->has_value ? value->value : (double)NAN;
    }
    p->seen.sentence = reply->estimate ? reply->estimate : "";
    p->seen.value_count = reply->n_prediction;
    p->seen.values = p->values;
    p->reply = reply;
    return p;
}

akssl_status akssl_client_predict(akssl_client *client, const akssl_job_spec *spec,
                                  akssl_job_spec **resolved, akssl_prediction **out)
{
    Akssl__V1__SubmitReply *reply = NULL;
    akssl_status rc = submit(client, spec, SUBMIT_DRY, &reply);
    prediction *p;

    if (rc < 0)
        return rc;
    p = prediction_take(reply);
    rc = p ? give_resolved(reply, resolved) : ak_fail(AKSSL_ERR_NO_MEMORY, "predict: no memory");
    if (rc < 0) {
        free(p);
        akssl__v1__submit_reply__free_unpacked(reply, NULL);
        return rc;
    }
    *out = &p->seen;
    return AKSSL_OK;
}

void akssl_prediction_free(akssl_prediction *seen)
{
    prediction *p = (prediction *)seen;

    if (!p)
        return;
    akssl__v1__submit_reply__free_unpacked(p->reply, NULL);
    free(p);
}

// ---- list, show, cancel, pause, resume, resize

static akssl_job_list *take_list(Akssl__V1__ListReply *reply)
{
    akssl_job_list *list = ak_alloc(1, sizeof *list);

    list->count = reply->n_jobs;
    list->jobs = ak_alloc(reply->n_jobs ? reply->n_jobs : 1, sizeof(akssl_job *));
    for (size_t i = 0; i < list->count; i++)
        list->jobs[i] = ak_job_take(reply->jobs[i]);
    reply->n_jobs = 0; // they are the list's now
    akssl__v1__list_reply__free_unpacked(reply, NULL);
    return list;
}

akssl_status akssl_client_find(akssl_client *client, const akssl_query *query, akssl_job_list **out)
{
    Akssl__V1__ListRequest request = AKSSL__V1__LIST_REQUEST__INIT;
    const char *names[MAX_STATES];
    ProtobufCMessage *reply = NULL;
    akssl_status rc;

    if (query->state_count > MAX_STATES)
        return ak_fail(AKSSL_ERR_INVALID, "list: %zu states are more than there are",
                       query->state_count);
    if (query->limit < 0)
        return ak_fail(AKSSL_ERR_INVALID, "list: a limit is 1 or more (0: the daemon's own)");
    for (size_t i = 0; i < query->state_count; i++)
        names[i] = akssl_job_state_text(query->states[i]);
    request.states = (char **)names;
    request.n_states = query->state_count;
    request.has_limit = query->limit > 0;
    request.limit = query->limit;
    request.owner = (char *)query->owner;
    request.name = (char *)query->name;
    request.has_before = query->before > 0;
    request.before = query->before;
    rc = ak_client_call(client, AK_RPC_list, &request.base, &reply);
    if (rc == AKSSL_ERR_LIMIT && !ak_error_told()) // the answer was too long
        return ak_wrap(rc, "list: ask for fewer jobs at a time");
    if (rc >= 0)
        *out = take_list((Akssl__V1__ListReply *)reply);
    return rc;
}

akssl_status akssl_client_list(akssl_client *client, const akssl_job_state *states, size_t count,
                               int64_t limit, akssl_job_list **out)
{
    const akssl_query query = { .states = states, .state_count = count, .limit = limit };

    return akssl_client_find(client, &query, out);
}

static akssl_status ask(akssl_client *client, ak_rpc_id rpc, const ProtobufCMessage *request,
                        akssl_job **out)
{
    ProtobufCMessage *reply = NULL;
    akssl_job *job;
    akssl_status rc = ak_client_call(client, rpc, request, &reply);

    if (rc < 0)
        return rc;
    job = ak_job_take((Akssl__V1__Job *)reply);
    if (out)
        *out = job;
    else
        akssl_job_free(job);
    return rc;
}

static akssl_status ask_job(akssl_client *client, ak_rpc_id rpc, int64_t id, akssl_job **out)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;

    request.has_id = 1;
    request.id = id;
    return ask(client, rpc, &request.base, out);
}

akssl_status akssl_client_show(akssl_client *client, int64_t id, akssl_job **out)
{
    return ask_job(client, AK_RPC_show, id, out);
}

akssl_status akssl_client_cancel(akssl_client *client, int64_t id, akssl_job **out)
{
    return ask_job(client, AK_RPC_cancel, id, out);
}

akssl_status akssl_client_pause(akssl_client *client, int64_t id, akssl_job **out)
{
    return ask_job(client, AK_RPC_pause, id, out);
}

static akssl_status resume(akssl_client *client, int64_t id, bool from_start, akssl_job **out)
{
    Akssl__V1__ResumeRequest request = AKSSL__V1__RESUME_REQUEST__INIT;

    request.has_id = request.has_from_start = 1;
    request.id = id;
    request.from_start = from_start;
    return ask(client, AK_RPC_resume, &request.base, out);
}

akssl_status akssl_client_resume(akssl_client *client, int64_t id, akssl_job **out)
{
    return resume(client, id, false, out);
}

akssl_status akssl_client_restart(akssl_client *client, int64_t id, akssl_job **out)
{
    return resume(client, id, true, out);
}

akssl_status akssl_client_resize(akssl_client *client, int64_t id, int64_t ranks, akssl_job **out)
{
    Akssl__V1__ResizeRequest request = AKSSL__V1__RESIZE_REQUEST__INIT;

    request.has_id = request.has_ranks = 1;
    request.id = id;
    request.ranks = ranks;
    return ask(client, AK_RPC_resize, &request.base, out);
}

akssl_status akssl_client_hold(akssl_client *client, int64_t id, akssl_job **out)
{
    return ask_job(client, AK_RPC_hold, id, out);
}

akssl_status akssl_client_release(akssl_client *client, int64_t id, akssl_job **out)
{
    return ask_job(client, AK_RPC_release, id, out);
}

akssl_status akssl_client_requeue(akssl_client *client, int64_t id, akssl_job **out)
{
    return ask_job(client, AK_RPC_requeue, id, out);
}

akssl_status akssl_client_edit(akssl_client *client, int64_t id, const akssl_job_spec *spec,
                               akssl_job **out)
{
    Akssl__V1__EditRequest request = AKSSL__V1__EDIT_REQUEST__INIT;
    akssl_status rc;

    request.has_id = 1;
    request.id = id;
    request.spec = ak_rpc_spec_encode_given(&spec->spec);
    rc = ask(client, AK_RPC_edit, &request.base, out);
    akssl__v1__job_spec__free_unpacked(request.spec, NULL);
    return rc;
}

akssl_status akssl_client_catalogue(akssl_client *client, char **json)
{
    Akssl__V1__CatalogueRequest request = AKSSL__V1__CATALOGUE_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    Akssl__V1__CatalogueReply *reply;
    akssl_status rc = ak_client_call(client, AK_RPC_catalogue, &request.base, &answer);

    if (rc < 0)
        return rc;
    reply = (Akssl__V1__CatalogueReply *)answer;
    *json = ak_strdup(reply->json ? reply->json : "{}");
    akssl__v1__catalogue_reply__free_unpacked(reply, NULL);
    return rc;
}
