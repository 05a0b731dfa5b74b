// proto/rpc/listener.c -- socket, bind, listen, accept; SO_PEERCRED.

#include "proto/rpc/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum {
    BACKLOG = 128,
    ACCEPTS = 16,   // in one turn of the loop
    PAUSE_MS = 100, // when descriptors are out
};

struct ak_listener {
    uv_poll_t poll;
    uv_timer_t pause;
    int fd; // -1: stopped
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    void (*accepted)(void *ctx, int fd, uid_t uid);
    void (*closed)(void *ctx);
    void *ctx, *closed_ctx;
    int handles; // of libuv, not closed yet
};

static void welcome(ak_listener *l, int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        close(fd);
    else
        l->accepted(l->ctx, fd, who.uid);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    ak_listener *l = timer->data;

    uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    ak_listener *l = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS && l->fd >= 0; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            welcome(l, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            uv_poll_stop(&l->poll); // no descriptors or memory: the caller waits in the backlog
            uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
            return;
        }
    }
}

static akssl_status clear_path(const char *path)
{
    struct stat there;

    if (lstat(path, &there) < 0)
        return errno == ENOENT ? AKSSL_OK : ak_fail_errno(errno, "socket '%s'", path);
    if (!S_ISSOCK(there.st_mode))
        return ak_fail(AKSSL_ERR_EXISTS,
                       "socket '%s': a file that is no socket is there: remove it", path);
    if (unlink(path) < 0)
        return ak_fail_errno(errno, "socket '%s' is stale and cannot be removed", path);
    return AKSSL_OK;
}

static akssl_status listen_at(const char *path, int *out)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    akssl_status rc = clear_path(path);
    int fd;

    if (rc < 0)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ak_fail_errno(errno, "socket '%s'", path);
    memcpy(address.sun_path, path, strlen(path));
    // Nobody can connect before listen, so the mode is in place in time.
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        rc = ak_fail_errno(errno, "socket '%s' cannot be made", path);
    } else if (chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0) {
        rc = ak_fail_errno(errno, "socket '%s' cannot be listened on", path);
        unlink(path);
    }
    if (rc < 0)
        close(fd);
    else
        *out = fd;
    return rc;
}

akssl_status ak_listener_open(ak_listener **out, uv_loop_t *loop, const char *path,
                              void (*accepted)(void *ctx, int fd, uid_t uid), void *ctx)
{
    ak_listener *l;
    akssl_status rc;
    int fd;

    if (!path[0] || strlen(path) >= sizeof l->path)
        return ak_fail(AKSSL_ERR_INVALID, "socket '%s': give a path of 1 to %zu bytes", path,
                       sizeof l->path - 1);
    rc = listen_at(path, &fd);
    if (rc < 0)
        return rc;
    l = ak_alloc(1, sizeof *l);
    l->fd = fd;
    memcpy(l->path, path, strlen(path) + 1);
    l->accepted = accepted;
    l->ctx = ctx;
    uv_timer_init(loop, &l->pause);
    uv_poll_init(loop, &l->poll, fd);
    l->handles = 2;
    l->poll.data = l->pause.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    *out = l;
    return AKSSL_OK;
}

void ak_listener_stop(ak_listener *listener)
{
    if (listener->fd < 0)
        return;
    uv_timer_stop(&listener->pause);
    uv_poll_stop(&listener->poll);
    unlink(listener->path);
    close(listener->fd);
    listener->fd = -1;
}

static void on_handle_closed(uv_handle_t *handle)
{
    ak_listener *l = handle->data;

    if (--l->handles > 0)
        return;
    l->closed(l->closed_ctx);
    free(l);
}

void ak_listener_close(ak_listener *listener, void (*closed)(void *ctx), void *ctx)
{
    ak_listener_stop(listener);
    listener->closed = closed;
    listener->closed_ctx = ctx;
    uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
    uv_close((uv_handle_t *)&listener->pause, on_handle_closed);
}
