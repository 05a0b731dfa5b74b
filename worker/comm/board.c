// worker/comm/board.c -- an all-gather of some bytes among ranks that share memory.

#include "worker/comm/board.h"

#include <sched.h>
#include <string.h>
#include <time.h>

// Looks, each of some ten nanoseconds at first, then of a microsecond or a turn of others.
enum { BUSY = 1000, YIELDING = 5000, IDLE = 16, SLEEP_NS = 50000 };

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void ak_pause_once(ak_pause *pause)
{
    if (++pause->looks <= BUSY) {
        relax();
        return;
    }
    if (pause->idle && pause->looks % IDLE == 0)
        pause->idle(pause->ctx);
    if (pause->looks <= YIELDING)
        sched_yield();
    else
        nanosleep(&(struct timespec){ .tv_nsec = SLEEP_NS }, NULL);
}

void ak_pause_until(ak_pause pause, const _Atomic uint64_t *count, uint64_t least)
{
    pause.looks = 0;
    while (atomic_load_explicit(count, memory_order_acquire) < least)
        ak_pause_once(&pause);
}

// Says that this rank's bytes are there, up to a slot's.
static uint64_t enter(ak_board *b, const void *mine, size_t bytes)
{
    ak_board_part *own = b->parts[b->rank];
    uint64_t turn = ++b->entered;

    if (bytes)
        memcpy(own->slot[turn & 1], mine, bytes);
    atomic_store_explicit(&own->entered, turn, memory_order_release);
    return turn;
}

static void gather_some(ak_board *b, const char *mine, char *all, size_t bytes, size_t stride)
{
    uint64_t turn = enter(b, mine, bytes);

    for (int i = 1; i < b->ranks; i++) {
        int mate = (b->rank + i) % b->ranks;

        ak_pause_until(b->pause, &b->parts[mate]->entered, turn);
        if (bytes)
            memcpy(all + (size_t)mate * stride, b->parts[mate]->slot[turn & 1], bytes);
    }
    if (bytes)
        memmove(all + (size_t)b->rank * stride, mine, bytes);
}

void ak_board_gather(ak_board *b, const void *mine, void *all, size_t bytes)
{
    size_t done = 0;

    do {
        size_t some = bytes - done < AK_BOARD_SLOT ? bytes - done : AK_BOARD_SLOT;

        gather_some(b, (const char *)mine + done, (char *)all + done, some, bytes);
        done += some;
    } while (done < bytes);
}

static void take_some(ak_board *b, char *data, size_t bytes)
{
    uint64_t turn = enter(b, data, b->rank == 0 ? bytes : 0);

    for (int mate = 0; mate < b->ranks; mate++)
        ak_pause_until(b->pause, &b->parts[mate]->entered, turn);
    if (b->rank)
        memcpy(data, b->parts[0]->slot[turn & 1], bytes);
}

void ak_board_broadcast(ak_board *b, void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes; done += AK_BOARD_SLOT)
        take_some(b, (char *)data + done,
                  bytes - done < AK_BOARD_SLOT ? bytes - done : AK_BOARD_SLOT);
}
