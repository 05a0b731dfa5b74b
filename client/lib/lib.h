// client/lib/lib.h -- what the library's own files share; nothing here leaves the library.

#ifndef AK_CLIENT_LIB_H
#define AK_CLIENT_LIB_H

#include <stdbool.h>

#include "akssl/client.h"
#include "proto/rpc/channel.h"
#include "proto/spec/spec.h"

struct akssl_client {
    ak_channel *channel;
    char *token, *ca, *certificate, *key; // what is shown; NULL: nothing
    int64_t timeout_ms, patience_ms;
};

struct akssl_job_spec {
    ak_spec spec;
    ak_str scratch; // what the last get or yaml call gave
};

// ak_job_spec_decode makes a spec of the wire's; NULL when message is, or when it holds a value
// that this library's table does not know (a newer daemon's).
akssl_job_spec *ak_job_spec_decode(const Akssl__V1__JobSpec *message);

// ak_job_take makes a job of the wire's and eats message.
akssl_job *ak_job_take(Akssl__V1__Job *message);

// ak_job_inherit moves the spec of older to job when job has none.
void ak_job_inherit(akssl_job *job, akssl_job *older);

// ak_client_channel opens a channel that shows what the client shows.
akssl_status ak_client_channel(const akssl_client *client, const char *address,
                               ak_channel **out) AKSSL_MUST_CHECK;

// ak_client_revive comes before each call or stream on the client's channel: one that has found
// nobody comes back by itself late, and over TLS later still (ak_channel_connect).
void ak_client_revive(const akssl_client *client);

// ak_client_call makes a unary call with the client's timeout; *reply as ak_channel_call gives it.
akssl_status ak_client_call(akssl_client *client, ak_rpc_id rpc, const ProtobufCMessage *request,
                            ProtobufCMessage **reply) AKSSL_MUST_CHECK;

// ak_client_judge gives rc, or what it is for the library's callers: the ERR_UNAVAILABLE or
// ERR_DEADLINE that a daemon answers with is its judgement, ERR_STATE or ERR_LIMIT; where none was
// reached, the sentence of an ERR_UNAVAILABLE says what to do.
akssl_status ak_client_judge(const akssl_client *client, akssl_status rc);

// ak_client_write writes all of it to a file; path is for the sentence (save.c).
akssl_status ak_client_write(int fd, const char *path, const uint8_t *bytes,
                             size_t size) AKSSL_MUST_CHECK;

// ak_follow keeps one server stream going through losses of the daemon.
typedef struct ak_follow {
    akssl_client *client;
    ak_rpc_id rpc;
    const ProtobufCMessage *request;
    int64_t deadline_ns; // for all of it, on ak_clock_ns; 0: none
    int64_t first_ms;    // for each stream's first message; 0: none

    // opened: a stream starts, for the first time or again.  Optional.
    void (*opened)(void *self);
    // take eats one message.  A failure ends it all.
    akssl_status (*take)(void *self, ProtobufCMessage *message);
    // event tells of LOST, BACK and TICK.  A failure ends it all.
    akssl_status (*event)(void *self, akssl_event_kind kind, const char *reason);
    // ended: the daemon ended the stream with OK; true when that was to be expected.
    bool (*ended)(void *self);
    void *self;
} ak_follow;

// ak_follow_run returns OK once `ended` agrees, ERR_UNAVAILABLE when the daemon stays away for
// longer than the client's patience (or was never there), or the first failure of a callback.
akssl_status ak_follow_run(const ak_follow *follow) AKSSL_MUST_CHECK;

#endif
