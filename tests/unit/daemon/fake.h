// tests/unit/daemon/fake.h -- a worker that keeps to the protocol and trains nothing.
//
// The test program is its own akssl-worker: with check, catalogue or run as its first argument it
// plays that part.  What it does in a run is the spec's name:
//
//   plain        STEPS steps, each pushes rows that are a function of the step; commits; succeeds
//   crash        the same, but is killed once at step CRASH_AT
//   crash_always is killed there every time
//   fail         finishes as failed          gap    pushes a version too far
//   slow         a step takes 50 ms          deaf   the same, and nothing but SIGKILL ends it
//   quit         ends without a word
//   whole        holds a centre too, which it replaces every second step, around the queue's push
//   whole_crash  the same, but is killed once at step CRASH_AT
//   whole_pause  the same, but a step takes 100 ms
//   collapse     warns, and finishes as paused at step CRASH_AT, once; then as plain
//   alone        commits by itself at step CRASH_AT, once, and ends without a word
//   alone_bad    the same, but what it leaves is damaged
//   alone_late   the same, but something is in the way of the commit
//   shy          slow, and begins its stream anew at step CRASH_AT, once, with its Hello 2 s late
//   stale        says its first Hello again, on another stream, at step CRASH_AT; then as plain
//   twice        asks for two commits at once, at step CRASH_AT; then as plain
//
// When the daemon goes it comes back to the next one, for MEND_S seconds: with its replica, as the
// real one does.

#ifndef AK_TESTS_DAEMON_FAKE_H
#define AK_TESTS_DAEMON_FAKE_H

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/state/state.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"
#include "proto/format/manifest.h"
#include "proto/rpc/channel.h"

enum {
    FAKE_STEPS = 11,
    FAKE_COMMIT = 3,
    FAKE_CRASH_AT = 8,
    FAKE_ROWS = 8,
    FAKE_WIDTH = 4,
    FAKE_PUSH = 3,
    FAKE_WIDE = 5000, // of the centre
    FAKE_SLOW_STEPS = 2000,
    FAKE_MEND_S = 40,
};

typedef struct fake {
    const char *server, *run, *secret_file;
    int64_t job;
    ak_channel *channel;
    ak_stream *stream;
    char folder[4096], mode[32];
    int64_t step, ranks;
    bool restored, broken; // broken: the stream
    bool shy;
    float queue[FAKE_ROWS * FAKE_WIDTH], centre[FAKE_WIDE];
    int64_t centre_version;
} fake;

static inline void fake_sleep(int ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

    nanosleep(&t, NULL);
}

static inline void fake_die(const char *what)
{
    fprintf(stderr, "akssl-worker: rank 0: %s: %s\n", what, ak_error_text());
    exit(3);
}

static inline int fake_check(const char *path)
{
    ak_str text = AK_STR_INIT;
    int code = 1;
    ak_spec spec;

    ak_spec_init(&spec);
    if (ak_spec_read_file(&spec, path) < 0) {
        fprintf(stderr, "%s\n", ak_error_text());
    } else if (strcmp(spec.method, "nonesuch") == 0) {
        fprintf(stderr, "noise first\nmethod 'nonesuch': no such method\n");
    } else {
        free(spec.batch_norm);
        spec.batch_norm = strdup("sync");
        code = ak_spec_write_yaml(&spec, &text) < 0;
        printf("# estimate: 11 steps\n%s", text.text ? text.text : "");
    }
    ak_spec_fini(&spec);
    ak_str_fini(&text);
    return code;
}

static inline bool fake_passes(akssl_status rc)
{
    return rc == AKSSL_ERR_UNAVAILABLE || rc == AKSSL_ERR_DEADLINE;
}

// What cannot be sent is part of what fake_mend sends.
static inline void fake_send(fake *f, Akssl__V1__WorkerMessage *m)
{
    akssl_status rc = f->broken ? AKSSL_OK : ak_stream_send(f->stream, &m->base);

    if (rc < 0 && !fake_passes(rc))
        fake_die("send");
    f->broken |= rc < 0;
}

static inline void fake_hello(fake *f, bool rejoin)
{
    Akssl__V1__WorkerMessage m = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__Hello hello = AKSSL__V1__HELLO__INIT;

    hello.has_job = hello.has_ranks = 1;
    hello.job = f->job;
    hello.run = (char *)f->run;
    hello.ranks = f->ranks;
    hello.has_rejoin = 1;
    hello.rejoin = rejoin;
    m.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HELLO;
    m.hello = &hello;
    fake_send(f, &m);
}

static inline Akssl__V1__CoordinatorMessage *fake_receive(fake *f, int64_t timeout_ms)
{
    ProtobufCMessage *m = NULL;
    akssl_status rc = ak_stream_receive(f->stream, timeout_ms, &m);

    f->broken |= rc == AKSSL_ERR_UNAVAILABLE;
    if (fake_passes(rc))
        return NULL;
    if (rc < 0 || !m)
        fake_die("receive");
    return (Akssl__V1__CoordinatorMessage *)m;
}

// fake_welcome takes the start: spec, resume step, and the state, whose ring must be what the
// steps up to there made it; at step 0, another job's state.
static inline void fake_welcome(fake *f)
{
    Akssl__V1__CoordinatorMessage *m = fake_receive(f, 20000);
    ak_spec spec;

    if (!m || m->body_case != AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME)
        fake_die("no welcome");
    ak_spec_init(&spec);
    if (ak_spec_read_yaml(&spec, m->welcome->spec_yaml, strlen(m->welcome->spec_yaml), "spec") < 0)
        fake_die("spec");
    snprintf(f->mode, sizeof f->mode, "%s", spec.name);
    snprintf(f->folder, sizeof f->folder, "%s", m->welcome->folder);
    f->step = m->welcome->resume_step;
    f->restored = m->welcome->restored;
    f->centre_version = f->step;
    ak_spec_fini(&spec);
    for (bool more = f->restored; more;) {
        akssl__v1__coordinator_message__free_unpacked(m, NULL);
        m = fake_receive(f, 20000);
        if (!m)
            fake_die("no state");
        if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_HEAD && f->step == 0)
            fprintf(stderr, "fake takes %s of version %" PRId64 "\n", m->head->name,
                    m->head->version);
        else if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_HEAD &&
                 (m->head->version != f->step ||
                  (strcmp(m->head->name, "moco.queue") == 0 &&
                   m->head->position != f->step * FAKE_PUSH % FAKE_ROWS)))
            fake_die("the state is not of the resume step");
        if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_CHUNK)
            memcpy((uint8_t *)(strcmp(m->chunk->name, "moco.queue") == 0 ? f->queue : f->centre) +
                       m->chunk->offset,
                   m->chunk->data.data, m->chunk->data.len);
        more = m->body_case != AKSSL__V1__COORDINATOR_MESSAGE__BODY_STATE_END;
    }
    akssl__v1__coordinator_message__free_unpacked(m, NULL);
}

static inline void fake_head(fake *f, const char *name, int64_t rows, int64_t width,
                             int64_t version)
{
    Akssl__V1__WorkerMessage m = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__TensorHead head = AKSSL__V1__TENSOR_HEAD__INIT;
    int64_t shape[2] = { rows, width };

    head.name = (char *)name;
    head.n_shape = 2;
    head.shape = shape;
    head.has_version = head.has_filled = 1;
    head.version = version;
    head.filled = version * FAKE_PUSH < rows ? version * FAKE_PUSH : rows;
    head.has_position = rows == FAKE_ROWS;
    head.position = version * FAKE_PUSH % FAKE_ROWS;
    m.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HEAD;
    m.head = &head;
    fake_send(f, &m);
}

static inline void fake_chunk(fake *f, const char *name, size_t offset, const float *values,
                              size_t size)
{
    Akssl__V1__WorkerMessage m = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__TensorChunk chunk = AKSSL__V1__TENSOR_CHUNK__INIT;

    chunk.name = (char *)name;
    chunk.has_offset = chunk.has_data = 1;
    chunk.offset = offset;
    chunk.data = (ProtobufCBinaryData){ size, (uint8_t *)values };
    m.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_CHUNK;
    m.chunk = &chunk;
    fake_send(f, &m);
}

static inline bool fake_has_centre(const fake *f)
{
    return strncmp(f->mode, "whole", 5) == 0;
}

static inline void fake_declare(fake *f)
{
    fake_head(f, "moco.queue", FAKE_ROWS, FAKE_WIDTH, f->step);
    fake_chunk(f, "moco.queue", 0, f->queue, sizeof f->queue);
    if (!fake_has_centre(f))
        return;
    fake_head(f, "dino.center", 1, FAKE_WIDE, f->centre_version);
    fake_chunk(f, "dino.center", 0, f->centre, sizeof f->centre);
}

static inline bool fake_rejoin(fake *f)
{
    Akssl__V1__CoordinatorMessage *m = NULL;
    akssl_status rc;

    ak_stream_free(f->stream);
    f->stream = NULL;
    f->broken = false;
    rc = ak_stream_open(&f->stream, f->channel, AK_RPC_join, NULL, 0);
    if (rc == AKSSL_OK) {
        fake_sleep(f->shy ? 2000 : 0);
        fake_hello(f, true);
        m = fake_receive(f, 5000);
        if (m &&
            (m->body_case != AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME || !m->welcome->rejoined))
            fake_die("not taken back");
        if (m)
            akssl__v1__coordinator_message__free_unpacked(m, NULL);
    } else if (!fake_passes(rc)) {
        fake_die("rejoin");
    }
    f->broken |= !m;
    if (m)
        fake_declare(f);
    return !f->broken;
}

// fake_be_late is a stream of before that comes late: it takes the place of ours, and is refused.
static inline void fake_be_late(fake *f)
{
    fake late = *f;
    ProtobufCMessage *m = NULL;

    if (ak_stream_open(&late.stream, f->channel, AK_RPC_join, NULL, 0) < 0)
        fake_die("a late stream");
    fake_hello(&late, false);
    if (ak_stream_receive(late.stream, 10000, &m) != AKSSL_ERR_STATE)
        fake_die("a late stream is heard");
    ak_stream_free(late.stream);
    f->broken = true;
}

// fake_mend comes back if the daemon is lost.
static inline void fake_mend(fake *f)
{
    for (int i = 0; f->broken && !fake_rejoin(f); i++) {
        if (i == FAKE_MEND_S * 5)
            fake_die("nobody came");
        fake_sleep(200);
    }
}

// fake_call asks until it is answered.
static inline void fake_call(fake *f, ak_rpc_id rpc, const ProtobufCMessage *request,
                             const char *what)
{
    ProtobufCMessage *reply = NULL;
    akssl_status rc;

    do {
        fake_mend(f);
        rc = ak_channel_call(f->channel, rpc, request, 70000, &reply);
        f->broken |= fake_passes(rc);
        if (rc < 0 && !fake_passes(rc))
            fake_die(what);
    } while (rc < 0);
    protobuf_c_message_free_unpacked(reply, NULL);
}

static inline void fake_push(fake *f, int64_t version)
{
    Akssl__V1__WorkerMessage m = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__RingPush push = AKSSL__V1__RING_PUSH__INIT;
    float rows[FAKE_PUSH * FAKE_WIDTH];

    for (int i = 0; i < FAKE_PUSH * FAKE_WIDTH; i++)
        rows[i] = (float)(f->step * 100 + i);
    for (int64_t i = 0; i < FAKE_PUSH; i++)
        memcpy(f->queue + ((f->step - 1) * FAKE_PUSH + i) % FAKE_ROWS * FAKE_WIDTH,
               rows + i * FAKE_WIDTH, FAKE_WIDTH * sizeof *rows);
    push.name = (char *)"moco.queue";
    push.has_version = push.has_rows = 1;
    push.version = version;
    push.rows = (ProtobufCBinaryData){ sizeof rows, (uint8_t *)rows };
    m.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_PUSH;
    m.push = &push;
    fake_send(f, &m);
}

// fake_replace brings a new centre, with the queue's push between its chunks.
static inline void fake_replace(fake *f)
{
    enum { HALF = FAKE_WIDE / 2 };
    float values[FAKE_WIDE];

    for (int i = 0; i < FAKE_WIDE; i++)
        values[i] = (float)(f->step * 10000 + i);
    memcpy(f->centre, values, sizeof values);
    f->centre_version = f->step;
    fake_head(f, "dino.center", 1, FAKE_WIDE, f->step);
    fake_chunk(f, "dino.center", 0, values, HALF * sizeof(float));
    fake_push(f, f->step);
    fake_chunk(f, "dino.center", HALF * sizeof(float), values + HALF,
               (FAKE_WIDE - HALF) * sizeof(float));
}

typedef struct fake_files {
    Akssl__V1__CommitFile files[2], *list[2];
    char digests[2][AK_DIGEST_TEXT];
} fake_files;

static inline void fake_write(const fake *f, fake_files *w)
{
    static const char *const names[] = { "model.safetensors", "optimizer.safetensors" };
    char *folder = ak_path("%s/commits/step-%" PRId64, f->folder, f->step);
    char text[64];

    if (ak_files_make(folder) < 0)
        fake_die("folder");
    for (int i = 0; i < 2; i++) {
        char *path = ak_path("%s/%s", folder, names[i]);

        snprintf(text, sizeof text, "%s of step %" PRId64, names[i], f->step);
        if (ak_files_write(path, text, strlen(text)) < 0)
            fake_die("file");
        free(path);
        ak_digest_memory(text, strlen(text), w->digests[i]);
        akssl__v1__commit_file__init(&w->files[i]);
        w->files[i].name = (char *)names[i];
        w->files[i].has_size = 1;
        w->files[i].size = strlen(text);
        w->files[i].digest = w->digests[i];
        w->list[i] = &w->files[i];
    }
    free(folder);
}

static inline void fake_form(const fake *f, Akssl__V1__CommitRequest *request, fake_files *w)
{
    akssl__v1__commit_request__init(request);
    fake_write(f, w);
    request->has_job = request->has_step = 1;
    request->job = f->job;
    request->run = (char *)f->run;
    request->step = f->step;
    request->n_files = 2;
    request->files = w->list;
    request->has_tensors = 1;
    request->tensors = 1 + fake_has_centre(f);
}

static inline void fake_commit(fake *f)
{
    Akssl__V1__CommitRequest request;
    fake_files w;

    fake_form(f, &request, &w);
    fake_call(f, AK_RPC_commit, &request.base, "commit");
}

// The commit of a step that is to come.
typedef struct fake_ahead {
    fake f;
    Akssl__V1__CommitRequest request;
    fake_files files;
    akssl_status rc;
} fake_ahead;

static inline void fake_prepare(fake_ahead *a, const fake *f, int64_t steps)
{
    a->f = *f;
    a->f.step += steps;
    fake_form(&a->f, &a->request, &a->files);
}

static inline void *fake_ask_ahead(void *arg)
{
    fake_ahead *a = arg;
    ProtobufCMessage *reply = NULL;

    a->rc = ak_channel_call(a->f.channel, AK_RPC_commit, &a->request.base, 20000, &reply);
    if (a->rc == AKSSL_OK)
        protobuf_c_message_free_unpacked(reply, NULL);
    return NULL;
}

// fake_leave commits without the daemon.
static inline void fake_leave(fake *f)
{
    ak_state_info info = { .name = "moco.queue",
                           .dims = 2,
                           .shape = { FAKE_ROWS, FAKE_WIDTH },
                           .version = f->step,
                           .filled = FAKE_ROWS,
                           .position = f->step * FAKE_PUSH % FAKE_ROWS };
    ak_manifest m = { .job = f->job, .step = f->step, .count = 2 };
    char *path = ak_path("%s/run/%s.state", f->folder, f->run);
    ak_state *state = ak_state_new();
    fake_files w;

    fake_write(f, &w);
    if (ak_state_declare(state, &info) < 0 ||
        ak_state_fill(state, info.name, 0, f->queue, sizeof f->queue) < 0 ||
        ak_state_write(state, f->step, path, &m.state.size, m.state.digest) < 0)
        fake_die("state");
    for (int i = 0; i < 2; i++) {
        snprintf(m.files[i].name, sizeof m.files[i].name, "%s", w.files[i].name);
        memcpy(m.files[i].digest, w.digests[i], sizeof m.files[i].digest);
        m.files[i].size = w.files[i].size;
    }
    snprintf(m.run, sizeof m.run, "%s", f->run);
    if (strcmp(f->mode, "alone_late") == 0) {
        char *obstacle =
            ak_path("%s/commits/step-%" PRId64 "/state.safetensors", f->folder, f->step);

        if (mkdir(obstacle, 0700) < 0)
            fake_die("obstacle");
        free(obstacle);
    }
    if (strcmp(f->mode, "alone_bad") == 0)
        m.files[0].digest[0] = (char)(m.files[0].digest[0] == '0' ? '1' : '0');
    free(path);
    path = ak_path("%s/run/%s.commit", f->folder, f->run);
    if (ak_manifest_write(&m, path) < 0)
        fake_die("manifest");
    free(path);
    ak_state_free(state);
}

static inline void fake_report(fake *f)
{
    Akssl__V1__ReportRequest request = AKSSL__V1__REPORT_REQUEST__INIT;
    Akssl__V1__Progress progress = AKSSL__V1__PROGRESS__INIT;
    char *warnings[] = { (char *)"collapse: std 0.001 is under 0.02" };

    progress.has_step = 1;
    progress.step = f->step;
    progress.warnings = warnings;
    progress.n_warnings = strcmp(f->mode, "collapse") == 0 && f->step > 4;
    request.has_job = 1;
    request.job = f->job;
    request.run = (char *)f->run;
    request.progress = &progress;
    fake_call(f, AK_RPC_report, &request.base, "report");
}

static inline void fake_finish(fake *f, const char *outcome, const char *reason)
{
    Akssl__V1__FinishRequest request = AKSSL__V1__FINISH_REQUEST__INIT;
    Akssl__V1__Metric metric = AKSSL__V1__METRIC__INIT, *metrics[] = { &metric };

    metric.name = (char *)"after.knn.top1";
    metric.has_value = 1;
    metric.value = 12.5;
    request.has_job = 1;
    request.job = f->job;
    request.run = (char *)f->run;
    request.outcome = (char *)outcome;
    request.reason = (char *)reason;
    request.n_results = 1;
    request.results = metrics;
    fake_call(f, AK_RPC_finish, &request.base, "finish");
}

static inline bool fake_is_stopped(fake *f, int wait_ms)
{
    Akssl__V1__CoordinatorMessage *m = fake_receive(f, wait_ms);
    bool stop = m && m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_STOP;

    if (m)
        akssl__v1__coordinator_message__free_unpacked(m, NULL);
    return stop;
}

// fake_once is true the first time that the job gets here.
static inline bool fake_once(const fake *f, const char *name)
{
    char *mark = ak_path("%s/%s", f->folder, name);
    bool first = access(mark, F_OK) < 0;

    if (ak_files_write(mark, "x", 1) < 0)
        fake_die("mark");
    free(mark);
    return first;
}

static inline void fake_crash(fake *f)
{
    char *mark = ak_path("%s/crashed", f->folder);

    if (strcmp(f->mode, "crash_always") == 0 || access(mark, F_OK) < 0) {
        if (ak_files_write(mark, "x", 1) < 0)
            fake_die("mark");
        kill(getpid(), SIGKILL);
    }
    free(mark);
}

// While one commit waits for its step, another is refused as what passes.
static inline void fake_commit_twice(fake *f)
{
    fake_ahead first, second;
    pthread_t other;

    fake_prepare(&first, f, 1);
    fake_prepare(&second, f, 2);
    pthread_create(&other, NULL, fake_ask_ahead, &first);
    fake_sleep(500);
    fake_ask_ahead(&second);
    if (second.rc != AKSSL_ERR_UNAVAILABLE)
        fake_die("a second commit");
    f->step++;
    fake_push(f, f->step);
    pthread_join(other, NULL);
    if (first.rc < 0)
        fake_die("the first commit");
}

static inline bool fake_steps(fake *f)
{
    bool slow =
        strcmp(f->mode, "slow") == 0 || strcmp(f->mode, "deaf") == 0 || strcmp(f->mode, "shy") == 0;
    int64_t steps = slow ? FAKE_SLOW_STEPS : FAKE_STEPS;

    while (f->step < steps) {
        if (strstr(f->mode, "crash") && f->step == FAKE_CRASH_AT)
            fake_crash(f);
        if (strncmp(f->mode, "alone", 5) == 0 && f->step == FAKE_CRASH_AT &&
            fake_once(f, "alone")) {
            fake_leave(f);
            exit(0);
        }
        if (strcmp(f->mode, "twice") == 0 && f->step == FAKE_CRASH_AT)
            fake_commit_twice(f);
        if (strcmp(f->mode, "stale") == 0 && f->step == FAKE_CRASH_AT)
            fake_be_late(f);
        if (strcmp(f->mode, "shy") == 0 && f->step == FAKE_CRASH_AT && fake_once(f, "shy")) {
            f->shy = f->broken = true;
            fake_mend(f);
            f->shy = false;
        }
        f->step++;
        if (fake_has_centre(f) && (f->step % 2 == 0 || f->step % FAKE_COMMIT == 0))
            fake_replace(f);
        else
            fake_push(f, f->step + (strcmp(f->mode, "gap") == 0 && f->step == 3));
        fake_report(f);
        if (strcmp(f->mode, "whole_pause") == 0)
            fake_sleep(100);
        if (strcmp(f->mode, "collapse") == 0 && !f->restored && f->step == FAKE_CRASH_AT) {
            fake_commit(f);
            return false;
        }
        if (slow && fake_is_stopped(f, 50)) {
            fake_commit(f);
            return false;
        }
        if (f->step % FAKE_COMMIT == 0)
            fake_commit(f);
    }
    return true;
}

static inline int fake_act(fake *f)
{
    if (strcmp(f->mode, "quit") == 0)
        return 7;
    if (strcmp(f->mode, "deaf") == 0)
        signal(SIGTERM, SIG_IGN);
    if (f->step == 0)
        fake_declare(f);
    if (strcmp(f->mode, "fail") == 0)
        fake_finish(f, "failed", "the data set is damaged: get it again");
    else if (fake_steps(f))
        fake_finish(f, "succeeded", "");
    else if (strcmp(f->mode, "collapse") == 0)
        fake_finish(f, "paused", "collapse: std 0.001 is under 0.02");
    else
        fake_finish(f, "stopped", "");
    return 0;
}

static inline int fake_rank0(fake *f, int64_t ranks)
{
    ak_str secret = AK_STR_INIT;
    int code;

    if (ak_files_read(f->secret_file, 1024, &secret) < 0 ||
        ak_channel_open(&f->channel, f->server, secret.text) < 0 ||
        ak_stream_open(&f->stream, f->channel, AK_RPC_join, NULL, 0) < 0)
        fake_die("join");
    f->ranks = ranks;
    fake_hello(f, false);
    fake_welcome(f);
    fprintf(stderr, "fake rank 0 of %" PRId64 ": %s from step %" PRId64 "\n", ranks, f->mode,
            f->step);
    code = fake_act(f);
    ak_stream_free(f->stream);
    ak_channel_close(f->channel);
    ak_str_fini(&secret);
    return code;
}

// The other ranks have nothing to do but to be there: they go when rank 0 has left its mark.
static inline int fake_run(int argc, char **argv)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *ranks = getenv("OMPI_COMM_WORLD_SIZE");
    fake f = { 0 };
    char *done;
    int code = 0;

    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--server") == 0)
            f.server = argv[i + 1];
        else if (strcmp(argv[i], "--job") == 0)
            f.job = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--run") == 0)
            f.run = argv[i + 1];
        else if (strcmp(argv[i], "--secret-file") == 0)
            f.secret_file = argv[i + 1];
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); // what worker/leash.h does better
    if (!rank || !ranks || !f.server || !f.run || !f.secret_file)
        return 9;
    done = ak_path("%s.%s.done", f.secret_file, f.run);
    if (atoi(rank) == 0) {
        code = fake_rank0(&f, atoll(ranks));
        if (ak_files_write(done, "x", 1) < 0)
            code = 9;
    } else {
        for (int i = 0; i < 6000 && access(done, F_OK) < 0; i++)
            fake_sleep(20);
    }
    free(done);
    return code;
}

static inline int fake_main(int argc, char **argv)
{
    if (strcmp(argv[1], "check") == 0 && (argc == 4 || argc == 6))
        return fake_check(argv[3]);
    if (strcmp(argv[1], "catalogue") == 0) {
        printf("{\"methods\": [{\"name\": \"simclr\"}]}\n");
        return 0;
    }
    return fake_run(argc, argv);
}

#endif
