// tests/unit/worker/comm/board.c -- tests the all-gather in shared memory, by threads as ranks.

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/alloc.h"
#include "tests/check.h"
#include "worker/comm/board.h"

enum { RANKS = 4, ROUNDS = 300, MOST = 3 * AK_BOARD_SLOT };

typedef struct rank {
    int number, ranks;
    ak_board_part *const *parts;
    int idle; // times that its wait had time for other things
    bool wrong;
} rank;

// What a rank gathers in a round: nothing, some bytes, or more than a slot holds.
static size_t bytes_of(int round)
{
    if (round % 50 == 49)
        return (size_t)(MOST - round);
    return (size_t)(round * 37 % 900);
}

static unsigned char byte_of(int number, int round, size_t i)
{
    return (unsigned char)((size_t)number * 31 + (size_t)round * 7 + i * 13 + i / 251);
}

static void count(void *ctx)
{
    ++*(int *)ctx;
}

static void *gathers(void *arg)
{
    rank *r = arg;
    unsigned char *mine = ak_alloc(MOST, 1), *all = ak_alloc(MOST, (size_t)r->ranks);
    ak_board board = { .rank = r->number,
                       .ranks = r->ranks,
                       .parts = r->parts,
                       .pause = { .idle = count, .ctx = &r->idle } };

    for (int round = 0; round < ROUNDS; round++) {
        size_t bytes = bytes_of(round);

        for (size_t i = 0; i < bytes; i++)
            mine[i] = byte_of(r->number, round, i);
        ak_board_gather(&board, mine, all, bytes);
        for (int from = 0; from < r->ranks; from++)
            for (size_t i = 0; i < bytes; i++)
                r->wrong |= all[(size_t)from * bytes + i] != byte_of(from, round, i);
        ak_board_broadcast(&board, mine, bytes);
        for (size_t i = 0; i < bytes; i++)
            r->wrong |= mine[i] != byte_of(0, round, i);
    }
    free(mine);
    free(all);
    return NULL;
}

static void on(int ranks)
{
    ak_board_part *parts[RANKS];
    pthread_t threads[RANKS];
    rank r[RANKS];

    for (int i = 0; i < ranks; i++)
        parts[i] = ak_alloc(1, sizeof *parts[i]);
    for (int i = 0; i < ranks; i++) {
        r[i] = (rank){ .number = i, .ranks = ranks, .parts = parts };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, gathers, &r[i]), 0);
    }
    for (int i = 0; i < ranks; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(!r[i].wrong, "rank %d of %d has other bytes", i, ranks);
    }
    for (int i = 0; i < ranks; i++)
        free(parts[i]);
}

START_TEST(each_rank_has_all_bytes)
{
    for (int ranks = 1; ranks <= RANKS; ranks++)
        on(ranks);
}
END_TEST

static void *comes_late(void *count)
{
    for (int i = 1; i <= 3; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
        atomic_store((_Atomic uint64_t *)count, (uint64_t)i);
    }
    return NULL;
}

// A wait leaves time for MPI's messages, and ends with the count that it waits for.
START_TEST(a_wait_is_not_idle)
{
    _Atomic uint64_t late = 0;
    int idle = 0;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, comes_late, &late), 0);
    ak_pause_until((ak_pause){ .idle = count, .ctx = &idle }, &late, 3);
    ck_assert_uint_eq(atomic_load(&late), 3);
    ck_assert_int_gt(idle, 0);
    pthread_join(thread, NULL);
}
END_TEST

AK_TEST_MAIN(AK_CASE(each_rank_has_all_bytes), AK_CASE(a_wait_is_not_idle))
