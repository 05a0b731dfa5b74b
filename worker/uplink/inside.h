// worker/uplink/inside.h -- what the uplink's files share; nobody else includes it.

#ifndef AK_WORKER_UPLINK_INSIDE_H
#define AK_WORKER_UPLINK_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/rpc/channel.h"
#include "worker/uplink.h"

enum {
    AK_UPLINK_WAIT_MS = 120000,  // for the queue to empty, for Commit
    AK_UPLINK_STALL_MS = 30000,  // for room in the queue
    AK_UPLINK_REJOIN_MS = 10000, // for a Welcome
    AK_UPLINK_CONNECT_MS = 3000, // for a connection, at each try
    AK_UPLINK_BACKOFF_MS = 200,  // first
    AK_UPLINK_BACKOFF_MOST_MS = 5000,
    AK_UPLINK_REPORT_MS = 10000,
    AK_UPLINK_FINISH_MS = 30000,
    AK_UPLINK_GOODBYE_MS = 2000, // for the coordinator to end the stream after Finish
    AK_UPLINK_REPORT_EVERY_MS = 1000,
    AK_UPLINK_MESSAGE = AK_RPC_MAX_MESSAGE - 1024, // bytes of a push in one message
    AK_UPLINK_SPARES = 4, // spent items kept, so that a steady step does not allocate
    AK_UPLINK_SENTENCE = 1024,
};

#define AK_UPLINK_MS ((int64_t)1000000) // in ns

typedef enum ak_uplink_kind { AK_UPLINK_HEAD = 1, AK_UPLINK_CHUNK, AK_UPLINK_PUSH } ak_uplink_kind;

// What waits to be sent on the stream.
typedef struct ak_uplink_item {
    struct ak_uplink_item *next;
    ak_uplink_kind kind;
    char name[AK_UPLINK_NAME];
    int64_t version, filled, position, skipped;
    uint64_t offset;
    bool more; // of a push: the rows go on
    int dims;
    int64_t shape[AK_UPLINK_DIMS];
    size_t room, size;
    uint8_t data[];
} ak_uplink_item;

typedef struct ak_uplink_metrics {
    int count;
    char names[AK_UPLINK_METRICS][AK_UPLINK_NAME];
    double values[AK_UPLINK_METRICS];
} ak_uplink_metrics;

typedef struct ak_uplink_record {
    ak_uplink_progress progress; // its gauges and warnings are in the next
    ak_uplink_metrics gauges, results;
    int warning_count;
    char warnings[AK_UPLINK_WARNINGS][AK_UPLINK_WARNING];
} ak_uplink_record;

// A tensor as the coordinator should have it: what it sent, or was sent.
typedef struct ak_uplink_slot {
    ak_uplink_tensor info;
    size_t got; // bytes
} ak_uplink_slot;

// Memory that is kept from one commit to the next: its first touch costs more than the copying.
typedef struct ak_uplink_copy {
    float *data;
    size_t room; // bytes
} ak_uplink_copy;

// A commit that the coordinator has not answered, with the tensors of its step.  While there is
// one, nothing that is newer is sent.
typedef struct ak_uplink_pending {
    bool there;
    bool ready;   // its files are durable
    bool asked;   // at least once: the coordinator may have it, though nobody has heard so
    bool asking;  // ak_uplink_commit is, and does not own the tensors while `handing`
    bool handing; // the keeper sends the tensors
    bool held;    // nobody waits for it: the keeper asks when there is a coordinator
    int before;   // items of the queue that are older, and go
    int64_t step;
    ak_uplink_file files[AK_UPLINK_FILES]; // names and digests are its own
    int count;
    ak_uplink_tensor tensors[AK_UPLINK_TENSORS];
    int tensor_count;
    ak_uplink_copy copies[AK_UPLINK_TENSORS]; // what the tensors' data lie in; they outlive them
} ak_uplink_pending;

struct ak_uplink {
    ak_channel *channel;
    int64_t job, ranks, orphan_ms;
    char *run;

    ProtobufCMessage *first_message; // holds what welcome points to
    ak_uplink_welcome welcome;
    ak_uplink_slot tensors[AK_UPLINK_TENSORS];
    int tensor_count;
    bool seeded; // they are another job's, and forgotten once this one's are declared
    size_t state_bytes;

    pthread_t sender, keeper;
    bool running; // both threads are
    pthread_mutex_t lock;
    pthread_cond_t changed;

    // Under lock.
    ak_stream *stream;  // replaced by the keeper alone, while nobody sends
    bool up;            // the coordinator has, or will be sent, all: what is new may be queued
    bool recycled;      // we have ended the stream ourselves, to begin another
    int64_t generation; // of streams
    int64_t down_ns;    // since when there is no coordinator; 0: there is one
    bool orphaned;      // that was too long
    bool meeting;       // the keeper has found one, and is handing over
    bool alone;         // the last commit was made without it: there is no way back
    bool finishing;     // all is told but the end: the keeper need not come back
    bool has_report;    // latest is one
    ak_uplink_pending pending;
    ak_uplink_pending older; // was held when pending was begun, whose files may yet fail
    ak_uplink_item *first, **last, *spare;
    size_t waiting; // bytes in first.. and in the item being sent
    int spares;
    bool busy, quitting, stream_over;
    bool finished; // Finish was answered and our side of the stream closed
    bool report_waits, report_now;
    int64_t reported_ns;
    akssl_status failed; // of the stream; 0: none
    char failure[AK_UPLINK_SENTENCE];
    ak_uplink_record latest;
    ak_uplink_record sending; // the sender's alone

    atomic_bool stop, lost, unstored;
    char stop_reason[AK_UPLINK_SENTENCE]; // written once, before stop
};

// ---- any thread of the uplink

// ak_uplink_request_stop makes stop_requested true; the first reason (NULL or "": unsaid) stays.
void ak_uplink_request_stop(ak_uplink *u, const char *reason);

// ak_uplink_fail notes this thread's sentence as what every later call says; the link is lost.
void ak_uplink_fail(ak_uplink *u, akssl_status rc);

// ak_uplink_failure is that sentence again, or OK; under lock.
akssl_status ak_uplink_failure(const ak_uplink *u);

// ak_uplink_wait waits for a change, under lock; false when the time (CLOCK_MONOTONIC, ns) has
// come.
bool ak_uplink_wait(ak_uplink *u, int64_t ns);

// ---- state.c: while opening

// ak_uplink_broken fails with what is wrong in what the coordinator sent.
akssl_status ak_uplink_broken(const char *what);

// ak_uplink_next receives one message before limit_ns; the end of the stream is a failure.
akssl_status ak_uplink_next(ak_stream *stream, int64_t limit_ns, ProtobufCMessage **message);

// ak_uplink_receive_state receives tensors until state_end.
akssl_status ak_uplink_receive_state(ak_uplink *u, ak_stream *stream, int64_t limit_ns);

// ak_uplink_forget_state frees the tensors.
void ak_uplink_forget_state(ak_uplink *u);

// ak_uplink_bytes_of gives the size of a float32 tensor, 0 when the shape is none or too large.
size_t ak_uplink_bytes_of(const int64_t *shape, size_t dims);

// The copies change with what the coordinator is told; under lock.
akssl_status ak_uplink_note_whole(ak_uplink *u, const ak_uplink_tensor *tensor);
void ak_uplink_note_push(ak_uplink *u, const char *name, int64_t version,
                         const ak_uplink_rows *rows);

// ---- link.c: the stream

// ak_uplink_passes says whether a failure is one of the way there, not of the run; `joining`: of a
// Join, which may come too early.
bool ak_uplink_passes(akssl_status rc, bool joining);

// ak_uplink_say_hello is the first message of a stream.
akssl_status ak_uplink_say_hello(const ak_uplink *u, ak_stream *stream, bool rejoin);

void *ak_uplink_run_keeper(void *uplink);

// ak_uplink_recycle ends the stream, for the keeper to begin another; under lock.
void ak_uplink_recycle(ak_uplink *u);

// ---- ask.c: Commit and Finish

// ak_uplink_ask_commit asks once for u->pending, which stays as it is meanwhile; not under lock.
akssl_status ak_uplink_ask_commit(ak_uplink *u);

void ak_uplink_drop_pending(ak_uplink *u); // under lock
void ak_uplink_free_pending(ak_uplink_pending *pending);

// ---- alone.c

// ak_uplink_commit_alone makes u->pending durable, with its held tensors.
akssl_status ak_uplink_commit_alone(ak_uplink *u);

// ---- queue.c

void *ak_uplink_run_sender(void *uplink);

// ak_uplink_send_whole sends a tensor at once; the keeper's, while nothing is queued.
akssl_status ak_uplink_send_whole(ak_stream *stream, const ak_uplink_tensor *tensor);

// ak_uplink_queue_all queues every tensor but those at version `but`, in front of what will be
// queued; under lock.
akssl_status ak_uplink_queue_all(ak_uplink *u, int64_t but);

// ak_uplink_drop_queue forgets what waits; under lock.
void ak_uplink_drop_queue(ak_uplink *u);

// ak_uplink_drain waits until all that was queued is sent, or the link is down; the latest report
// too when `reports`.
akssl_status ak_uplink_drain(ak_uplink *u, bool reports);

void ak_uplink_free_queue(ak_uplink *u);

#endif
