// worker/comm/mates.h -- for comm.c: the ranks of a node, and windows of memory that they share.

#ifndef AK_COMM_MATES_H
#define AK_COMM_MATES_H

#include <mpi.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct ak_window {
    MPI_Win win;
    size_t bytes;
    void *mine;
    bool used;
    struct ak_window *next;
} ak_window;

typedef struct ak_mates {
    MPI_Comm node;    // of mates alone
    MPI_Comm leaders; // the first mate of each node; there alone
    int count, mate;
    ak_window *windows;
} ak_mates;

// ak_mates_find looks who shares memory with whom; a rank by itself where the nodes do not have
// equally many ranks, a power of two, with consecutive numbers.  Collective over all ranks.
void ak_mates_find(ak_mates *mates);
void ak_mates_part(ak_mates *mates);  // each is by itself from now on
void ak_mates_leave(ak_mates *mates); // frees windows; collective

// ak_mates_share and ak_mates_unshare: ak_comm_share, ak_comm_unshare.
bool ak_mates_share(ak_mates *mates, size_t bytes, void **parts);
void ak_mates_unshare(ak_mates *mates, void *part);

#endif
