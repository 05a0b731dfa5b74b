// worker/comm/comm.h -- what ranks exchange: plain buffers, fixed order, no arithmetic.
//
// No function here adds numbers: sums are the caller's, in an order that does not depend on the
// number of ranks (worker/tensor/world.h).  All calls are collective and made by one thread.
// Outside mpirun there is one rank and MPI is not started.

#ifndef AK_COMM_COMM_H
#define AK_COMM_COMM_H

#include <stdatomic.h>
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

// ak_comm_note says whether all ranks know by now that they fail; ak_comm_fails gives what was said
// last.
void ak_comm_note(ak_comm *comm, bool fails);
bool ak_comm_fails(const ak_comm *comm);

// ak_comm_abort ends every rank at once with exit code `code`; a lone rank exits.
void ak_comm_abort(ak_comm *comm, int code);

// ak_comm_all_gather puts every rank's `bytes` bytes, by rank, into all (size * bytes): mates
// (below) in shared memory (board.h), then the first mate of each node by MPI.
void ak_comm_all_gather(ak_comm *comm, const void *mine, void *all, size_t bytes);

// Its halves: the bytes of each mate, by mate; and of each node, by node, where mates give the
// same.
void ak_comm_gather_mates(ak_comm *comm, const void *mine, void *all, size_t bytes);
void ak_comm_gather_nodes(ak_comm *comm, const void *mine, void *all, size_t bytes);

// What gathers have taken so far: the time of this rank in them, most of which is waiting for
// others, how many there were, and the bytes that it gave to them.
typedef struct ak_comm_gathers {
    double seconds;
    int64_t count, bytes;
} ak_comm_gathers;
ak_comm_gathers ak_comm_gathered(const ak_comm *comm);

// ---- memory that the ranks of a node share

// Mates are the ranks of a node, when all nodes have equally many, a power of two, with consecutive
// numbers: rank = node * mates + mate.  Else, and where shared memory has no room (fewer bytes in
// /dev/shm than the windows take), each rank is its only mate.
int ak_comm_mates(const ak_comm *comm);

// ak_comm_share gives each mate `bytes` zeros that all of them read: parts[m] is mate m's, mates
// entries.  The rank writes its own and says by ak_comm_barrier, or a count among the bytes, when
// they are to be read.  false, on every rank alike: there is no room.  Collective.
bool ak_comm_share(ak_comm *comm, size_t bytes, void **parts) AKSSL_MUST_CHECK;

// ak_comm_unshare gives them back, by the rank's own part, for a later ak_comm_share of as many
// bytes; they are freed by ak_comm_close.  Not collective, as one rank alone may fail.
void ak_comm_unshare(ak_comm *comm, void *part); // NULL-safe

// ak_comm_barrier waits for all mates.
void ak_comm_barrier(ak_comm *comm);

// ak_comm_wait waits for a count in shared memory that only grows.
void ak_comm_wait(ak_comm *comm, const _Atomic uint64_t *count, uint64_t least);

// ---- messages beside other work

// A flight is some messages that start together: one to and one from each of some ranks, which
// start a flight of the same number.  A number is used again when its flight has arrived.
typedef struct ak_comm_message {
    int rank;
    const float *send;
    float *receive;
    int64_t send_count, receive_count;
} ak_comm_message;

// ak_comm_flights makes room for flights 0..flights-1 of at most `messages` each; none is on its
// way.
akssl_status ak_comm_flights(ak_comm *comm, int flights, int messages) AKSSL_MUST_CHECK;

// ak_comm_start sends and receives without waiting; the numbers stay where they are until the
// flight has arrived.
void ak_comm_start(ak_comm *comm, int flight, const ak_comm_message *messages, int count);

// ak_comm_arrived is true once all messages of the flight are sent and received.  Messages move
// only while MPI is called: ask now and then.
bool ak_comm_arrived(ak_comm *comm, int flight);
void ak_comm_arrive(ak_comm *comm, int flight); // waits for it

// ---- all ranks

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
