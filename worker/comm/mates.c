// worker/comm/mates.c -- the ranks of a node, and windows of memory that they share.

#include "worker/comm/mates.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "proto/base/alloc.h"

// True on every rank when it is on each.
static bool all_say(bool mine)
{
    int all = mine;

    MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    return all != 0;
}

static bool same_everywhere(int number)
{
    int most[2] = { number, -number };

    MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return most[0] == -most[1];
}

void ak_mates_find(ak_mates *m)
{
    bool fits;
    int rank, first;

    *m = (ak_mates){ .count = 1 };
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &m->node);
    MPI_Comm_size(m->node, &m->count);
    MPI_Comm_rank(m->node, &m->mate);
    first = rank;
    MPI_Bcast(&first, 1, MPI_INT, 0, m->node);
    fits = (m->count & (m->count - 1)) == 0 && first % m->count == 0 && rank == first + m->mate;
    m->leaders = MPI_COMM_NULL;
    if (same_everywhere(m->count) && all_say(fits))
        MPI_Comm_split(MPI_COMM_WORLD, m->mate == 0 ? 0 : MPI_UNDEFINED, rank, &m->leaders);
    else
        ak_mates_part(m);
}

void ak_mates_part(ak_mates *m)
{
    if (m->leaders != MPI_COMM_NULL)
        MPI_Comm_free(&m->leaders);
    MPI_Comm_dup(MPI_COMM_WORLD, &m->leaders);
    m->count = 1;
    m->mate = 0;
}

// Where MPI puts windows: it maps a file there, and a full disk would end a rank by a signal.
static bool has_room(size_t bytes)
{
    const char *folder = getenv("OMPI_MCA_osc_sm_backing_directory");
    struct statvfs disk;

    return statvfs(folder ? folder : "/dev/shm", &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize > (uint64_t)bytes + bytes / 4;
}

static ak_window *unused(const ak_mates *m, size_t bytes)
{
    ak_window *w = m->windows;

    while (w && (w->used || w->bytes != bytes))
        w = w->next;
    return w;
}

static void find_parts(const ak_mates *m, const ak_window *w, void **parts)
{
    for (int i = 0; i < m->count; i++) {
        MPI_Aint size;
        int unit;

        MPI_Win_shared_query(w->win, i, &size, &unit, &parts[i]);
    }
}

static ak_window *make(ak_mates *m, size_t bytes)
{
    ak_window *w = ak_alloc(1, sizeof *w);

    w->bytes = bytes;
    MPI_Win_allocate_shared((MPI_Aint)bytes, 1, MPI_INFO_NULL, m->node, &w->mine, &w->win);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, w->win);
    w->next = m->windows;
    m->windows = w;
    return w;
}

bool ak_mates_share(ak_mates *m, size_t bytes, void **parts)
{
    size_t whole = (bytes + 4095) / 4096 * 4096; // so that every part begins with a page
    ak_window *w = unused(m, whole);

    if (!w) {
        if (!all_say(m->mate > 0 || has_room(whole * (size_t)m->count)))
            return false;
        w = make(m, whole);
    }
    w->used = true;
    memset(w->mine, 0, bytes);
    find_parts(m, w, parts);
    MPI_Barrier(m->node); // all parts are zeros
    return true;
}

void ak_mates_unshare(ak_mates *m, void *part)
{
    for (ak_window *w = m->windows; w && part; w = w->next)
        if (w->mine == part)
            w->used = false;
}

void ak_mates_leave(ak_mates *m)
{
    while (m->windows) {
        ak_window *w = m->windows;

        m->windows = w->next;
        MPI_Win_unlock_all(w->win);
        MPI_Win_free(&w->win);
        free(w);
    }
    if (m->leaders != MPI_COMM_NULL)
        MPI_Comm_free(&m->leaders);
    MPI_Comm_free(&m->node);
}
