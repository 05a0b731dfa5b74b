// client/lib/watch.c -- watch, wait and logs: calls that go on until a job is over.

#include "client/lib/lib.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

// ---- watch and wait

typedef struct watcher {
    int64_t id;
    akssl_event_fn fn;
    void *ctx;
    akssl_job *job; // as last heard of
} watcher;

static akssl_status tell(void *self, akssl_event_kind kind, const char *reason)
{
    watcher *w = self;
    akssl_event event = { .kind = kind, .job = w->job, .reason = reason };

    if (w->fn && w->fn(w->ctx, &event))
        return ak_fail(AKSSL_ERR_CANCELLED, "watching job %lld was stopped; the job goes on",
                       (long long)w->id);
    return AKSSL_OK;
}

static akssl_status take_event(void *self, ProtobufCMessage *message)
{
    Akssl__V1__Event *event = (Akssl__V1__Event *)message;
    watcher *w = self;
    akssl_job *job;

    if (!event->job) {
        akssl__v1__event__free_unpacked(event, NULL);
        return AKSSL_OK;
    }
    job = ak_job_take(event->job);
    event->job = NULL; // the job's now
    akssl__v1__event__free_unpacked(event, NULL);
    if (w->job)
        ak_job_inherit(job, w->job);
    akssl_job_free(w->job);
    w->job = job;
    return tell(w, AKSSL_EVENT_JOB, "");
}

static bool job_over(void *self)
{
    const watcher *w = self;

    return w->job && akssl_job_state_final(w->job->state);
}

static akssl_status watch(akssl_client *client, watcher *w, int64_t deadline_ns, akssl_job **last)
{
    Akssl__V1__WatchRequest request = AKSSL__V1__WATCH_REQUEST__INIT;
    const ak_follow follow = {
        .client = client,
        .rpc = AK_RPC_watch,
        .request = &request.base,
        .deadline_ns = deadline_ns,
        .first_ms = client->timeout_ms,
        .take = take_event,
        .event = tell,
        .ended = job_over,
        .self = w,
    };
    akssl_status rc;

    request.has_id = 1;
    request.id = w->id;
    rc = ak_follow_run(&follow);
    if (rc >= 0 && last) {
        *last = w->job;
        w->job = NULL;
    }
    akssl_job_free(w->job);
    return rc;
}

akssl_status akssl_client_watch(akssl_client *client, int64_t id, akssl_event_fn fn, void *ctx,
                                akssl_job **last)
{
    watcher w = { .id = id, .fn = fn, .ctx = ctx };

    return watch(client, &w, 0, last);
}

akssl_status akssl_client_wait(akssl_client *client, int64_t id, int64_t timeout_ms,
                               akssl_job **out)
{
    watcher w = { .id = id };

    return watch(client, &w, timeout_ms > 0 ? ak_clock_ns() + timeout_ms * 1000000 : 0, out);
}

// ---- logs

// A stream that starts again starts at the log's first byte: `seen` bytes of it are skipped.
typedef struct reader {
    akssl_client *client;
    int64_t id;
    bool follow;
    akssl_chunk_fn fn;
    void *ctx;
    uint64_t seen, at; // bytes handed on; position in the present stream
} reader;

static akssl_status hand_on(reader *r, const char *bytes, size_t length)
{
    if (r->fn(r->ctx, bytes, length))
        return ak_fail(AKSSL_ERR_CANCELLED, "reading the log of job %lld was stopped",
                       (long long)r->id);
    return AKSSL_OK;
}

static void restart(void *self)
{
    ((reader *)self)->at = 0;
}

static akssl_status take_chunk(void *self, ProtobufCMessage *message)
{
    Akssl__V1__Chunk *chunk = (Akssl__V1__Chunk *)message;
    akssl_status rc = AKSSL_OK;
    reader *r = self;
    size_t skip, length = chunk->has_data ? chunk->data.len : 0;

    skip = r->seen - r->at < length ? (size_t)(r->seen - r->at) : length;
    r->at += length;
    if (length > skip) {
        r->seen = r->at;
        rc = hand_on(r, (const char *)chunk->data.data + skip, length - skip);
    }
    akssl__v1__chunk__free_unpacked(chunk, NULL);
    return rc;
}

static akssl_status tick_log(void *self, akssl_event_kind kind, const char *reason)
{
    (void)reason;
    return kind == AKSSL_EVENT_TICK ? hand_on(self, "", 0) : AKSSL_OK;
}

// A daemon that stops may end the stream before the job is over.
static bool log_over(void *self)
{
    const reader *r = self;
    akssl_job *job = NULL;
    bool over = !r->follow;

    if (r->follow && akssl_client_show(r->client, r->id, &job) >= 0) {
        over = akssl_job_state_final(job->state);
        akssl_job_free(job);
    }
    return over;
}

akssl_status akssl_client_logs(akssl_client *client, int64_t id, int follow, akssl_chunk_fn fn,
                               void *ctx)
{
    Akssl__V1__LogsRequest request = AKSSL__V1__LOGS_REQUEST__INIT;
    reader r = { .client = client, .id = id, .follow = follow != 0, .fn = fn, .ctx = ctx };
    const ak_follow f = {
        .client = client,
        .rpc = AK_RPC_logs,
        .request = &request.base,
        .opened = restart,
        .take = take_chunk,
        .event = tick_log,
        .ended = log_over,
        .self = &r,
    };

    request.has_id = 1;
    request.id = id;
    request.has_follow = 1;
    request.follow = r.follow;
    return ak_follow_run(&f);
}
