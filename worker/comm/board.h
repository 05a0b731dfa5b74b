// worker/comm/board.h -- an all-gather of some bytes among ranks that share memory.
//
// Each rank has two slots and a count of the gathers that it has entered.  It writes its bytes
// into the slot of the count's parity, counts, and waits for each mate's count.  A mate is at most
// one gather ahead: to go further it needs this rank's next count.  So two slots are enough, and
// what it reads is not written over.
//
// Waiting: ak_pause looks again and again for some tens of microseconds, then gives the core away
// between looks, and in long waits (somebody writes a commit) sleeps.  There is no deadline of its
// own: mpirun ends the ranks of a run that has lost one, and a rank whose mpirun is gone ends
// itself (worker/leash.h); both are signals, which waiting does not hold up.

#ifndef AK_COMM_BOARD_H
#define AK_COMM_BOARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { AK_BOARD_SLOT = 1 << 16, AK_BOARD_MATES = 1024 }; // bytes; ranks at most

// What a rank has in shared memory, zeros at first.
typedef struct ak_board_part {
    _Atomic uint64_t entered;
    char apart[56]; // a count has its line of the cache for itself
    char slot[2][AK_BOARD_SLOT];
} ak_board_part;

// A wait: zeros at its start.  idle, unless NULL, is called from time to time.
typedef struct ak_pause {
    void (*idle)(void *ctx);
    void *ctx;
    int64_t looks;
} ak_pause;

void ak_pause_once(ak_pause *pause);

// ak_pause_until waits for a count that only grows.
void ak_pause_until(ak_pause pause, const _Atomic uint64_t *count, uint64_t least);

typedef struct ak_board {
    int rank, ranks;
    ak_board_part *const *parts; // by rank; borrowed
    uint64_t entered;
    ak_pause pause; // how to wait
} ak_board;

// ak_board_gather puts each rank's `bytes` bytes, by rank, into all (ranks * bytes).  With 0 bytes
// it is a barrier.  All ranks make the same calls; each from one thread.
void ak_board_gather(ak_board *board, const void *mine, void *all, size_t bytes);

// ak_board_broadcast copies rank 0's bytes to all; like a gather it is a barrier.
void ak_board_broadcast(ak_board *board, void *data, size_t bytes);

#endif
