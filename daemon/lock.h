// daemon/lock.h -- one daemon to a state folder, one daemon to a socket.

#ifndef AK_DAEMON_LOCK_H
#define AK_DAEMON_LOCK_H

#include "akssl/status.h"

// ak_lock_take holds the lock file at path for the life of *fd (closed on exec; the kernel lets go
// of it when the process dies, however it dies).  ERR_EXISTS when another process has it: the
// sentence says `what` and that process's id.
akssl_status ak_lock_take(int *fd, const char *path, const char *what) AKSSL_MUST_CHECK;

// ak_lock_socket fails when something answers on the unix socket path, or when path is something
// else than a socket; a dead socket is no obstacle.
akssl_status ak_lock_socket(const char *path) AKSSL_MUST_CHECK;

#endif
