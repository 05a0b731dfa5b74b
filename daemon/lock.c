// daemon/lock.c -- one daemon to a state folder, one daemon to a socket.

#include "daemon/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/error.h"

akssl_status ak_lock_take(int *fd, const char *path, const char *what)
{
    char text[32] = "";
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int n;

    if (lock < 0)
        return ak_fail_errno(errno, "%s: lock '%s' cannot be opened", what, path);
    if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        int error = errno;

        if (pread(lock, text, sizeof text - 1, 0) < 0)
            text[0] = '\0';
        close(lock);
        if (error != EWOULDBLOCK)
            return ak_fail_errno(error, "%s: lock '%s'", what, path);
        return ak_fail(AKSSL_ERR_EXISTS,
                       "%s is held by another akssld (process %ld): stop it first", what,
                       strtol(text, NULL, 10));
    }
    n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) < 0 || pwrite(lock, text, (size_t)n, 0) < 0) {
        n = errno;
        close(lock);
        return ak_fail_errno(n, "%s: lock '%s' cannot be written", what, path);
    }
    *fd = lock;
    return AKSSL_OK;
}

akssl_status ak_lock_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat st;
    int fd, rc;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? AKSSL_OK : ak_fail_errno(errno, "socket '%s'", path);
    if (!S_ISSOCK(st.st_mode))
        return ak_fail(AKSSL_ERR_EXISTS,
                       "'%s' is there and is no socket: remove it or give another --socket", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ak_fail_errno(errno, "socket '%s'", path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    rc = connect(fd, (const struct sockaddr *)&address, sizeof address);
    rc = rc < 0 ? errno : 0;
    close(fd);
    if (rc == 0 || rc == EAGAIN)
        return ak_fail(AKSSL_ERR_EXISTS,
                       "another program serves socket '%s': stop it or give another --socket",
                       path);
    return AKSSL_OK;
}
