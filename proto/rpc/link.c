// proto/rpc/link.c -- a TLS handshake, then bytes both ways, without blocking.

#include "proto/rpc/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "proto/base/alloc.h"

enum {
    FLOW = 16 << 10, // bytes; of a TLS record
    TURNS = 32,      // before others have theirs
};

typedef struct flow {
    size_t from, to;
    bool over; // its source has ended
    uint8_t bytes[FLOW];
} flow;

struct ak_link {
    SSL *ssl;
    int fd, plain_fd; // plain_fd -1: shaking
    uv_poll_t tcp, plain;
    int tcp_wants, plain_wants; // events
    int handles;                // of libuv, not closed yet
    bool closing, broken;
    uint64_t since;
    ak_badge *badge;
    const ak_link_events *events;
    void *ctx;
    flow in, out;
};

// ---- closing

static void on_handle_closed(uv_handle_t *handle)
{
    ak_link *k = handle->data;

    if (--k->handles > 0)
        return;
    k->events->closed(k->ctx, k);
    SSL_free(k->ssl);
    close(k->fd);
    if (k->plain_fd >= 0)
        close(k->plain_fd);
    ak_badge_rele(k->badge);
    free(k);
}

void ak_link_close(ak_link *k)
{
    if (k->closing)
        return;
    k->closing = true;
    if (k->plain_fd >= 0 && !k->broken) {
        ERR_clear_error();
        SSL_shutdown(k->ssl); // says goodbye, if it can at once
    }
    uv_close((uv_handle_t *)&k->tcp, on_handle_closed);
    if (k->plain_fd >= 0)
        uv_close((uv_handle_t *)&k->plain, on_handle_closed);
}

// ---- bytes; each function says whether it did something

// wants notes what TLS waits for; false: the connection has failed, or ended.
static bool wants(ak_link *k, int result)
{
    int error = SSL_get_error(k->ssl, result);

    if (error == SSL_ERROR_WANT_READ)
        k->tcp_wants |= UV_READABLE;
    else if (error == SSL_ERROR_WANT_WRITE)
        k->tcp_wants |= UV_WRITABLE;
    else
        k->broken |= error != SSL_ERROR_ZERO_RETURN;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool receive(ak_link *k)
{
    flow *f = &k->in;
    int n;

    if (f->over || f->from < f->to)
        return false;
    ERR_clear_error();
    n = SSL_read(k->ssl, f->bytes, FLOW);
    if (n <= 0 && wants(k, n))
        return false;
    f->from = 0;
    f->to = n > 0 ? (size_t)n : 0;
    f->over = n <= 0;
    if (f->over)
        shutdown(k->plain_fd, SHUT_WR);
    return true;
}

// blocked notes what a plain socket waits for.
static bool blocked(ak_link *k, int event)
{
    if (errno != EAGAIN && errno != EINTR)
        k->broken = true;
    k->plain_wants |= event;
    return false;
}

static bool deliver(ak_link *k)
{
    flow *f = &k->in;
    ssize_t n;

    if (f->from == f->to)
        return false;
    n = send(k->plain_fd, f->bytes + f->from, f->to - f->from, MSG_NOSIGNAL);
    if (n <= 0)
        return blocked(k, UV_WRITABLE);
    f->from += (size_t)n;
    return true;
}

static bool fetch(ak_link *k)
{
    flow *f = &k->out;
    ssize_t n;

    if (f->over || f->from < f->to)
        return false;
    n = read(k->plain_fd, f->bytes, FLOW);
    if (n < 0)
        return blocked(k, UV_READABLE);
    f->from = 0;
    f->to = (size_t)n;
    f->over = n == 0;
    return true;
}

static bool transmit(ak_link *k)
{
    flow *f = &k->out;
    int n;

    if (f->from == f->to)
        return false;
    ERR_clear_error();
    n = SSL_write(k->ssl, f->bytes + f->from, (int)(f->to - f->from));
    if (n <= 0) {
        k->broken |= !wants(k, n);
        return false;
    }
    f->from += (size_t)n;
    return true;
}

// ---- turns

static void on_event(uv_poll_t *poll, int status, int events);

static void rearm(uv_poll_t *poll, int wants)
{
    if (wants)
        uv_poll_start(poll, wants, on_event);
    else
        uv_poll_stop(poll);
}

static void pump(ak_link *k)
{
    bool moved = true;

    for (int i = 0; i < TURNS && moved && !k->broken; i++) {
        k->tcp_wants = k->plain_wants = 0;
        moved = receive(k);
        moved |= deliver(k);
        moved |= fetch(k);
        moved |= transmit(k);
    }
    if (k->broken || (k->out.over && k->out.from == k->out.to)) {
        ak_link_close(k);
        return;
    }
    if (moved) // come back at once
        k->tcp_wants = UV_READABLE | UV_WRITABLE;
    rearm(&k->tcp, k->tcp_wants);
    rearm(&k->plain, k->plain_wants);
}

static void note_name(ak_link *k)
{
    X509 *certificate = SSL_get_peer_certificate(k->ssl);

    if (certificate && X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                                 k->badge->name, sizeof k->badge->name) < 0)
        k->badge->name[0] = '\0';
    X509_free(certificate);
}

static void become_open(ak_link *k)
{
    int pair[2];

    note_name(k);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        ak_link_close(k);
        return;
    }
    k->plain_fd = pair[0];
    uv_poll_init(k->tcp.loop, &k->plain, k->plain_fd);
    k->plain.data = k;
    k->handles++;
    k->events->opened(k->ctx, pair[1], ak_badge_hold(k->badge));
    pump(k);
}

static void shake(ak_link *k)
{
    int n;

    k->tcp_wants = 0;
    ERR_clear_error();
    n = SSL_accept(k->ssl);
    if (n == 1)
        become_open(k);
    else if (wants(k, n))
        rearm(&k->tcp, k->tcp_wants);
    else
        ak_link_close(k);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    ak_link *k = poll->data;

    (void)status; // a socket that has failed says so when it is used
    (void)events;
    if (k->plain_fd < 0)
        shake(k);
    else
        pump(k);
}

ak_link *ak_link_new(uv_loop_t *loop, SSL_CTX *tls, int fd, ak_badge *badge,
                     const ak_link_events *events, void *ctx)
{
    ak_link *k = ak_alloc(1, sizeof *k);

    k->ssl = SSL_new(tls);
    k->fd = fd;
    k->plain_fd = -1;
    k->badge = badge;
    k->events = events;
    k->ctx = ctx;
    k->since = uv_now(loop);
    uv_poll_init(loop, &k->tcp, fd);
    k->tcp.data = k;
    k->handles = 1;
    if (!k->ssl || SSL_set_fd(k->ssl, fd) != 1)
        ak_link_close(k);
    else
        shake(k);
    return k;
}

bool ak_link_shaking(const ak_link *k)
{
    return k->plain_fd < 0;
}

bool ak_link_known(const ak_link *k)
{
    return atomic_load(&k->badge->known);
}

uint64_t ak_link_since(const ak_link *k)
{
    return k->since;
}

bool ak_link_closing(const ak_link *k)
{
    return k->closing;
}
