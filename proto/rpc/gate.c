// proto/rpc/gate.c -- a listening socket and a thread for what comes in through it.

#include "proto/rpc/gate.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/rpc/address.h"
#include "proto/rpc/link.h"
#include "proto/rpc/peers.h"

enum {
    BACKLOG = 128,
    ACCEPTS = 16,   // in one turn of the loop
    PAUSE_MS = 100, // when descriptors are out
    TICK_MS = 1000,
    PLACES = AK_PEERS_TCP + 64, // the last ones for newcomers while others leave
};

// A connection on its way to the other thread.
typedef struct guest {
    struct guest *next;
    int fd;
    ak_badge *badge;
} guest;

struct ak_gate {
    int fd, port;
    SSL_CTX *tls; // NULL: without encryption
    uv_thread_t thread;

    // The loop's thread.
    void (*entered)(void *ctx, int fd, ak_badge *badge);
    void (*closed)(void *ctx);
    void *ctx, *closed_ctx;
    uv_async_t arrived;

    // The gate's thread.
    uv_loop_t loop;
    uv_async_t told;
    uv_poll_t accepting;
    uv_timer_t pause, tick;
    ak_link *links[PLACES];
    int link_count;

    // Both, under lock.
    uv_mutex_t lock;
    guest *first, **last;
    bool stopped, quitting, over;
};

// ---- to the loop's thread

static void hand_over(ak_gate *g, int fd, ak_badge *badge)
{
    guest *newcomer = ak_alloc(1, sizeof *newcomer);

    newcomer->fd = fd;
    newcomer->badge = badge;
    uv_mutex_lock(&g->lock);
    *g->last = newcomer;
    g->last = &newcomer->next;
    uv_mutex_unlock(&g->lock);
    uv_async_send(&g->arrived);
}

static void on_opened(void *ctx, int fd, ak_badge *badge)
{
    hand_over(ctx, fd, badge);
}

static void on_closed(void *ctx, ak_link *link)
{
    ak_gate *g = ctx;

    for (int i = 0; i < g->link_count; i++) {
        if (g->links[i] != link)
            continue;
        g->links[i] = g->links[--g->link_count];
        return;
    }
}

static const ak_link_events link_events = { on_opened, on_closed };

// ---- who may stay

static ak_link *oldest(ak_gate *g, bool shaking)
{
    ak_link *found = NULL;

    for (int i = 0; i < g->link_count; i++) {
        ak_link *link = g->links[i];

        if (ak_link_shaking(link) == shaking && !ak_link_known(link) && !ak_link_closing(link) &&
            (!found || ak_link_since(link) < ak_link_since(found)))
            found = link;
    }
    return found;
}

// make_room says whether there is a place for one more.
static bool make_room(ak_gate *g)
{
    ak_link *link;

    if (g->link_count < AK_PEERS_TCP)
        return true;
    link = oldest(g, true);
    if (!link)
        link = oldest(g, false);
    if (!link || g->link_count == PLACES)
        return false;
    ak_link_close(link); // leaves its place a turn later
    return true;
}

static void on_tick(uv_timer_t *timer)
{
    ak_gate *g = timer->data;
    uint64_t now = uv_now(&g->loop);

    for (int i = 0; i < g->link_count; i++) {
        ak_link *link = g->links[i];
        uint64_t limit = ak_link_shaking(link) ? AK_GATE_HANDSHAKE_MS : AK_GATE_ANONYMOUS_MS;

        if (!ak_link_known(link) && now - ak_link_since(link) > limit)
            ak_link_close(link);
    }
}

// ---- accepting

static void describe(const struct sockaddr_storage *from, socklen_t size, ak_badge *badge)
{
    char host[46], port[8];

    if (getnameinfo((const struct sockaddr *)from, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(badge->address, sizeof badge->address, "?");
    else
        snprintf(badge->address, sizeof badge->address, strchr(host, ':') ? "[%s]:%s" : "%s:%s",
                 host, port);
}

static void welcome(ak_gate *g, int fd, const struct sockaddr_storage *from, socklen_t size)
{
    ak_badge *badge;
    int yes = 1;

    if (g->tls && !make_room(g)) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    badge = ak_badge_new();
    describe(from, size, badge);
    if (!g->tls) {
        hand_over(g, fd, badge);
        return;
    }
    g->links[g->link_count] = ak_link_new(&g->loop, g->tls, fd, badge, &link_events, g);
    g->link_count++;
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    ak_gate *g = timer->data;

    if (!uv_is_closing((uv_handle_t *)&g->accepting))
        uv_poll_start(&g->accepting, UV_READABLE, on_acceptable);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    ak_gate *g = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        int fd = accept4(g->fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            welcome(g, fd, &from, size);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            uv_poll_stop(&g->accepting); // the caller waits in the backlog
            uv_timer_start(&g->pause, on_pause_over, PAUSE_MS, 0);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

// ---- the thread

static void close_listener(uv_handle_t *handle)
{
    ak_gate *g = handle->data;

    close(g->fd);
    g->fd = -1;
}

static void on_told(uv_async_t *told)
{
    ak_gate *g = told->data;
    bool quitting;

    uv_mutex_lock(&g->lock);
    quitting = g->quitting;
    uv_mutex_unlock(&g->lock);
    if (!uv_is_closing((uv_handle_t *)&g->accepting)) {
        uv_close((uv_handle_t *)&g->accepting, close_listener);
        uv_close((uv_handle_t *)&g->pause, NULL);
    }
    if (!quitting || uv_is_closing((uv_handle_t *)told))
        return;
    for (int i = 0; i < g->link_count; i++)
        ak_link_close(g->links[i]);
    uv_close((uv_handle_t *)&g->tick, NULL);
    uv_close((uv_handle_t *)told, NULL);
}

static void run(void *arg)
{
    ak_gate *g = arg;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE); // OpenSSL writes to connections that are gone
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    uv_mutex_lock(&g->lock);
    g->over = true;
    uv_mutex_unlock(&g->lock);
    uv_async_send(&g->arrived);
}

// ---- the loop's thread: arrivals and the end

static void on_arrived_closed(uv_handle_t *handle)
{
    ak_gate *g = handle->data;

    uv_loop_close(&g->loop);
    uv_mutex_destroy(&g->lock);
    SSL_CTX_free(g->tls);
    g->closed(g->closed_ctx);
    free(g);
}

static void on_arrived(uv_async_t *arrived)
{
    ak_gate *g = arrived->data;
    guest *newcomer;
    bool over, quitting;

    uv_mutex_lock(&g->lock);
    newcomer = g->first;
    g->first = NULL;
    g->last = &g->first;
    over = g->over;
    quitting = g->quitting;
    uv_mutex_unlock(&g->lock);
    while (newcomer) {
        guest *next = newcomer->next;

        if (quitting) {
            close(newcomer->fd);
            ak_badge_rele(newcomer->badge);
        } else {
            g->entered(g->ctx, newcomer->fd, newcomer->badge);
        }
        free(newcomer);
        newcomer = next;
    }
    if (!over || uv_is_closing((uv_handle_t *)arrived))
        return;
    uv_thread_join(&g->thread);
    uv_close((uv_handle_t *)arrived, on_arrived_closed);
}

static void tell(ak_gate *g, bool quit)
{
    bool known;

    uv_mutex_lock(&g->lock);
    known = g->stopped && (g->quitting || !quit);
    g->stopped = true;
    g->quitting |= quit;
    uv_mutex_unlock(&g->lock);
    if (!known)
        uv_async_send(&g->told);
}

void ak_gate_stop(ak_gate *gate)
{
    tell(gate, false);
}

void ak_gate_close(ak_gate *gate, void (*closed)(void *ctx), void *ctx)
{
    gate->closed = closed;
    gate->closed_ctx = ctx;
    tell(gate, true);
}

int ak_gate_port(const ak_gate *gate)
{
    return gate->port;
}

// ---- opening

static int bind_to(const struct addrinfo *at)
{
    int yes = 1, error;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static akssl_status listen_at(const char *address, int *out)
{
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    char host[256], service[8];
    int port, fd = -1, error;
    akssl_status rc = ak_address_split(address, host, &port);

    if (rc < 0)
        return rc;
    snprintf(service, sizeof service, "%d", port);
    error = getaddrinfo(host, service, &hints, &found);
    if (error != 0)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "address '%s': %s: give one of this host's addresses",
                       address, gai_strerror(error));
    for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
        fd = bind_to(at);
    error = errno;
    freeaddrinfo(found);
    if (fd < 0 && error == EADDRINUSE)
        return ak_fail(AKSSL_ERR_EXISTS,
                       "address '%s': another program listens there: give another port", address);
    if (fd < 0)
        return ak_fail_errno(error, "address '%s' cannot be listened on", address);
    *out = fd;
    return AKSSL_OK;
}

static int port_of(int fd)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;

    if (getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        return 0;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

static void prepare(ak_gate *g, uv_loop_t *loop)
{
    g->port = port_of(g->fd);
    g->last = &g->first;
    uv_mutex_init(&g->lock);
    uv_async_init(loop, &g->arrived, on_arrived);
    uv_loop_init(&g->loop);
    uv_async_init(&g->loop, &g->told, on_told);
    uv_poll_init(&g->loop, &g->accepting, g->fd);
    uv_timer_init(&g->loop, &g->pause);
    uv_timer_init(&g->loop, &g->tick);
    g->arrived.data = g->told.data = g->accepting.data = g->pause.data = g->tick.data = g;
    uv_poll_start(&g->accepting, UV_READABLE, on_acceptable);
    uv_timer_start(&g->tick, on_tick, TICK_MS, TICK_MS);
}

static void let_go(void *ctx)
{
    (void)ctx;
}

// abandon ends a gate that has no thread.
static void abandon(ak_gate *g)
{
    ak_gate_close(g, let_go, NULL);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&g->arrived, on_arrived_closed);
}

akssl_status ak_gate_open(ak_gate **out, uv_loop_t *loop, const char *listen, const ak_tls *tls,
                          void (*entered)(void *ctx, int fd, ak_badge *badge), void *ctx)
{
    SSL_CTX *context = NULL;
    int fd;
    akssl_status rc = tls ? ak_tls_serve(&context, tls) : AKSSL_OK;
    ak_gate *g;

    if (rc == AKSSL_OK)
        rc = listen_at(listen, &fd);
    if (rc < 0) {
        SSL_CTX_free(context);
        return rc;
    }
    g = ak_alloc(1, sizeof *g);
    g->fd = fd;
    g->tls = context;
    g->entered = entered;
    g->ctx = ctx;
    prepare(g, loop);
    if (uv_thread_create(&g->thread, run, g) != 0) {
        abandon(g);
        return ak_fail(AKSSL_ERR_LIMIT, "address '%s': no thread to serve it: raise ulimit -u",
                       listen);
    }
    *out = g;
    return AKSSL_OK;
}
