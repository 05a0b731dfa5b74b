// daemon/http/http.c -- connections: from the gate to libmicrohttpd, turned by the daemon's loop.
//
//     gate -> on_guest -> MHD_add_connection           a guest, until MHD_CONNECTION_NOTIFY_CLOSED
//     close: gate, works under way -> libmicrohttpd -> handles -> freed

#include "daemon/http/http.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/http/reply.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { TICK_MS = 1000 };

bool ak_http_is_loopback(const char *address)
{
    static const char six[] = "[::1]";
    size_t length = strcspn(address, ":");

    if (strncmp(address, six, strlen(six)) == 0)
        return strchr(":", address[strlen(six)]) != NULL;
    if (length == strlen("localhost") && strncasecmp(address, "localhost", length) == 0)
        return true;
    return strncmp(address, "127.", 4) == 0 && strspn(address, "0123456789.") == length;
}

// ---- guests

static void guest_free(ak_http *h, ak_guest *guest)
{
    ak_guest **at = &h->guests;

    while (*at && *at != guest)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = guest->next;
    ak_badge_rele(guest->badge);
    free(guest);
}

static ak_guest *guest_of_fd(const ak_http *h, int fd)
{
    ak_guest *guest = h->guests;

    while (guest && guest->fd != fd)
        guest = guest->next;
    return guest;
}

ak_guest *ak_http_find(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    const union MHD_ConnectionInfo *info;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        guest_free(cls, *context);
        *context = NULL;
        return;
    }
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = info ? guest_of_fd(cls, info->connect_fd) : NULL;
}

static void on_guest(void *ctx, int fd, ak_badge *badge)
{
    struct sockaddr_un nowhere = { .sun_family = AF_UNIX };
    ak_http *h = ctx;
    ak_guest *guest;

    if (h->closing) {
        close(fd);
        ak_badge_rele(badge);
        return;
    }
    guest_free(h, guest_of_fd(h, fd)); // of which libmicrohttpd did not say that it is closed
    guest = ak_alloc(1, sizeof *guest);
    guest->fd = fd;
    guest->badge = badge;
    guest->since_ns = ak_clock_ns();
    guest->next = h->guests;
    h->guests = guest;
    if (MHD_add_connection(h->mhd, fd, (struct sockaddr *)&nowhere, sizeof nowhere) != MHD_YES)
        guest_free(h, guest); // there are enough of them; it has closed fd
    ak_http_turn(h);
}

static void on_tick(uv_timer_t *timer)
{
    ak_http *h = timer->data;
    int64_t now = ak_clock_ns();

    for (ak_guest *guest = h->guests; guest; guest = guest->next) {
        int64_t limit_s = guest->busy ? AK_HTTP_BUSY_S : AK_HTTP_IDLE_S;

        if (guest->cut || now - guest->since_ns < limit_s * 1000000000)
            continue;
        guest->cut = true;
        shutdown(guest->fd, SHUT_RDWR); // libmicrohttpd sees its end
    }
}

// ---- libmicrohttpd's turn

static void on_due(uv_timer_t *timer)
{
    ak_http_turn(timer->data);
}

static void on_events(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    ak_http_turn(poll->data);
}

void ak_http_turn(ak_http *http)
{
    unsigned long long wait_ms;

    if (http->stopped)
        return;
    MHD_run(http->mhd);
    if (MHD_get_timeout(http->mhd, &wait_ms) == MHD_YES)
        uv_timer_start(&http->due, on_due, wait_ms, 0);
    else
        uv_timer_stop(&http->due);
}

// ---- the end

static void let_go(ak_http *h)
{
    if (--h->handles == 0)
        free(h);
}

static void on_gate_closed(void *ctx)
{
    let_go(ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

// Waiting replies are let go on, or libmicrohttpd would not end.
static void finish_close(ak_http *h)
{
    if (h->working || h->stopped)
        return;
    ak_reply_next(h);
    ak_http_turn(h);
    h->stopped = true;
    uv_close((uv_handle_t *)&h->poll, on_handle_closed);
    uv_close((uv_handle_t *)&h->due, on_handle_closed);
    uv_close((uv_handle_t *)&h->tick, on_handle_closed);
    MHD_stop_daemon(h->mhd);
    while (h->guests)
        guest_free(h, h->guests);
}

void ak_http_close(ak_http *http)
{
    if (!http || http->closing)
        return;
    http->closing = true;
    ak_gate_close(http->gate, on_gate_closed, http);
    finish_close(http);
}

void ak_http_worked(ak_http *http)
{
    http->working--;
    ak_reply_next(http);
    if (http->closing)
        finish_close(http);
    else
        ak_http_turn(http);
}

// ---- the start

static void on_said(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_said(void *cls, const char *format, va_list args)
{
    const ak_http *h = cls;
    char text[256];

    vsnprintf(text, sizeof text, format, args);
    ak_log_write(h->d->log, AK_LOG_DEBUG, "http: %s", text);
}

static akssl_status start_mhd(ak_http *h)
{
    const union MHD_DaemonInfo *info;

    h->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, ak_reply_answer, h, MHD_OPTION_EXTERNAL_LOGGER, on_said, h,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)AK_HTTP_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)AK_HTTP_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)AK_HTTP_IDLE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
        ak_reply_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_END);
    info = h->mhd ? MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || uv_poll_init(h->loop, &h->poll, info->epoll_fd) < 0) {
        if (h->mhd)
            MHD_stop_daemon(h->mhd);
        return ak_fail(AKSSL_ERR_LIMIT, "--http: no descriptors to serve it: raise ulimit -n");
    }
    return AKSSL_OK;
}

static akssl_status start(ak_http *h)
{
    const ak_config *config = h->d->config;
    const ak_tls tls = { config->client_ca, config->tls_cert, config->tls_key, true };
    akssl_status rc = start_mhd(h);

    if (rc < 0)
        return rc;
    rc = ak_gate_open(&h->gate, h->loop, config->http, h->open_door ? NULL : &tls, on_guest, h);
    if (rc < 0) {
        h->handles = 1;
        uv_close((uv_handle_t *)&h->poll, on_handle_closed);
        MHD_stop_daemon(h->mhd);
        return ak_wrap(rc, "--http");
    }
    uv_timer_init(h->loop, &h->due);
    uv_timer_init(h->loop, &h->tick);
    h->poll.data = h->due.data = h->tick.data = h;
    uv_poll_start(&h->poll, UV_READABLE, on_events);
    uv_timer_start(&h->tick, on_tick, TICK_MS, TICK_MS);
    h->handles = 4;
    return AKSSL_OK;
}

akssl_status ak_http_open(ak_http **out, ak_daemon *d)
{
    ak_http *h;
    akssl_status rc;

    if (!d->config->http[0])
        return AKSSL_OK;
    h = ak_alloc(1, sizeof *h);
    h->d = d;
    h->loop = &d->loop;
    h->poll.data = h;
    h->open_door = ak_http_is_loopback(d->config->http);
    rc = start(h);
    if (rc < 0) {
        if (!h->handles)
            free(h);
        return rc;
    }
    *out = h;
    ak_log_write(
        d->log, AK_LOG_INFO, "page and metrics at %s://%.*s:%d/, %s",
        h->open_door ? "http" : "https", (int)(strrchr(d->config->http, ':') - d->config->http),
        d->config->http, ak_gate_port(h->gate),
        h->open_door ? "for everybody on this host" : "with TLS, to those who have a token");
    return AKSSL_OK;
}
