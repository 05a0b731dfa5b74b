// tests/sim/rank.c -- rank 0: joining, training, losing the stream, leaving.

#include "tests/sim/rank.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"

enum { JOIN_MS = 1000, AHEAD = 12, RETRY_MS = 200, RETRY_MAX_MS = 5000, LOST_MS = 3000 };

static void on_step(void *ctx);
static void join_run(void *ctx);

static bool is_gone(const sim_rank *rank)
{
    return !rank->run->rank[0]->alive || rank->stage == SIM_LEAVING;
}

static void on_leave(void *ctx)
{
    sim_rank *rank = ctx;

    sim_procs_exit(rank->run->rank[0], rank->part, 0);
}

// The other ranks leave with rank 0 when all is well; else mpirun ends them.
static void on_all_leave(void *ctx)
{
    sim_rank *rank = ctx;

    for (int i = 1; i < rank->run->ranks && i < 64; i++)
        if (rank->run->rank[i] && rank->run->rank[i]->alive)
            sim_procs_exit(rank->run->rank[i], 0, 0);
    on_leave(rank);
}

void sim_rank_leave(sim_rank *rank, int code)
{
    if (rank->stage == SIM_LEAVING)
        return;
    rank->stage = SIM_LEAVING;
    rank->part = code;
    sim_cancel(&rank->next);
    sim_after(SIM_WORLD, sim_range(0, 300 * SIM_MS), "rank 0 leaves",
              code ? on_leave : on_all_leave, rank, &rank->next);
}

void sim_rank_gone(sim_run *run)
{
    sim_rank *rank = run->model;

    if (!rank)
        return;
    sim_cancel(&rank->next);
    if (rank->join)
        sim_net_cut(rank->join);
    rank->join = NULL;
    rank->stage = SIM_LEAVING;
    if (rank->has_spec)
        ak_spec_fini(&rank->spec);
    rank->has_spec = false;
}

// ---- sending

static void tell(sim_rank *rank, Akssl__V1__WorkerMessage *message)
{
    if (rank->join)
        sim_net_send(rank->join, &message->base);
}

static void send_tensor(sim_rank *rank, const sim_tensor *t)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__TensorHead head = AKSSL__V1__TENSOR_HEAD__INIT;
    Akssl__V1__TensorChunk chunk = AKSSL__V1__TENSOR_CHUNK__INIT;
    int64_t shape[2] = { t->rows, SIM_WIDTH };

    head.name = chunk.name = (char *)t->name;
    head.n_shape = 2;
    head.shape = shape;
    head.has_version = head.has_filled = head.has_position = 1;
    head.version = t->version;
    head.filled = t->filled;
    head.position = t->position;
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HEAD;
    message.head = &head;
    tell(rank, &message);
    chunk.has_offset = chunk.has_data = 1;
    chunk.data.data = (uint8_t *)t->values;
    chunk.data.len = (size_t)t->rows * SIM_WIDTH * sizeof(float);
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_CHUNK;
    message.chunk = &chunk;
    tell(rank, &message);
}

static void send_push(sim_rank *rank, const sim_tensor *t)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__RingPush push = AKSSL__V1__RING_PUSH__INIT;
    float rows[SIM_PUSH * SIM_WIDTH];
    int pieces = sim_chance(25) ? SIM_PUSH : 1;

    sim_model_rows(rank->run->job, t->version, rows);
    push.name = (char *)t->name;
    push.has_version = push.has_rows = push.has_more = 1;
    push.version = t->version;
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_PUSH;
    message.push = &push;
    for (int i = 0; i < pieces; i++) {
        push.more = i + 1 < pieces;
        push.rows.data = (uint8_t *)(rows + i * SIM_WIDTH);
        push.rows.len = (size_t)(pieces == 1 ? SIM_PUSH : 1) * SIM_WIDTH * sizeof(float);
        tell(rank, &message);
    }
}

static void send_hello(sim_rank *rank)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__Hello hello = AKSSL__V1__HELLO__INIT;

    hello.has_job = hello.has_ranks = 1;
    hello.job = rank->run->job;
    hello.run = rank->run->id;
    hello.ranks = rank->run->ranks;
    hello.program = (char *)"akssl-worker simulated";
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    tell(rank, &message);
}

// ---- the stream breaks

static void on_lost(void *ctx)
{
    sim_rank_leave(ctx, 1);
}

static void on_join_ended(void *ctx, ak_call *call, akssl_status rc, const char *sentence)
{
    sim_rank *rank = ctx;

    (void)rc, (void)sentence;
    if (rank->join != call)
        return;
    rank->join = NULL;
    rank->joined = false;
    if (is_gone(rank) || rank->finishing)
        return;
    sim_cancel(&rank->next);
    sim_after(SIM_WORLD, sim_range(0, LOST_MS * SIM_MS), "gives up", on_lost, rank, &rank->next);
}

// ---- what the run starts from

static void check_tensors(const sim_rank *rank)
{
    sim_tensor expected[SIM_TENSORS];
    int count = sim_model_tensors(rank->spec.method, rank->run->job, rank->step, expected);

    if (!rank->coming_count)
        return; // TEMP
    if (count != rank->coming_count)
        sim_broken("job %" PRId64 " resumes at step %" PRId64 " with %d tensors, not %d",
                   rank->run->job, rank->step, rank->coming_count, count);
    for (int i = 0; i < count; i++)
        if (memcmp(&rank->coming[i].version, &expected[i].version, 3 * sizeof(int64_t)) != 0 ||
            memcmp(rank->coming[i].values, expected[i].values, sizeof expected[i].values) != 0)
            sim_broken("job %" PRId64 " resumes at step %" PRId64
                       ", and its %s is that of another: version %" PRId64,
                       rank->run->job, rank->step, expected[i].name, rank->coming[i].version);
}

static void check_files(const sim_rank *rank)
{
    char expected[SIM_FILE];
    sim_node *node;

    for (int which = 0; which < 2; which++) {
        const char *path = sim_format("%s/%s", rank->commit, sim_model_name(which));
        int64_t size = sim_model_file(rank->run->job, rank->step, which, expected);

        if (sim_disk_find(path, &node))
            sim_broken("job %" PRId64 " resumes from '%s', which is not there", rank->run->job,
                       path);
        if (node->size != size || memcmp(node->data, expected, (size_t)size) != 0)
            sim_broken("job %" PRId64 ": '%s' is not what step %" PRId64 " wrote", rank->run->job,
                       path, rank->step);
    }
}

// Figures of steps after the commit are cut off; those up to it are there once each.
static void cut_metrics(const sim_rank *rank)
{
    const char *path = sim_format("%s/metrics.jsonl", rank->run->folder);
    sim_node *node;
    int64_t at = 0;

    if (sim_disk_find(path, &node) && sim_disk_make(path, false, &node))
        return; // the folder is gone: the first commit says so
    for (int64_t step = 1; step <= rank->step; step++) {
        char line[32];
        int n = snprintf(line, sizeof line, "{\"step\": %" PRId64 "}\n", step);

        if (at + n > node->size || memcmp(node->data + at, line, (size_t)n) != 0)
            sim_broken("job %" PRId64 ": metrics.jsonl has no step %" PRId64 " of %" PRId64
                       ", or has one twice",
                       rank->run->job, step, rank->step);
        at += n;
    }
    sim_disk_truncate(node, at);
}

static void begin(sim_rank *rank)
{
    sim_oracle_welcomed(rank->run, rank->step);
    cut_metrics(rank);
    if (rank->step) {
        check_files(rank);
        check_tensors(rank);
    } else {
        rank->count = sim_model_tensors(rank->spec.method, rank->run->job, 0, rank->tensors);
        for (int i = 0; i < rank->count; i++)
            send_tensor(rank, &rank->tensors[i]);
    }
    rank->stage = SIM_TRAINING;
    rank->joined = true;
    rank->committed = rank->step ? rank->step : -1;
    sim_after(SIM_WORLD, sim_range(0, sim_here->plan.step_ms * SIM_MS), "step", on_step, rank,
              &rank->next);
}

static void take_welcome(sim_rank *rank, const Akssl__V1__Welcome *welcome)
{
    if (rank->has_spec)
        ak_spec_fini(&rank->spec);
    ak_spec_init(&rank->spec);
    rank->has_spec = true;
    if (ak_spec_read_yaml(&rank->spec, welcome->spec_yaml, strlen(welcome->spec_yaml), "it") < 0)
        sim_broken("job %" PRId64 ": its spec does not parse", rank->run->job);
    rank->step = rank->resumed = welcome->resume_step;
    rank->commit = sim_format("%s", welcome->commit);
    rank->coming_count = 0;
    if (!welcome->restored)
        begin(rank);
}

static void take_head(sim_rank *rank, const Akssl__V1__TensorHead *head)
{
    sim_tensor *t = &rank->coming[rank->coming_count];

    if (rank->coming_count == SIM_TENSORS)
        sim_broken("job %" PRId64 ": akssld sends more tensors than there are", rank->run->job);
    memset(t, 0, sizeof *t);
    t->version = head->version;
    t->filled = head->filled;
    t->position = head->position;
    rank->coming_count++;
}

static void take_chunk(sim_rank *rank, const Akssl__V1__TensorChunk *chunk)
{
    sim_tensor *t = &rank->coming[rank->coming_count - 1];

    if (!rank->coming_count || chunk->offset + chunk->data.len > sizeof t->values)
        sim_broken("job %" PRId64 ": akssld sends a chunk of nothing", rank->run->job);
    memcpy((char *)t->values + chunk->offset, chunk->data.data, chunk->data.len);
}

static void on_join_message(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    const Akssl__V1__CoordinatorMessage *m = (const Akssl__V1__CoordinatorMessage *)message;
    sim_rank *rank = ctx;

    if (rank->join != call || is_gone(rank))
        return;
    switch (m->body_case) {
    case AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME:
        take_welcome(rank, m->welcome);
        break;
    case AKSSL__V1__COORDINATOR_MESSAGE__BODY_HEAD:
        take_head(rank, m->head);
        break;
    case AKSSL__V1__COORDINATOR_MESSAGE__BODY_CHUNK:
        take_chunk(rank, m->chunk);
        break;
    case AKSSL__V1__COORDINATOR_MESSAGE__BODY_STATE_END:
        begin(rank);
        break;
    case AKSSL__V1__COORDINATOR_MESSAGE__BODY_STOP:
        rank->stop = true;
        break;
    default:
        break;
    }
}

static void join_run(void *ctx)
{
    sim_rank *rank = ctx;
    const sim_caller caller = { on_join_message, on_join_ended, rank };

    rank->join = sim_net_call(AK_RPC_join, rank->run->secret, rank->run->id, NULL, 0, &caller);
    send_hello(rank);
}

static void on_begin(void *ctx)
{
    sim_rank *rank = ctx;
    sim_node *node;

    if (is_gone(rank))
        return;
    if (sim_disk_find(rank->run->secret_file, &node)) {
        sim_rank_leave(rank, 1);
        return;
    }
    rank->run->secret = sim_alloc((size_t)node->size + 1);
    sim_disk_read(node, 0, rank->run->secret, node->size);
    join_run(rank);
}

void sim_rank_start(sim_run *run)
{
    sim_rank *rank = sim_alloc(sizeof *rank);

    rank->run = run;
    rank->stage = SIM_JOINING;
    rank->committed = -1;
    run->model = rank;
    sim_after(SIM_WORLD, sim_range(0, JOIN_MS * SIM_MS), "rank 0 begins", on_begin, rank,
              &rank->next);
}

// ---- a step

static void on_reported(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    sim_rank *rank = ctx;

    (void)call;
    if (!is_gone(rank) && ((const Akssl__V1__ReportReply *)message)->stop)
        rank->stop = true;
}

static void report(sim_rank *rank)
{
    Akssl__V1__ReportRequest request = AKSSL__V1__REPORT_REQUEST__INIT;
    Akssl__V1__Progress progress = AKSSL__V1__PROGRESS__INIT;

    progress.has_step = progress.has_total_steps = 1;
    progress.step = rank->step;
    progress.total_steps = rank->spec.epochs;
    request.has_job = 1;
    request.job = rank->run->job;
    request.run = rank->run->id;
    request.progress = &progress;
    sim_net_call(AK_RPC_report, rank->run->secret, rank->run->id, &request.base, 5000,
                 &(sim_caller){ on_reported, NULL, rank });
}

static void write_metrics(const sim_rank *rank)
{
    const char *path = sim_format("%s/metrics.jsonl", rank->run->folder);
    const char *line = sim_format("{\"step\": %" PRId64 "}\n", rank->step);
    sim_node *node;

    if (sim_disk_find(path, &node) == 0)
        sim_disk_write(node, node->size, line, (int64_t)strlen(line));
}

static void send_step(sim_rank *rank)
{
    rank->count = sim_model_tensors(rank->spec.method, rank->run->job, rank->step, rank->tensors);
    for (int i = 0; i < rank->count && rank->joined; i++) {
        if (rank->tensors[i].ring)
            send_push(rank, &rank->tensors[i]);
        else
            send_tensor(rank, &rank->tensors[i]);
    }
}

static void on_step(void *ctx)
{
    sim_rank *rank = ctx;
    int64_t every = rank->spec.commit_every ? rank->spec.commit_every : rank->spec.epochs;

    if (is_gone(rank))
        return;
    if (rank->step < rank->spec.epochs) {
        rank->step++;
        write_metrics(rank);
        send_step(rank);
        if (sim_chance(30))
            report(rank);
    }
    if (rank->stop || rank->step % every == 0 || rank->step == rank->spec.epochs)
        sim_rank_commit(rank);
    else
        sim_rank_train(rank);
}

void sim_rank_train(sim_rank *rank)
{
    rank->stage = SIM_TRAINING;
    sim_after(SIM_WORLD, sim_range(SIM_MS, sim_here->plan.step_ms * SIM_MS), "step", on_step, rank,
              &rank->next);
}
