// tests/fuzz/hostile.c -- a coordinator made of an input's bytes, below proto/rpc/channel.c.
//
// gRPC's functions that a caller uses are defined here, before those of its library: a batch is
// complete when it is waited for.

#include "tests/fuzz/hostile.h"

#include <errno.h>
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <time.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/rpc/codec.h"

enum { BATCHES = 8 };

static struct {
    pthread_mutex_t lock;
    fuzz_bytes script;
    int64_t now_ns;
} hostile = { .lock = PTHREAD_MUTEX_INITIALIZER };

void hostile_start(fuzz_bytes script)
{
    hostile.script = script;
    hostile.now_ns = 1000000000;
}

// ---- time

static void pass(int64_t ns)
{
    pthread_mutex_lock(&hostile.lock);
    hostile.now_ns += ns;
    pthread_mutex_unlock(&hostile.lock);
}

int64_t ak_clock_ns(void)
{
    int64_t now;

    pthread_mutex_lock(&hostile.lock);
    now = hostile.now_ns += 1000; // every look at it takes a moment
    pthread_mutex_unlock(&hostile.lock);
    return now;
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)left;
    pass((int64_t)wanted->tv_sec * 1000000000 + wanted->tv_nsec);
    return 0;
}

// A wait with a deadline takes a moment of ours and a quarter of a second of the script's.
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
                           const struct timespec *until)
{
    struct timespec moment;

    clock_gettime(CLOCK_MONOTONIC, &moment);
    moment.tv_nsec += 500000;
    if (moment.tv_nsec >= 1000000000)
        moment.tv_sec++, moment.tv_nsec -= 1000000000;
    if (pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, &moment) == 0)
        return 0;
    pass(250000000);
    return ak_clock_ns() < (int64_t)until->tv_sec * 1000000000 + until->tv_nsec ? 0 : ETIMEDOUT;
}

// ---- calls

typedef struct batch {
    void *tag;
    bool sends, started;
    grpc_byte_buffer **message;
    grpc_metadata_array *trailers;
    grpc_status_code *code;
    grpc_slice *sentence;
} batch;

struct grpc_completion_queue {
    pthread_mutex_t lock;
    batch batches[BATCHES];
    int count;
    bool over, refuses; // the status has come; sending fails
    fuzz_bytes status, sentence;
    int code;
    grpc_metadata trailer;
};

struct grpc_call {
    grpc_completion_queue *queue;
};

void grpc_init(void)
{
}

void grpc_shutdown(void)
{
}

grpc_channel_credentials *grpc_insecure_credentials_create(void)
{
    return NULL;
}

grpc_channel_credentials *grpc_ssl_credentials_create(const char *roots,
                                                      grpc_ssl_pem_key_cert_pair *pair,
                                                      const verify_peer_options *options,
                                                      void *reserved)
{
    (void)roots;
    (void)pair;
    (void)options;
    (void)reserved;
    return (grpc_channel_credentials *)&hostile; // NULL would be a refusal
}

void grpc_channel_credentials_release(grpc_channel_credentials *credentials)
{
    (void)credentials;
}

grpc_channel *grpc_channel_create(const char *target, grpc_channel_credentials *credentials,
                                  const grpc_channel_args *args)
{
    (void)target;
    (void)credentials;
    (void)args;
    return NULL;
}

void grpc_channel_destroy(grpc_channel *channel)
{
    (void)channel;
}

// It can always be reached: what it says is the script's.
grpc_connectivity_state grpc_channel_check_connectivity_state(grpc_channel *channel, int try)
{
    (void)channel;
    (void)try;
    return GRPC_CHANNEL_READY;
}

grpc_completion_queue *grpc_completion_queue_create_for_pluck(void *reserved)
{
    grpc_completion_queue *queue = ak_alloc(1, sizeof *queue);

    (void)reserved;
    pthread_mutex_init(&queue->lock, NULL);
    return queue;
}

void grpc_completion_queue_shutdown(grpc_completion_queue *queue)
{
    (void)queue;
}

void grpc_completion_queue_destroy(grpc_completion_queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
    if (queue->trailer.value.refcount || queue->trailer.value.data.inlined.length)
        grpc_slice_unref(queue->trailer.value);
    free(queue);
}

grpc_call *grpc_channel_create_call(grpc_channel *channel, grpc_call *parent, uint32_t mask,
                                    grpc_completion_queue *queue, grpc_slice method,
                                    const grpc_slice *host, gpr_timespec deadline, void *reserved)
{
    grpc_call *call = ak_alloc(1, sizeof *call);

    (void)channel;
    (void)parent;
    (void)mask;
    (void)method;
    (void)host;
    (void)deadline;
    (void)reserved;
    call->queue = queue;
    return call;
}

void grpc_call_unref(grpc_call *call)
{
    free(call);
}

static void finish(grpc_completion_queue *queue, int code)
{
    if (!queue->over)
        queue->code = code;
    queue->over = true;
}

grpc_call_error grpc_call_cancel(grpc_call *call, void *reserved)
{
    (void)reserved;
    pthread_mutex_lock(&call->queue->lock);
    finish(call->queue, GRPC_STATUS_CANCELLED);
    pthread_mutex_unlock(&call->queue->lock);
    return GRPC_CALL_OK;
}

grpc_call_error grpc_call_start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag,
                                      void *reserved)
{
    grpc_completion_queue *queue = call->queue;
    batch b = { .tag = tag };

    (void)reserved;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].op == GRPC_OP_SEND_MESSAGE)
            b.sends = true;
        if (ops[i].op == GRPC_OP_RECV_MESSAGE)
            b.message = ops[i].data.recv_message.recv_message;
        if (ops[i].op == GRPC_OP_RECV_STATUS_ON_CLIENT) {
            b.trailers = ops[i].data.recv_status_on_client.trailing_metadata;
            b.code = ops[i].data.recv_status_on_client.status;
            b.sentence = ops[i].data.recv_status_on_client.status_details;
        }
    }
    pthread_mutex_lock(&queue->lock);
    FUZZ_CHECK(queue->count < BATCHES);
    queue->batches[queue->count++] = b;
    pthread_mutex_unlock(&queue->lock);
    return GRPC_CALL_OK;
}

// ---- the script, under the queue's lock

// next plays one record; false: nothing came of it yet.
static bool next(grpc_completion_queue *queue, grpc_byte_buffer **message)
{
    bool came = true;
    fuzz_bytes part;
    grpc_slice slice;

    pthread_mutex_lock(&hostile.lock);
    if (!hostile.script.left)
        finish(queue, GRPC_STATUS_UNAVAILABLE);
    else
        switch (fuzz_number(&hostile.script, 1) % HOSTILE_KINDS) {
        case HOSTILE_MESSAGE:
            part = fuzz_part(&hostile.script);
            if (!message) {
                came = false;
                break;
            }
            slice = grpc_slice_from_copied_buffer((const char *)part.at, part.left);
            *message = grpc_raw_byte_buffer_create(&slice, 1);
            grpc_slice_unref(slice);
            break;
        case HOSTILE_END:
            part = fuzz_part(&hostile.script);
            finish(queue, (int)fuzz_number(&part, 1) % 18);
            queue->status = fuzz_part(&part);
            queue->sentence = part;
            break;
        case HOSTILE_NO_SEND:
            queue->refuses = true;
            came = false;
            break;
        default:
            came = false;
        }
    pthread_mutex_unlock(&hostile.lock);
    return came;
}

static void tell_status(grpc_completion_queue *queue, const batch *b)
{
    *b->code = (grpc_status_code)queue->code;
    *b->sentence =
        grpc_slice_from_copied_buffer((const char *)queue->sentence.at, queue->sentence.left);
    if (!queue->status.left)
        return;
    queue->trailer.key = grpc_slice_from_static_string(AK_RPC_STATUS_KEY);
    queue->trailer.value =
        grpc_slice_from_copied_buffer((const char *)queue->status.at, queue->status.left);
    b->trailers->metadata = gpr_malloc(sizeof *b->trailers->metadata);
    b->trailers->metadata[0] = queue->trailer;
    b->trailers->count = b->trailers->capacity = 1;
}

// complete does what a batch asks for; false when its time is up before.
static bool complete(grpc_completion_queue *queue, const batch *b, bool forever)
{
    bool came = false;

    if (b->message && b->code) { // a unary call: the answer brings an OK with it
        while (!queue->over && !came)
            came = next(queue, b->message);
        if (*b->message)
            finish(queue, GRPC_STATUS_OK);
    } else if (b->message || b->code) {
        while (!queue->over && !came) {
            came = next(queue, b->message);
            if (!came && !forever)
                return false;
        }
    }
    if (b->code)
        tell_status(queue, b);
    return true;
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue *queue, void *tag,
                                       gpr_timespec deadline, void *reserved)
{
    bool forever = gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0;
    grpc_event event = { .type = GRPC_QUEUE_SHUTDOWN };
    int at = 0;

    (void)reserved;
    if (!tag)
        return event;
    pthread_mutex_lock(&queue->lock);
    while (at < queue->count && queue->batches[at].tag != tag)
        at++;
    FUZZ_CHECK(at < queue->count); // waiting for what was never begun
    event.tag = tag;
    if (complete(queue, &queue->batches[at], forever)) {
        event.type = GRPC_OP_COMPLETE;
        event.success = !queue->batches[at].sends || !(queue->over || queue->refuses);
        queue->batches[at] = queue->batches[--queue->count];
    } else {
        event.type = GRPC_QUEUE_TIMEOUT;
        pass(200000000);
    }
    pthread_mutex_unlock(&queue->lock);
    return event;
}
