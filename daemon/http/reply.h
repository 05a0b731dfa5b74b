// daemon/http/reply.h -- one request: who asks, which route, the answer with its headers.
//
//     NEW --look--> DONE                      an answer is queued in libmicrohttpd
//      '--look--> WAITING --turn--> WORKING --work--> DONE
//
// Loop thread only, but for the route's work.  http.c and reply.c share this; nobody else does.

#ifndef AK_DAEMON_HTTP_REPLY_H
#define AK_DAEMON_HTTP_REPLY_H

#include <microhttpd.h>

#include "daemon/http/http.h"
#include "daemon/http/route.h"
#include "proto/rpc/badge.h"
#include "proto/rpc/gate.h"

typedef enum ak_reply_stage {
    AK_REPLY_NEW,
    AK_REPLY_WAITING,
    AK_REPLY_WORKING,
    AK_REPLY_DONE,
} ak_reply_stage;

// A connection, until libmicrohttpd says that it is closed.
typedef struct ak_guest {
    struct ak_guest *next;
    int fd;
    ak_badge *badge;
    int64_t since_ns; // of its start, or of its last request's start or end
    bool busy;        // with a request
    bool cut;         // its time was over
} ak_guest;

typedef struct ak_reply {
    struct ak_reply *next; // while WAITING
    ak_http *http;
    struct MHD_Connection *connection;
    ak_guest *guest; // NULL: not known
    ak_ask ask;
    const ak_route *route;
    ak_reply_stage stage;
    size_t held; // bytes of its work's answer
    akssl_status rc;
    char *error; // rc's sentence
} ak_reply;

struct ak_http {
    ak_daemon *d;
    uv_loop_t *loop;
    struct MHD_Daemon *mhd;
    ak_gate *gate;
    bool open_door; // on loopback: no token, but a Host of loopback
    uv_poll_t poll; // libmicrohttpd's epoll descriptor
    uv_timer_t due; // its next timeout
    uv_timer_t tick;
    int handles; // with the gate, not closed yet
    ak_guest *guests;
    ak_reply *waiting;
    int waiting_count, working;
    size_t held; // of all replies
    bool closing, stopped;
};

// ak_reply_answer and ak_reply_completed are libmicrohttpd's callbacks; cls is the ak_http.
enum MHD_Result ak_reply_answer(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **reply);
void ak_reply_completed(void *cls, struct MHD_Connection *connection, void **reply,
                        enum MHD_RequestTerminationCode code);

// ak_reply_next starts work that waits, as far as there is room.
void ak_reply_next(ak_http *http);

// ak_http_turn lets libmicrohttpd do what there is to do; ak_http_find gives a connection's guest.
void ak_http_turn(ak_http *http);
ak_guest *ak_http_find(struct MHD_Connection *connection);

// ak_http_worked is told that a work is over.
void ak_http_worked(ak_http *http);

#endif
