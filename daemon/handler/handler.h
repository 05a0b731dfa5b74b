// daemon/handler/handler.h -- the calls that akssld answers: one file, one row each.

#ifndef AK_DAEMON_HANDLER_HANDLER_H
#define AK_DAEMON_HANDLER_HANDLER_H

#include "daemon/daemon.h"

// The file's name is the row's in proto/rpc/rpcs.def.  All of it runs on the loop thread.
typedef struct ak_handler {
    ak_access access; // who may call
    size_t job_at; // offset, in the request, of the id of the job that it changes, which only its
                   // owner and administrators may; 0: none

    // started answers, or keeps the call to answer it later.  A failure that it returns is the
    // answer: code and stored sentence.  ak_call_caller gives the ak_caller.
    akssl_status (*started)(ak_daemon *d, ak_call *call, const ProtobufCMessage *request);

    // The rest is optional; see proto/rpc/server.h.
    void (*received)(ak_daemon *d, ak_call *call, const ProtobufCMessage *message);
    void (*drained)(ak_daemon *d, ak_call *call);
    void (*ended)(ak_daemon *d, ak_call *call);
} ak_handler;

// ak_handler_find gives the handler of a call; never NULL.
const ak_handler *ak_handler_find(ak_rpc_id rpc);

// ak_handler_entered goes on with a call whose caller had to wait (daemon/auth); ctx is the daemon.
void ak_handler_entered(void *ctx, ak_call *call, const ProtobufCMessage *request, akssl_status rc);

// ak_handler_events is the dispatcher, for ak_server_open; its ctx is the daemon.
const ak_server_events *ak_handler_events(void);

#endif
