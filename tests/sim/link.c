// tests/sim/link.c -- rank 0's stream: joined, lost, joined again, as worker/uplink does it.
//
// While it is down the run goes on.  A run that comes back sends the tensors of a commit that is
// held, asks for it, then sends every tensor as it is now.

#include <inttypes.h>
#include <string.h>

#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/rank.h"

enum { BACKOFF_MS = 200, BACKOFF_MOST_MS = 5000, OPEN_S = 120, HELLO_MS = 3000 };

static void on_try(void *ctx);

bool sim_link_passes(akssl_status rc, bool joining)
{
    return rc == AKSSL_OK || rc == AKSSL_ERR_UNAVAILABLE || rc == AKSSL_ERR_DEADLINE ||
           rc == AKSSL_ERR_INTERNAL || rc == AKSSL_ERR_LIMIT || (joining && rc == AKSSL_ERR_STATE);
}

bool sim_link_alone(const sim_rank *rank)
{
    return rank->orphaned && !rank->up && !rank->met;
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

static void send_all(sim_rank *rank, int64_t step)
{
    sim_tensor tensors[SIM_TENSORS];

    rank->count = sim_model_tensors(rank->spec.method, rank->run->job, step, tensors);
    for (int i = 0; i < rank->count; i++)
        send_tensor(rank, &tensors[i]);
}

void sim_link_step(sim_rank *rank)
{
    sim_tensor tensors[SIM_TENSORS];

    rank->count = sim_model_tensors(rank->spec.method, rank->run->job, rank->step, tensors);
    for (int i = 0; i < rank->count && rank->up; i++) {
        if (tensors[i].ring)
            send_push(rank, &tensors[i]);
        else
            send_tensor(rank, &tensors[i]);
    }
}

static void say_hello(sim_rank *rank)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__Hello hello = AKSSL__V1__HELLO__INIT;

    hello.has_job = hello.has_ranks = hello.has_rejoin = 1;
    hello.job = rank->run->job;
    hello.run = rank->run->id;
    hello.ranks = rank->run->ranks;
    hello.program = (char *)"akssl-worker simulated";
    hello.rejoin = rank->began;
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    tell(rank, &message);
}

// ---- down

static void try_later(sim_rank *rank)
{
    sim_cancel(&rank->link);
    sim_after(SIM_WORLD, rank->wait_ms * SIM_MS, "joins", on_try, rank, &rank->link);
    rank->wait_ms = rank->wait_ms ? rank->wait_ms * 2 : BACKOFF_MS;
    if (rank->wait_ms > BACKOFF_MOST_MS)
        rank->wait_ms = BACKOFF_MOST_MS;
}

static void go_down(sim_rank *rank)
{
    rank->join = NULL;
    if (rank->up)
        rank->wait_ms = 0;
    rank->up = rank->met = false;
    rank->generation++;
    rank->coming_count = 0;
    if (!rank->down_at)
        rank->down_at = sim_here->now;
    try_later(rank);
}

void sim_link_drop(sim_rank *rank)
{
    if (!rank->join)
        return;
    sim_net_drop(rank->join);
    go_down(rank);
}

static void on_ended(void *ctx, ak_call *call, akssl_status rc, const char *sentence)
{
    sim_rank *rank = ctx;

    if (rank->join != call)
        return;
    if (sim_rank_is_gone(rank) || rank->finishing || rank->alone) {
        rank->join = NULL;
    } else if (rank->began && !sim_link_passes(rc, !rank->met)) {
        rank->join = NULL;
        rank->up = rank->met = false;
        sim_rank_finish(rank, "failed", sentence);
    } else if (!rank->began &&
               (!sim_link_passes(rc, true) || sim_here->now - rank->started_at > OPEN_S * SIM_S)) {
        rank->join = NULL;
        sim_rank_leave(rank, 1);
    } else {
        go_down(rank);
    }
}

// ---- what the run starts from

static void check_tensors(const sim_rank *rank)
{
    sim_tensor expected[SIM_TENSORS];
    int count = sim_model_tensors(rank->spec.method, rank->run->job, rank->step, expected);

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

static void begin(sim_rank *rank)
{
    if (rank->step) {
        check_files(rank);
        check_tensors(rank);
    } else {
        send_all(rank, 0);
    }
    rank->up = true;
    rank->down_at = 0;
    sim_rank_begin(rank);
}

static void take_welcome(sim_rank *rank, const Akssl__V1__Welcome *welcome)
{
    if (rank->has_spec)
        ak_spec_fini(&rank->spec);
    ak_spec_init(&rank->spec);
    rank->has_spec = true;
    if (ak_spec_read_yaml(&rank->spec, welcome->spec_yaml, strlen(welcome->spec_yaml), "it") < 0)
        sim_broken("job %" PRId64 ": its spec does not parse", rank->run->job);
    rank->step = welcome->resume_step;
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

// ---- coming back

static void hand_over(sim_rank *rank)
{
    send_all(rank, rank->step);
    rank->up = true;
    rank->orphaned = false;
    rank->down_at = 0;
    rank->wait_ms = 0;
}

static void on_held(sim_rank *rank, int generation, akssl_status rc, const char *sentence)
{
    if (generation != rank->generation)
        return; // it is asked again
    if (rc == AKSSL_OK)
        hand_over(rank);
    else if (sim_link_passes(rc, false))
        sim_link_drop(rank);
    else
        sim_rank_refused(rank, rc, sentence);
}

static void meet(sim_rank *rank, const Akssl__V1__Welcome *welcome)
{
    if (!welcome->rejoined)
        sim_broken("job %" PRId64 ": a run that comes back is welcomed as a new one",
                   rank->run->job);
    rank->met = true;
    if (!rank->held) {
        hand_over(rank);
        return;
    }
    if (rank->pending != rank->step) // else the run has not gone on, and all is sent
        send_all(rank, rank->pending);
    sim_rank_ask(rank, on_held);
}

static void on_message(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    const Akssl__V1__CoordinatorMessage *m = (const Akssl__V1__CoordinatorMessage *)message;
    sim_rank *rank = ctx;

    if (rank->join != call || sim_rank_is_gone(rank) || rank->alone)
        return;
    if (!rank->welcomed && m->body_case != AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME)
        sim_broken("job %" PRId64 ": something comes before Welcome", rank->run->job);
    rank->welcomed = true;
    switch (m->body_case) {
    case AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME:
        if (rank->began)
            meet(rank, m->welcome);
        else
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

// Now and then the rank's processor has other things to do between the call and its first word.
static void on_hello(void *ctx)
{
    sim_rank *rank = ctx;

    if (rank->join && !sim_rank_is_gone(rank) && !sim_rank_rests(rank, on_hello, &rank->link))
        say_hello(rank);
}

static void on_try(void *ctx)
{
    sim_rank *rank = ctx;
    const sim_caller caller = { on_message, on_ended, rank, sim_rank_frozen, NULL };

    if (sim_rank_is_gone(rank) || rank->finishing || rank->alone ||
        sim_rank_rests(rank, on_try, &rank->link))
        return;
    if (rank->began && sim_here->now - rank->down_at >= rank->run->orphan_ms * SIM_MS)
        rank->orphaned = rank->stop = true;
    rank->welcomed = false;
    rank->join = sim_net_call(AK_RPC_join, rank->run->secret, rank->run->id, NULL, 0, &caller);
    sim_after(SIM_WORLD, sim_chance(10) ? sim_range(0, HELLO_MS * SIM_MS) : 0, "says Hello",
              on_hello, rank, &rank->link);
}

void sim_link_open(sim_rank *rank)
{
    rank->started_at = sim_here->now;
    on_try(rank);
}
