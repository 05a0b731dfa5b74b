// tests/unit/proto/rpc/serve.h -- a server on a loop thread of its own, for the tests beside it.
//
// Start it inside the test: with CK_FORK=yes gRPC must not run before the fork.

#ifndef AK_TESTS_SERVE_H
#define AK_TESTS_SERVE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/rpc/server.h"
#include "tests/check.h"

typedef struct serve {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t stop;
    ak_server *server;
    uint64_t grace_ms;
    const char *listen; // "HOST:PORT" to serve too; NULL: none
    const ak_tls *tls;
    int64_t patience_ms; // with slow readers; 0: the server's own
    char folder[64], path[96], address[112];
} serve;

static inline void serve_closed(void *ctx)
{
    serve *s = ctx;

    s->server = NULL;
}

static inline void serve_on_stop(uv_async_t *stop)
{
    serve *s = stop->data;

    ak_server_close(s->server, s->grace_ms, serve_closed, s);
    uv_close((uv_handle_t *)stop, NULL);
}

static inline void serve_run(void *arg)
{
    serve *s = arg;

    uv_run(&s->loop, UV_RUN_DEFAULT);
}

static inline void serve_folder(serve *s)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(s->folder, sizeof s->folder, "%s/akssl-rpc-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(s->folder));
    snprintf(s->path, sizeof s->path, "%s/socket", s->folder);
    snprintf(s->address, sizeof s->address, "unix:%s", s->path);
}

static inline void serve_start(serve *s, const ak_server_events *events, void *ctx)
{
    akssl_status rc;

    if (!s->folder[0])
        serve_folder(s);
    ck_assert_int_eq(uv_loop_init(&s->loop), 0);
    ck_assert_int_eq(uv_async_init(&s->loop, &s->stop, serve_on_stop), 0);
    s->stop.data = s;
    rc = ak_server_open(&s->server, &s->loop, s->path, events, ctx);
    ck_assert_msg(rc == 0, "%s", ak_error_text());
    if (s->listen)
        rc = ak_server_listen(s->server, s->listen, s->tls);
    ck_assert_msg(rc == 0, "%s", ak_error_text());
    if (s->patience_ms)
        ak_server_set_patience(s->server, s->patience_ms);
    ck_assert_int_eq(uv_thread_create(&s->thread, serve_run, s), 0);
}

// serve_stop closes the server and waits until nothing of it is left.
static inline void serve_stop(serve *s, uint64_t grace_ms)
{
    s->grace_ms = grace_ms;
    uv_async_send(&s->stop);
    uv_thread_join(&s->thread);
    ck_assert_ptr_null(s->server);
    ck_assert_int_eq(uv_loop_close(&s->loop), 0);
    ck_assert_int_ne(access(s->path, F_OK), 0);
}

static inline void serve_remove(serve *s)
{
    ck_assert_int_eq(rmdir(s->folder), 0);
}

#endif
