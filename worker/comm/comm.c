// worker/comm/comm.c -- MPI, and the lone rank that needs none.

#include "worker/comm/comm.h"

#include <mpi.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { PIECE = 1 << 20 }; // floats in one message of a gather

struct ak_comm {
    int rank, size;
    bool mpi;
    int *counts, *offsets, *part_counts, *part_offsets;
    float *piece;
};

// A process that mpirun or srun did not start would make MPI start a daemon of its own.
static bool launched(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
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
    }
    comm->counts = ak_alloc((size_t)comm->size, sizeof(int));
    comm->offsets = ak_alloc((size_t)comm->size, sizeof(int));
    comm->part_counts = ak_alloc((size_t)comm->size, sizeof(int));
    comm->part_offsets = ak_alloc((size_t)comm->size, sizeof(int));
    comm->piece = ak_alloc(PIECE, sizeof(float));
    *out = comm;
    return AKSSL_OK;
}

void ak_comm_close(ak_comm *comm)
{
    if (!comm)
        return;
    if (comm->mpi)
        MPI_Finalize();
    free(comm->counts);
    free(comm->offsets);
    free(comm->part_counts);
    free(comm->part_offsets);
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

void ak_comm_all_gather(ak_comm *comm, const void *mine, void *all, size_t bytes)
{
    if (comm->size == 1)
        memmove(all, mine, bytes);
    else
        MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD);
}

// Slices of a vector of at most INT_MAX floats (the model refuses more).
static void slices(ak_comm *comm, const int64_t *cut)
{
    int own = (int)(cut[comm->rank + 1] - cut[comm->rank]);

    for (int r = 0; r < comm->size; r++) {
        comm->counts[r] = (int)(cut[r + 1] - cut[r]);
        comm->offsets[r] = (int)cut[r];
        comm->part_counts[r] = own;
        comm->part_offsets[r] = r * own;
    }
}

void ak_comm_all_gather_slices(ak_comm *comm, float *values, const int64_t *cut)
{
    if (comm->size == 1)
        return;
    slices(comm, cut);
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, values, comm->counts, comm->offsets, MPI_FLOAT,
                   MPI_COMM_WORLD);
}

void ak_comm_exchange_slices(ak_comm *comm, const float *mine, float *parts, const int64_t *cut)
{
    if (comm->size == 1) {
        memcpy(parts, mine, (size_t)(cut[1] - cut[0]) * sizeof(float));
        return;
    }
    slices(comm, cut);
    MPI_Alltoallv(mine, comm->counts, comm->offsets, MPI_FLOAT, parts, comm->part_counts,
                  comm->part_offsets, MPI_FLOAT, MPI_COMM_WORLD);
}

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

bool ak_comm_agree(ak_comm *comm, bool mine)
{
    int any = mine;

    if (comm->size > 1)
        MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return any != 0;
}
