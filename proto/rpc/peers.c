// proto/rpc/peers.c -- descriptor numbers and the table behind them.

#include "proto/rpc/peers.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    NUMBERS_FROM = 1024, // connections live at NUMBERS_FROM.. of NUMBERS numbers, in turn,
    NUMBERS = 8192,      // or in the upper half of what the process may open
};

typedef struct table {
    ak_peer *at;
    int count;
} table;

static table table_of(ak_peers *peers, const ak_badge *badge)
{
    return badge ? (table){ peers->tcp_peers, AK_PEERS_TCP }
                 : (table){ peers->unix_peers, AK_PEERS_UNIX };
}

static void clear(ak_peer *peer)
{
    ak_badge_rele(peer->badge);
    *peer = (ak_peer){ .fd = -1 };
}

void ak_peers_init(ak_peers *peers)
{
    struct rlimit limit;
    int room = 1024;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        room = limit.rlim_cur > INT_MAX ? INT_MAX : (int)limit.rlim_cur;
    peers->first = room / 2 < NUMBERS_FROM ? room / 2 : NUMBERS_FROM;
    peers->last = room - peers->first < NUMBERS ? room - 1 : peers->first + NUMBERS - 1;
    peers->next = peers->first;
    for (int i = 0; i < AK_PEERS_UNIX; i++)
        peers->unix_peers[i] = (ak_peer){ .fd = -1 };
    for (int i = 0; i < AK_PEERS_TCP; i++)
        peers->tcp_peers[i] = (ak_peer){ .fd = -1 };
}

void ak_peers_fini(ak_peers *peers)
{
    for (int i = 0; i < AK_PEERS_TCP; i++)
        clear(&peers->tcp_peers[i]);
}

static ak_peer *find_free(table t)
{
    for (int i = 0; i < t.count; i++)
        if (t.at[i].fd < 0)
            return &t.at[i];
    return NULL;
}

// gRPC has closed the descriptors of connections that are gone.
static void forget_closed(table t)
{
    for (int i = 0; i < t.count; i++)
        if (t.at[i].fd >= 0 && fcntl(t.at[i].fd, F_GETFD) < 0)
            clear(&t.at[i]);
}

static int renumber(ak_peers *peers, int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, peers->next);

    if (moved < 0 || moved > peers->last) {
        if (moved >= 0)
            close(moved);
        moved = fcntl(fd, F_DUPFD_CLOEXEC, peers->first);
    }
    if (moved >= 0)
        peers->next = moved >= peers->last ? peers->first : moved + 1;
    return moved;
}

static void forget(table t, int fd)
{
    for (int i = 0; i < t.count; i++)
        if (t.at[i].fd == fd)
            clear(&t.at[i]);
}

int ak_peers_add(ak_peers *peers, int fd, uid_t uid, ak_badge *badge)
{
    table t = table_of(peers, badge);
    ak_peer *peer = find_free(t);
    int moved = -1;

    if (!peer) {
        forget_closed(t);
        peer = find_free(t);
    }
    if (peer)
        moved = renumber(peers, fd);
    close(fd);
    if (moved < 0) {
        ak_badge_rele(badge);
        return -1;
    }
    forget(table_of(peers, NULL), moved); // of an earlier connection of that number
    forget((table){ peers->tcp_peers, AK_PEERS_TCP }, moved);
    *peer = (ak_peer){ moved, uid, badge };
    return moved;
}

const ak_peer *ak_peers_find(const ak_peers *peers, int fd)
{
    if (fd < 0)
        return NULL;
    for (int i = 0; i < AK_PEERS_UNIX; i++)
        if (peers->unix_peers[i].fd == fd)
            return &peers->unix_peers[i];
    for (int i = 0; i < AK_PEERS_TCP; i++)
        if (peers->tcp_peers[i].fd == fd)
            return &peers->tcp_peers[i];
    return NULL;
}
