// proto/rpc/listener.c -- socket, bind, listen, accept; SO_PEERCRED; descriptor numbers.

#include "proto/rpc/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum {
    BACKLOG = 128,
    ACCEPTS = 16,        // in one turn of the loop
    PAUSE_MS = 100,      // when descriptors are out
    NUMBERS_FROM = 1024, // connections live at NUMBERS_FROM.. of NUMBERS numbers, in turn,
    NUMBERS = 8192,      // or in the upper half of what the process may open
};

typedef struct peer {
    int fd; // -1: free
    uid_t uid;
} peer;

struct ak_listener {
    uv_poll_t poll;
    uv_timer_t pause;
    int fd; // -1: stopped
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    void (*accepted)(void *ctx, int fd);
    void (*closed)(void *ctx);
    void *ctx, *closed_ctx;
    int first, last, next; // range of the connections' descriptors
    int handles;           // of libuv, not closed yet
    peer peers[AK_LISTENER_CONNECTIONS];
};

static void number_range(ak_listener *l)
{
    struct rlimit limit;
    int room = 1024;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        room = limit.rlim_cur > INT_MAX ? INT_MAX : (int)limit.rlim_cur;
    l->first = room / 2 < NUMBERS_FROM ? room / 2 : NUMBERS_FROM;
    l->last = room - l->first < NUMBERS ? room - 1 : l->first + NUMBERS - 1;
    l->next = l->first;
}

// gRPC closes a connection's descriptor when it is gone, without a word: look.
static peer *free_peer(ak_listener *l)
{
    peer *found = NULL;

    for (int i = 0; i < AK_LISTENER_CONNECTIONS; i++) {
        peer *p = &l->peers[i];

        if (p->fd >= 0 && fcntl(p->fd, F_GETFD) < 0)
            p->fd = -1;
        if (p->fd < 0 && !found)
            found = p;
    }
    return found;
}

static int renumber(ak_listener *l, int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, l->next);

    if (moved < 0 || moved > l->last) {
        if (moved >= 0)
            close(moved);
        moved = fcntl(fd, F_DUPFD_CLOEXEC, l->first);
    }
    close(fd);
    if (moved >= 0)
        l->next = moved >= l->last ? l->first : moved + 1;
    return moved;
}

static void welcome(ak_listener *l, int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    peer *p = free_peer(l);

    if (!p || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) {
        close(fd);
        return;
    }
    fd = renumber(l, fd);
    if (fd < 0)
        return;
    *p = (peer){ fd, who.uid };
    l->accepted(l->ctx, fd);
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
                              void (*accepted)(void *ctx, int fd), void *ctx)
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
    for (int i = 0; i < AK_LISTENER_CONNECTIONS; i++)
        l->peers[i].fd = -1;
    number_range(l);
    uv_timer_init(loop, &l->pause);
    uv_poll_init(loop, &l->poll, fd);
    l->handles = 2;
    l->poll.data = l->pause.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    *out = l;
    return AKSSL_OK;
}

uid_t ak_listener_uid(const ak_listener *listener, int fd)
{
    for (int i = 0; i < AK_LISTENER_CONNECTIONS; i++)
        if (listener->peers[i].fd == fd && fd >= 0)
            return listener->peers[i].uid;
    return (uid_t)-1;
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
