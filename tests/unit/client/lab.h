// tests/unit/client/lab.h -- a small daemon for the tests beside it: the real transport over a
// table of jobs that the test moves by hand.
//
// Start it inside the test: with CK_FORK=yes gRPC must not run before the fork.  It may be stopped
// and started again; jobs and logs stay, as a daemon's do.

#ifndef AK_TESTS_LAB_H
#define AK_TESTS_LAB_H

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/rpc/server.h"
#include "tests/check.h"

enum { LAB_JOBS = 8, LAB_CALLS = 16, LAB_PERIOD_MS = 10, LAB_SILENT = 900, LAB_BYTES = 3000 };

// A job's number is its place in the table plus 1.  Job LAB_SILENT is never answered for.
typedef struct lab_job {
    const char *state, *reason;
    const char *warning; // NULL: none
    int64_t step, total_steps, asked_ranks;
    double loss;
    char log[8192];
    int version;     // goes up with each change
    bool from_start; // as it was resumed last
    Akssl__V1__JobSpec *spec;
} lab_job;

typedef struct lab_follower {
    ak_call *call; // NULL: free
    int64_t id;
    bool log, follow;
    int version;
    size_t sent;
} lab_follower;

typedef struct lab {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t stop;
    uv_timer_t timer;
    ak_server *server;
    char folder[64], path[96];
    lab_follower followers[LAB_CALLS];

    pthread_mutex_t lock; // of what follows
    lab_job jobs[LAB_JOBS];
    int job_count;
    int watches;          // streams opened so far
    bool end_early;       // end every stream with OK at once, as no daemon should
    akssl_status refuses; // every call, by the sentence beside it; 0: none
    const char *refusal;
} lab;

static inline void lab_sleep(int milliseconds)
{
    nanosleep(&(struct timespec){ milliseconds / 1000, milliseconds % 1000 * 1000000L }, NULL);
}

// ---- messages

typedef struct lab_message {
    Akssl__V1__Job job;
    Akssl__V1__Progress progress;
    Akssl__V1__Metric result, gauge, *results[1], *gauges[1];
    char *warnings[1];
} lab_message;

static inline Akssl__V1__Job *lab_fill(lab_message *m, const lab *l, int64_t id, bool with_spec)
{
    const lab_job *job = &l->jobs[id - 1];
    Akssl__V1__Job *j = &m->job;

    akssl__v1__job__init(j);
    akssl__v1__progress__init(&m->progress);
    akssl__v1__metric__init(&m->result);
    akssl__v1__metric__init(&m->gauge);
    *j = (Akssl__V1__Job){ .base = j->base,
                           .has_id = 1,
                           .id = id,
                           .state = (char *)job->state,
                           .reason = (char *)job->reason,
                           .has_submitted_ms = 1,
                           .submitted_ms = (int64_t)time(NULL) * 1000 - 5000,
                           .has_started_ms = 1,
                           .started_ms = 1000000,
                           .folder = "/state/jobs/1",
                           .has_asked_ranks = 1,
                           .asked_ranks = job->asked_ranks,
                           .has_resizing = 1,
                           .resizing = strncmp(job->reason, "resizing", 8) == 0 };
    if (with_spec)
        j->spec = job->spec;
    if (job->step >= 0) {
        j->progress = &m->progress;
        m->progress.has_step = m->progress.has_total_steps = m->progress.has_loss = 1;
        m->progress.step = job->step;
        m->progress.total_steps = job->total_steps;
        m->progress.loss = job->loss;
        m->progress.has_images_per_s = m->progress.has_eta_s = m->progress.has_epoch = 1;
        m->progress.images_per_s = 1234;
        m->progress.eta_s = 80;
        m->progress.epoch = 1.5;
        m->gauge = (Akssl__V1__Metric){ m->gauge.base, "queue.filled", 1, 64 };
        m->gauges[0] = &m->gauge;
        m->progress.gauges = m->gauges;
        m->progress.n_gauges = 1;
        m->warnings[0] = (char *)job->warning;
        m->progress.warnings = m->warnings;
        m->progress.n_warnings = job->warning != NULL;
    }
    if (strcmp(job->state, "SUCCEEDED") == 0) {
        m->result = (Akssl__V1__Metric){ m->result.base, "after.knn.top1", 1, 76.25 };
        m->results[0] = &m->result;
        j->results = m->results;
        j->n_results = 1;
        j->weights = "/state/jobs/1/export/backbone.safetensors";
        j->has_ended_ms = 1;
        j->ended_ms = 1000000 + 61000;
    }
    return j;
}

static inline bool lab_final(const char *state)
{
    return strcmp(state, "SUCCEEDED") == 0 || strcmp(state, "FAILED") == 0 ||
           strcmp(state, "CANCELLED") == 0;
}

// ---- streams

static inline void lab_feed_log(lab *l, lab_follower *f)
{
    const lab_job *job = &l->jobs[f->id - 1];
    Akssl__V1__Chunk chunk = AKSSL__V1__CHUNK__INIT;
    size_t length = strlen(job->log);

    if (length > f->sent) {
        chunk.has_data = 1;
        chunk.data.data = (uint8_t *)job->log + f->sent;
        chunk.data.len = length - f->sent;
        f->sent = length;
        ak_call_send(f->call, &chunk.base);
    }
    if (!f->follow || lab_final(job->state))
        ak_call_finish(f->call);
    else
        return;
    f->call = NULL;
}

static inline void lab_feed_watch(lab *l, lab_follower *f)
{
    const lab_job *job = &l->jobs[f->id - 1];
    Akssl__V1__Event event = AKSSL__V1__EVENT__INIT;
    lab_message m;

    if (f->version == job->version)
        return;
    event.job = lab_fill(&m, l, f->id, f->version < 0);
    f->version = job->version;
    ak_call_send(f->call, &event.base);
    if (!lab_final(job->state))
        return;
    ak_call_finish(f->call);
    f->call = NULL;
}

static inline void lab_feed(uv_timer_t *timer)
{
    lab *l = timer->data;

    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < LAB_CALLS; i++) {
        lab_follower *f = &l->followers[i];

        if (f->call && l->end_early) {
            ak_call_finish(f->call);
            f->call = NULL;
        }
        if (f->call && f->log)
            lab_feed_log(l, f);
        else if (f->call)
            lab_feed_watch(l, f);
    }
    pthread_mutex_unlock(&l->lock);
}

static inline void lab_follow(lab *l, ak_call *call, int64_t id, bool log, bool follow)
{
    for (int i = 0; i < LAB_CALLS; i++) {
        if (l->followers[i].call)
            continue;
        l->followers[i] = (lab_follower){ call, id, log, follow, -1, 0 };
        l->watches++;
        return;
    }
    ak_call_fail(call, AKSSL_ERR_LIMIT, "too many streams");
}

// ---- calls

static inline void lab_submit(lab *l, ak_call *call, const Akssl__V1__SubmitRequest *request)
{
    Akssl__V1__SubmitReply reply = AKSSL__V1__SUBMIT_REPLY__INIT;
    Akssl__V1__JobSpec *spec;
    uint8_t *bytes;
    size_t size;

    if (request->spec->method && strcmp(request->spec->method, "nosuch") == 0) {
        ak_call_fail(call, AKSSL_ERR_INVALID, "method 'nosuch': there is simclr, moco_v2");
        return;
    }
    size = akssl__v1__job_spec__get_packed_size(request->spec);
    bytes = malloc(size);
    akssl__v1__job_spec__pack(request->spec, bytes);
    spec = akssl__v1__job_spec__unpack(NULL, size, bytes);
    free(bytes);
    spec->has_ranks = 1;
    spec->ranks = 2; // what the daemon settles
    reply.spec = spec;
    reply.has_id = 1;
    if (request->dry_run)
        reply.estimate = "195 steps, 1.2 GB";
    else if (l->job_count == LAB_JOBS)
        abort();
    else
        reply.id = ++l->job_count;
    ak_call_reply(call, &reply.base);
    if (request->dry_run)
        akssl__v1__job_spec__free_unpacked(spec, NULL);
    else
        l->jobs[reply.id - 1] =
            (lab_job){ .state = "QUEUED", .reason = "", .step = -1, .spec = spec };
}

static inline void lab_list(lab *l, ak_call *call, const Akssl__V1__ListRequest *request)
{
    Akssl__V1__ListReply reply = AKSSL__V1__LIST_REPLY__INIT;
    Akssl__V1__Job *jobs[LAB_JOBS];
    lab_message m[LAB_JOBS];

    reply.jobs = jobs;
    for (int64_t id = l->job_count; id > 0; id--) {
        bool wanted = request->n_states == 0;

        for (size_t i = 0; i < request->n_states; i++)
            wanted |= strcmp(request->states[i], l->jobs[id - 1].state) == 0;
        if (wanted && (!request->has_limit || (int64_t)reply.n_jobs < request->limit)) {
            jobs[reply.n_jobs] = lab_fill(&m[reply.n_jobs], l, id, true);
            reply.n_jobs++;
        }
    }
    ak_call_reply(call, &reply.base);
}

static inline void lab_state(ak_call *call)
{
    Akssl__V1__StateReply reply = AKSSL__V1__STATE_REPLY__INIT;
    Akssl__V1__TensorInfo tensor = AKSSL__V1__TENSOR_INFO__INIT, *tensors[] = { &tensor };
    Akssl__V1__Metric insight = AKSSL__V1__METRIC__INIT, *insights[] = { &insight };

    insight.name = "mean_norm";
    insight.has_value = 1;
    insight.value = 0.5;
    tensor.name = "moco.queue";
    tensor.shape = (int64_t[]){ 4096, 128 };
    tensor.n_shape = 2;
    tensor.has_version = tensor.has_filled = tensor.has_position = 1;
    tensor.version = 195;
    tensor.filled = 4096;
    tensor.position = 512;
    tensor.digest = "00ff";
    tensor.insight = insights;
    tensor.n_insight = 1;
    reply.tensors = tensors;
    reply.n_tensors = 1;
    ak_call_reply(call, &reply.base);
}

// lab_curves tells of a loss, and of one whose columns differ in length, as no daemon's do.
static inline void lab_curves(ak_call *call)
{
    Akssl__V1__CurvesReply reply = AKSSL__V1__CURVES_REPLY__INIT;
    Akssl__V1__Curve loss = AKSSL__V1__CURVE__INIT, torn = loss, *curves[] = { &torn, &loss };

    torn.name = "torn";
    torn.step = (int64_t[]){ 1, 2 };
    torn.n_step = 2;
    loss.name = "loss";
    loss.step = (int64_t[]){ 50, 100, 150 };
    loss.mean = (double[]){ 6, 5, 4.5 };
    loss.n_step = loss.n_mean = 3;
    reply.curves = curves;
    reply.n_curves = 2;
    ak_call_reply(call, &reply.base);
}

// lab_save sends LAB_BYTES bytes in three pieces, or one too few when streams are to end early.
static inline void lab_save(lab *l, ak_call *call)
{
    Akssl__V1__StatePiece head = AKSSL__V1__STATE_PIECE__INIT, piece = head;
    uint8_t bytes[LAB_BYTES];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    head.has_size = head.has_step = 1;
    head.size = sizeof bytes;
    head.step = 195;
    head.digest = "00ff";
    ak_call_send(call, &head.base);
    for (size_t at = 0; at < 3; at++) {
        piece.has_data = 1;
        piece.data.data = bytes + at * LAB_BYTES / 3;
        piece.data.len = LAB_BYTES / 3 - (at == 2 && l->end_early);
        ak_call_send(call, &piece.base);
    }
    ak_call_finish(call);
}

// lab_verify: the second of two commits is damaged.
static inline void lab_verify(ak_call *call)
{
    Akssl__V1__VerifyReply reply = AKSSL__V1__VERIFY_REPLY__INIT;
    Akssl__V1__VerifiedCommit good = AKSSL__V1__VERIFIED_COMMIT__INIT, bad = good;
    Akssl__V1__VerifiedCommit *commits[] = { &good, &bad };
    char *others[] = { "aside-step-40" };

    good.has_step = good.has_files = good.has_bytes = good.has_made_ms = 1;
    good.step = 200;
    good.files = 3;
    good.bytes = 5000000000;
    good.made_ms = 12;
    bad = good;
    bad.step = 100;
    bad.wrong = "file 'm' has digest 00, but 11 was committed";
    reply.commits = commits;
    reply.n_commits = 2;
    reply.others = others;
    reply.n_others = 1;
    ak_call_reply(call, &reply.base);
}

static inline const char *lab_catalogue(void)
{
    return "{\"version\":\"0.1.0\",\"methods\":[{\"name\":\"simclr\",\"title\":\"two views\","
           "\"options\":[{\"name\":\"temperature\",\"type\":\"float\",\"default\":0.5,\"min\":0,"
           "\"max\":10,\"help\":\"softness\"},{\"name\":\"odd\"}]}],\"backbones\":[{\"name\":"
           "\"resnet18\",\"help\":\"11 million weights\"}],\"strange\":7}";
}

// lab_change cancels, pauses or resumes (from_start?) a job that is not over.
static inline bool lab_change(lab_job *job, ak_rpc_id rpc, bool from_start)
{
    bool paused = strcmp(job->state, "PAUSED") == 0;

    if (rpc == AK_RPC_resume && !paused)
        return false;
    job->from_start = from_start;
    if (rpc == AK_RPC_pause && strcmp(job->state, "RUNNING") == 0)
        job->reason = "is being paused";
    else
        job->state = rpc == AK_RPC_cancel ? "CANCELLED" : rpc == AK_RPC_pause ? "PAUSED" : "QUEUED";
    job->version++;
    return true;
}

static inline void lab_one(lab *l, ak_call *call, ak_rpc_id rpc, int64_t id, bool follow)
{
    lab_message m;

    if (id == LAB_SILENT)
        return;
    if (id < 1 || id > l->job_count) {
        ak_call_fail(call, AKSSL_ERR_NOT_FOUND, "job 404: there is no such job");
    } else if (rpc == AK_RPC_show) {
        ak_call_reply(call, &lab_fill(&m, l, id, true)->base);
    } else if (rpc == AK_RPC_state) {
        lab_state(call);
    } else if (rpc == AK_RPC_curves) {
        lab_curves(call);
    } else if (rpc == AK_RPC_save_state || rpc == AK_RPC_export) {
        lab_save(l, call);
    } else if (rpc == AK_RPC_verify) {
        lab_verify(call);
    } else if (rpc == AK_RPC_watch || rpc == AK_RPC_logs) {
        lab_follow(l, call, id, rpc == AK_RPC_logs, follow);
    } else if (lab_final(l->jobs[id - 1].state)) {
        ak_call_fail(call, AKSSL_ERR_STATE, "the job is over");
    } else if (lab_change(&l->jobs[id - 1], rpc, follow)) {
        ak_call_reply(call, &lab_fill(&m, l, id, true)->base);
    } else {
        ak_call_fail(call, AKSSL_ERR_STATE, "only a PAUSED job is resumed");
    }
}

static inline void lab_resize(lab *l, ak_call *call, const Akssl__V1__ResizeRequest *request)
{
    bool known = request->id >= 1 && request->id <= l->job_count;
    lab_job *job = known ? &l->jobs[request->id - 1] : NULL;
    lab_message m;

    if (job == NULL || lab_final(job->state) || request->ranks == 3) {
        lab_one(l, call, AK_RPC_resume, request->id, false); // refused
        return;
    }
    job->asked_ranks = request->ranks;
    job->version++;
    if (strcmp(job->state, "RUNNING") == 0)
        job->reason = "resizing to 2 ranks";
    ak_call_reply(call, &lab_fill(&m, l, request->id, true)->base);
}

static inline void lab_started(void *ctx, ak_call *call, ak_rpc_id rpc,
                               const ProtobufCMessage *request)
{
    Akssl__V1__CatalogueReply catalogue = AKSSL__V1__CATALOGUE_REPLY__INIT;
    lab *l = ctx;

    pthread_mutex_lock(&l->lock);
    if (l->refuses) {
        ak_call_fail(call, l->refuses, l->refusal);
        pthread_mutex_unlock(&l->lock);
        return;
    }
    switch (rpc) {
    case AK_RPC_submit:
        lab_submit(l, call, (const Akssl__V1__SubmitRequest *)request);
        break;
    case AK_RPC_list:
        lab_list(l, call, (const Akssl__V1__ListRequest *)request);
        break;
    case AK_RPC_catalogue:
        catalogue.json = (char *)lab_catalogue();
        ak_call_reply(call, &catalogue.base);
        break;
    case AK_RPC_logs:
        lab_one(l, call, rpc, ((const Akssl__V1__LogsRequest *)request)->id,
                ((const Akssl__V1__LogsRequest *)request)->follow);
        break;
    case AK_RPC_resume:
        lab_one(l, call, rpc, ((const Akssl__V1__ResumeRequest *)request)->id,
                ((const Akssl__V1__ResumeRequest *)request)->from_start);
        break;
    case AK_RPC_resize:
        lab_resize(l, call, (const Akssl__V1__ResizeRequest *)request);
        break;
    default: // the others' requests are one number
        lab_one(l, call, rpc, ((const Akssl__V1__JobRequest *)request)->id, false);
        break;
    }
    pthread_mutex_unlock(&l->lock);
}

static inline void lab_ended(void *ctx, ak_call *call, bool cancelled)
{
    lab *l = ctx;

    (void)cancelled;
    for (int i = 0; i < LAB_CALLS; i++)
        if (l->followers[i].call == call)
            l->followers[i].call = NULL;
}

// ---- life

static inline void lab_closed(void *ctx)
{
    ((lab *)ctx)->server = NULL;
}

static inline void lab_on_stop(uv_async_t *stop)
{
    lab *l = stop->data;

    ak_server_close(l->server, 0, lab_closed, l);
    uv_close((uv_handle_t *)&l->timer, NULL);
    uv_close((uv_handle_t *)stop, NULL);
}

static inline void lab_run(void *arg)
{
    uv_run(&((lab *)arg)->loop, UV_RUN_DEFAULT);
}

static inline void lab_start(lab *l)
{
    static const ak_server_events events = { .started = lab_started, .ended = lab_ended };

    ck_assert_int_eq(uv_loop_init(&l->loop), 0);
    ck_assert_int_eq(uv_async_init(&l->loop, &l->stop, lab_on_stop), 0);
    ck_assert_int_eq(uv_timer_init(&l->loop, &l->timer), 0);
    l->stop.data = l->timer.data = l;
    ck_assert_msg(ak_server_open(&l->server, &l->loop, l->path, &events, l) == 0, "%s",
                  ak_error_text());
    ck_assert_int_eq(uv_timer_start(&l->timer, lab_feed, LAB_PERIOD_MS, LAB_PERIOD_MS), 0);
    ck_assert_int_eq(uv_thread_create(&l->thread, lab_run, l), 0);
}

static inline void lab_init(lab *l)
{
    const char *tmp = getenv("TMPDIR");

    memset(l, 0, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    snprintf(l->folder, sizeof l->folder, "%s/akssl-lab-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(l->folder));
    snprintf(l->path, sizeof l->path, "%s/socket", l->folder);
}

static inline void lab_stop(lab *l)
{
    uv_async_send(&l->stop);
    uv_thread_join(&l->thread);
    ck_assert_ptr_null(l->server);
    ck_assert_int_eq(uv_loop_close(&l->loop), 0);
}

static inline void lab_fini(lab *l)
{
    for (int i = 0; i < l->job_count; i++)
        akssl__v1__job_spec__free_unpacked(l->jobs[i].spec, NULL);
    pthread_mutex_destroy(&l->lock);
    ck_assert_int_eq(rmdir(l->folder), 0);
}

// ---- what a test does with it

// lab_add puts a job in the table and gives its number.
static inline int64_t lab_add(lab *l, const char *state)
{
    ak_spec spec;
    int64_t id;

    ak_spec_init(&spec);
    pthread_mutex_lock(&l->lock);
    id = ++l->job_count;
    l->jobs[id - 1] =
        (lab_job){ .state = state, .reason = "", .step = -1, .spec = ak_rpc_spec_encode(&spec) };
    pthread_mutex_unlock(&l->lock);
    ak_spec_fini(&spec);
    return id;
}

static inline void lab_move(lab *l, int64_t id, const char *state, int64_t step)
{
    pthread_mutex_lock(&l->lock);
    l->jobs[id - 1].state = state;
    l->jobs[id - 1].step = step;
    l->jobs[id - 1].total_steps = 200;
    l->jobs[id - 1].loss = 4.25;
    l->jobs[id - 1].version++;
    pthread_mutex_unlock(&l->lock);
}

// lab_refuse has every call from now on fail so, or, with 0, no more.
static inline void lab_refuse(lab *l, akssl_status status, const char *sentence)
{
    pthread_mutex_lock(&l->lock);
    l->refuses = status;
    l->refusal = sentence;
    pthread_mutex_unlock(&l->lock);
}

static inline void lab_log(lab *l, int64_t id, const char *text)
{
    pthread_mutex_lock(&l->lock);
    strncat(l->jobs[id - 1].log, text,
            sizeof l->jobs[id - 1].log - strlen(l->jobs[id - 1].log) - 1);
    pthread_mutex_unlock(&l->lock);
}

// lab_await_watches waits until that many streams were opened.
static inline void lab_await_watches(lab *l, int count)
{
    int have = 0;

    for (int i = 0; i < 1000 && have < count; i++) {
        pthread_mutex_lock(&l->lock);
        have = l->watches;
        pthread_mutex_unlock(&l->lock);
        lab_sleep(10);
    }
    ck_assert_int_ge(have, count);
}

#endif
