// worker/comm/comm.h -- what ranks exchange: plain buffers, fixed order, no arithmetic.
//
// No function here adds numbers: sums are the caller's, in an order that does not depend on the
// number of ranks (worker/tensor/tree.h).  All calls are collective and made by one thread.
// Outside mpirun there is one rank and MPI is not started.

#ifndef AK_COMM_COMM_H
#define AK_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_comm ak_comm;

// ak_comm_open joins the ranks that mpirun started, or is one rank alone.
akssl_status ak_comm_open(ak_comm **out) AKSSL_MUST_CHECK;
void ak_comm_close(ak_comm *comm); // NULL-safe; collective

int ak_comm_rank(const ak_comm *comm);
int ak_comm_size(const ak_comm *comm);

// ak_comm_abort ends every rank at once with exit code `code`; a lone rank exits.
void ak_comm_abort(ak_comm *comm, int code);

// ak_comm_all_gather puts every rank's `bytes` bytes, by rank, into all (size * bytes).
void ak_comm_all_gather(ak_comm *comm, const void *mine, void *all, size_t bytes);

// ak_comm_all_gather_slices: each rank r owns floats [cut[r], cut[r+1]) of values (cut has
// size+1 entries) and gets everybody else's, in place.
void ak_comm_all_gather_slices(ak_comm *comm, float *values, const int64_t *cut);

// ak_comm_exchange_slices sends slice r of mine to rank r; parts receives, by rank, the others'
// (and its own) versions of this rank's slice: size * (cut[rank+1] - cut[rank]) floats.
void ak_comm_exchange_slices(ak_comm *comm, const float *mine, float *parts, const int64_t *cut);

// ak_comm_broadcast copies rank 0's bytes to all.
void ak_comm_broadcast(ak_comm *comm, void *data, size_t bytes);

// ak_comm_gather_to_0 hands slice r (floats [0, count) of rank r's mine) to rank 0, which receives
// them one after the other through take, in pieces of at most 4 MiB, in rank order.
typedef akssl_status (*ak_comm_take)(void *ctx, const float *values, int64_t count);
akssl_status ak_comm_gather_to_0(ak_comm *comm, const float *mine, const int64_t *cut,
                                 ak_comm_take take, void *ctx) AKSSL_MUST_CHECK;

// ak_comm_agree is true on every rank when any rank says true.
bool ak_comm_agree(ak_comm *comm, bool mine);

#endif
