// proto/rpc/peers.h -- whose connection a descriptor is.
//
// Loop thread only.  gRPC reports the caller of a call as "fd:N" and closes the descriptor when the
// connection is gone, without a word; each connection is therefore moved to a number that was not
// used lately.

#ifndef AK_RPC_PEERS_H
#define AK_RPC_PEERS_H

#include <sys/types.h>

#include "proto/rpc/badge.h"

enum { AK_PEERS_UNIX = 1024, AK_PEERS_TCP = 1024 }; // open at once, of each kind

typedef struct ak_peer {
    int fd;          // -1: free
    uid_t uid;       // (uid_t)-1 over TCP
    ak_badge *badge; // NULL on the unix socket
} ak_peer;

typedef struct ak_peers {
    int first, last, next; // range of the connections' descriptors
    ak_peer unix_peers[AK_PEERS_UNIX], tcp_peers[AK_PEERS_TCP];
} ak_peers;

void ak_peers_init(ak_peers *peers);
void ak_peers_fini(ak_peers *peers);

// ak_peers_add notes a connection and takes fd and badge; it gives the descriptor's new number, or
// -1 when there is no room: then the connection is closed.
int ak_peers_add(ak_peers *peers, int fd, uid_t uid, ak_badge *badge);

// ak_peers_find gives the connection behind a descriptor; NULL when it is none of ours.
const ak_peer *ak_peers_find(const ak_peers *peers, int fd);

#endif
