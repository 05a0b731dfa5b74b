// worker/comm/comm.c -- MPI, and the lone rank that needs none.

#include "worker/comm/comm.h"

#include <mpi.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/comm/board.h"
#include "worker/comm/mates.h"

enum { PIECE = 1 << 20 }; // floats in one message of a gather

struct ak_comm {
    int rank, size;
    bool mpi, fails;
    float *piece;
    ak_mates mates;
    ak_board board;
    void **parts; // of the board
    ak_comm_gathers gathered;
    MPI_Comm sky;          // where flights are
    MPI_Request *requests; // [flights][2 * most]
    int *aloft;            // of each flight: requests
    int flights, most;     // messages of a flight, at most
};

// A process that mpirun or srun did not start would make MPI start a daemon of its own.
static bool launched(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

// Messages that another rank waits for move on while this one waits for a count.
static void progress(void *ctx)
{
    int any;

    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, *(MPI_Comm *)ctx, &any, MPI_STATUS_IGNORE);
}

static void meet(ak_comm *comm)
{
    ak_mates_find(&comm->mates);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm->sky);
    comm->parts = ak_alloc((size_t)comm->mates.count, sizeof *comm->parts);
    comm->board = (ak_board){ .rank = comm->mates.mate,
                              .ranks = comm->mates.count,
                              .parts = (ak_board_part *const *)comm->parts,
                              .pause = { .idle = progress, .ctx = &comm->sky } };
    if (comm->mates.count > 1 && !ak_mates_share(&comm->mates, sizeof(ak_board_part), comm->parts))
        ak_mates_part(&comm->mates);
}

akssl_status ak_comm_open(ak_comm **out)
{
    ak_comm *comm = ak_alloc(1, sizeof *comm);
    int level;

    comm->size = 1;
    if (launched()) {
        if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS) {
            free(comm);
            return ak_fail(AKSSL_ERR_UNAVAILABLE, "MPI does not start: run under mpirun");
        }
        comm->mpi = true;
        MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank);
        MPI_Comm_size(MPI_COMM_WORLD, &comm->size);
        meet(comm);
    }
    comm->piece = ak_alloc(PIECE, sizeof(float));
    *out = comm;
    return AKSSL_OK;
}

void ak_comm_close(ak_comm *comm)
{
    if (!comm)
        return;
    if (comm->mpi) {
        MPI_Comm_free(&comm->sky);
        ak_mates_leave(&comm->mates);
        MPI_Finalize();
    }
    free(comm->parts);
    free(comm->requests);
    free(comm->aloft);
    free(comm->piece);
    free(comm);
}

int ak_comm_rank(const ak_comm *comm)
{
    return comm->rank;
}

int ak_comm_size(const ak_comm *comm)
{
    return comm->size;
}

void ak_comm_abort(ak_comm *comm, int code)
{
    if (comm->mpi)
        MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code);
}

static void among_mates(ak_comm *comm, const void *mine, void *all, size_t bytes)
{
    if (ak_comm_mates(comm) == 1)
        memmove(all, mine, bytes);
    else
        ak_board_gather(&comm->board, mine, all, bytes);
}

static void among_nodes(ak_comm *comm, const void *mine, void *all, size_t bytes)
{
    int mates = ak_comm_mates(comm), nodes = comm->size / mates, node = comm->rank / mates;
    char *own = (char *)all + (size_t)node * bytes;

    if (own != mine)
        memmove(own, mine, bytes);
    if (nodes == 1)
        return;
    if (comm->rank % mates == 0)
        MPI_Allgather(MPI_IN_PLACE, 0, MPI_BYTE, all, (int)bytes, MPI_BYTE, comm->mates.leaders);
    if (mates > 1)
        ak_board_broadcast(&comm->board, all, bytes * (size_t)nodes);
}

static void note(ak_comm *comm, int64_t start, int count, size_t bytes)
{
    comm->gathered.seconds += (double)(ak_clock_ns() - start) * 1e-9;
    comm->gathered.count += count;
    comm->gathered.bytes += (int64_t)bytes;
}

void ak_comm_gather_mates(ak_comm *comm, const void *mine, void *all, size_t bytes)
{
    int64_t start = ak_clock_ns();

    among_mates(comm, mine, all, bytes);
    note(comm, start, 1, bytes);
}

void ak_comm_gather_nodes(ak_comm *comm, const void *mine, void *all, size_t bytes)
{
    int64_t start = ak_clock_ns();

    among_nodes(comm, mine, all, bytes);
    note(comm, start, 0, 0);
}

void ak_comm_all_gather(ak_comm *comm, const void *mine, void *all, size_t bytes)
{
    int mates = ak_comm_mates(comm);
    char *node = (char *)all + (size_t)(comm->rank / mates * mates) * bytes;

    ak_comm_gather_mates(comm, mine, node, bytes);
    ak_comm_gather_nodes(comm, node, all, bytes * (size_t)mates);
}

ak_comm_gathers ak_comm_gathered(const ak_comm *comm)
{
    return comm->gathered;
}

// ---- memory that the ranks of a node share

int ak_comm_mates(const ak_comm *comm)
{
    return comm->size > 1 ? comm->mates.count : 1;
}

bool ak_comm_share(ak_comm *comm, size_t bytes, void **parts)
{
    return ak_comm_mates(comm) > 1 && ak_mates_share(&comm->mates, bytes, parts);
}

void ak_comm_unshare(ak_comm *comm, void *part)
{
    if (part)
        ak_mates_unshare(&comm->mates, part);
}

void ak_comm_barrier(ak_comm *comm)
{
    if (ak_comm_mates(comm) > 1)
        ak_board_gather(&comm->board, NULL, NULL, 0);
}

void ak_comm_wait(ak_comm *comm, const _Atomic uint64_t *count, uint64_t least)
{
    ak_pause_until(comm->board.pause, count, least);
}

// ---- messages beside other work

akssl_status ak_comm_flights(ak_comm *comm, int flights, int messages)
{
    if (flights <= comm->flights && messages <= comm->most)
        return AKSSL_OK;
    comm->flights = flights > comm->flights ? flights : comm->flights;
    comm->most = messages > comm->most ? messages : comm->most;
    free(comm->requests);
    free(comm->aloft);
    comm->requests =
        ak_try_alloc((size_t)comm->flights * (size_t)comm->most * 2, sizeof(MPI_Request));
    comm->aloft = ak_try_alloc((size_t)comm->flights, sizeof(int));
    return comm->requests && comm->aloft ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

void ak_comm_start(ak_comm *comm, int flight, const ak_comm_message *messages, int count)
{
    MPI_Request *requests = comm->requests + (int64_t)flight * comm->most * 2;
    int n = 0;

    for (int i = 0; i < count; i++)
        MPI_Irecv(messages[i].receive, (int)messages[i].receive_count, MPI_FLOAT, messages[i].rank,
                  flight, comm->sky, &requests[n++]);
    for (int i = 0; i < count; i++)
        MPI_Isend(messages[i].send, (int)messages[i].send_count, MPI_FLOAT, messages[i].rank,
                  flight, comm->sky, &requests[n++]);
    comm->aloft[flight] = n;
}

bool ak_comm_arrived(ak_comm *comm, int flight)
{
    int all;

    MPI_Testall(comm->aloft[flight], comm->requests + (int64_t)flight * comm->most * 2, &all,
                MPI_STATUSES_IGNORE);
    return all != 0;
}

void ak_comm_arrive(ak_comm *comm, int flight)
{
    MPI_Waitall(comm->aloft[flight], comm->requests + (int64_t)flight * comm->most * 2,
                MPI_STATUSES_IGNORE);
}

// ---- all ranks

void ak_comm_broadcast(ak_comm *comm, void *data, size_t bytes)
{
    char *at = data;

    for (size_t done = 0; comm->size > 1 && done < bytes; done += PIECE) {
        size_t piece = bytes - done < PIECE ? bytes - done : PIECE;

        MPI_Bcast(at + done, (int)piece, MPI_BYTE, 0, MPI_COMM_WORLD);
    }
}

static akssl_status send_pieces(const float *mine, int64_t count)
{
    for (int64_t done = 0; done < count; done += PIECE) {
        int64_t piece = count - done < PIECE ? count - done : PIECE;

        MPI_Send(mine + done, (int)piece, MPI_FLOAT, 0, 0, MPI_COMM_WORLD);
    }
    return AKSSL_OK;
}

akssl_status ak_comm_gather_to_0(ak_comm *comm, const float *mine, const int64_t *cut,
                                 ak_comm_take take, void *ctx)
{
    akssl_status rc;

    if (comm->rank > 0)
        return send_pieces(mine, cut[comm->rank + 1] - cut[comm->rank]);
    rc = take(ctx, mine, cut[1] - cut[0]);
    for (int r = 1; r < comm->size; r++) {
        int64_t count = cut[r + 1] - cut[r];

        for (int64_t done = 0; done < count; done += PIECE) {
            int64_t piece = count - done < PIECE ? count - done : PIECE;

            // After a failure the rest is still received, so that no rank waits for ever.
            MPI_Recv(comm->piece, (int)piece, MPI_FLOAT, r, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            if (rc == AKSSL_OK)
                rc = take(ctx, comm->piece, piece);
        }
    }
    return rc;
}

void ak_comm_note(ak_comm *comm, bool fails)
{
    comm->fails = fails;
}

bool ak_comm_fails(const ak_comm *comm)
{
    return comm->fails;
}

bool ak_comm_agree(ak_comm *comm, bool mine)
{
    int any = mine;

    if (comm->size > 1)
        MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return any != 0;
}
