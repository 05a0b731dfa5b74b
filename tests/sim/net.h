// tests/sim/net.h -- calls between akssld and those who call it: the caller's end.
//
// Messages are packed and unpacked as on the wire.  Within a call and a direction they keep their
// order, as HTTP/2 does; calls overtake each other.  A cut loses what is under way, tells the
// caller UNAVAILABLE and akssld that the call is over, each in its own time.  Now and then some of
// what was under way is only late: it lies in a buffer of the connection, and akssld hears it when
// the caller has long given it up, perhaps after the caller's next call.  A unary call that is
// given up so and made again is heard twice; here its copy is the one that comes late.

#ifndef AK_SIM_NET_H
#define AK_SIM_NET_H

#include "proto/rpc/server.h"
#include "tests/sim/world.h"

typedef struct sim_packet {
    struct sim_packet *next;
    uint8_t *bytes; // NULL: the end of the caller's side
    size_t size;
} sim_packet;

typedef struct sim_queue {
    sim_packet *first, *last;
    int64_t last_at; // when its last packet arrives
} sim_queue;

typedef struct sim_caller {
    // message: what arrives; borrowed.  ended: once, after all messages; sentence is akssld's.
    void (*message)(void *ctx, struct ak_call *call, const ProtobufCMessage *message);
    void (*ended)(void *ctx, struct ak_call *call, akssl_status rc, const char *sentence);
    void *ctx;
    // frozen gives until when the caller hears nothing (SIGSTOP); NULL: it never is.
    int64_t (*frozen)(void *ctx);
    // late: akssld hears a unary call now that the caller has given up, or that it has made again.
    void (*late)(void *ctx, struct ak_call *call, const ProtobufCMessage *request);
} sim_caller;

// Both ends of a call; lives as long as the seed.
struct ak_call {
    struct ak_call *next;
    int id, life;
    ak_rpc_id rpc;
    char secret[80];
    const char *run; // that the caller says it belongs to; ""
    void *user, *who;
    sim_caller caller;
    sim_queue up, down;
    size_t down_bytes;
    bool full;     // drained is due
    bool here;     // akssld knows it
    bool answered; // by akssld: nothing more goes down
    bool over;     // for the caller
    bool cut;
    int64_t late_until; // of one that was cut: what was under way arrives then, in order; 0: never
    bool ended;         // for akssld: what still comes is lost
    akssl_status rc;    // of the answer
    char *sentence;
    sim_event *deadline;
};

typedef struct sim_net {
    struct ak_call *calls;
    struct ak_server *server;
    int last_id;
} sim_net;

void sim_net_begin(void);
void sim_net_end(void);

// sim_net_call starts a call; request is NULL for a bidi stream.  deadline_ms 0: none.  The caller
// is told of everything later, never from in here.
struct ak_call *sim_net_call(ak_rpc_id rpc, const char *secret, const char *run,
                             const ProtobufCMessage *request, int64_t deadline_ms,
                             const sim_caller *caller);

void sim_net_send(struct ak_call *call, const ProtobufCMessage *message); // bidi
void sim_net_close_send(struct ak_call *call);

// sim_net_drop is a caller that goes away: it hears nothing more.
void sim_net_drop(struct ak_call *call);

// sim_net_cut breaks a call's connection.  sim_net_cut_all breaks all calls: akssld is gone.
void sim_net_cut(struct ak_call *call);
void sim_net_cut_all(void);

// sim_net_cut_some cuts one call by chance, or all of one caller.
void sim_net_cut_some(void);

#endif
