// tests/bench/exchange.c -- latency and bandwidth of what ranks exchange, by the worker's own
// calls.
//
//     mpirun -np 2 build/tests/bench.exchange            in shared memory, and messages inside a
//     node mpirun --mca btl self,tcp -np 2 ...                messages by TCP, on the loopback
//     device
//
// The last line is JSON: medians, of microseconds a gather by its bytes and a message of 4 bytes
// each way, and of GB/s of sums and copies out of a mate's memory, and of messages of 4 MiB each
// way at once.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/tensor/world.h"

enum { ROUNDS = 201, FLOATS = 1 << 20 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

static double gather_us(ak_comm *comm, size_t bytes)
{
    char *mine = ak_alloc(bytes, 1), *all = ak_alloc(bytes, (size_t)ak_comm_size(comm));
    double us[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = ak_clock_ns();

        for (int k = 0; k < 10; k++)
            ak_comm_all_gather(comm, mine, all, bytes);
        us[i] = (double)(ak_clock_ns() - start) * 1e-4;
    }
    free(mine);
    free(all);
    return median(us);
}

static double message_us(ak_comm *comm, int64_t floats)
{
    float *send = ak_alloc((size_t)floats, sizeof *send),
          *got = ak_alloc((size_t)floats, sizeof *got);
    ak_comm_message m = { .rank = 1 - ak_comm_rank(comm),
                          .send = send,
                          .receive = got,
                          .send_count = floats,
                          .receive_count = floats };
    double us[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = ak_clock_ns();

        ak_comm_start(comm, 0, &m, 1);
        ak_comm_arrive(comm, 0);
        us[i] = (double)(ak_clock_ns() - start) * 1e-3;
    }
    free(send);
    free(got);
    return median(us);
}

// Of a mate's memory, another piece of it each time so that it is not in this core's cache.
static void memory_gb(ak_comm *comm, double *sum, double *copy)
{
    enum { PIECES = 8 };
    size_t bytes = (size_t)PIECES * FLOATS * sizeof(float);
    float *to = ak_alloc(FLOATS, sizeof *to);
    double added[ROUNDS], copied[ROUNDS];
    void *parts[2];

    *sum = *copy = 0;
    if (!ak_comm_share(comm, bytes, parts))
        return;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t at = (int64_t)(i % PIECES) * FLOATS, start = ak_clock_ns();
        const float *from[2] = { (float *)parts[0] + at, (float *)parts[1] + at };

        ak_tree_sum(to, from, 2, FLOATS, 1);
        added[i] = 4.0 * FLOATS / (double)(ak_clock_ns() - start);
        ak_comm_barrier(comm);
        start = ak_clock_ns();
        memcpy(to, (float *)parts[1 - ak_comm_rank(comm)] + at, FLOATS * sizeof *to);
        copied[i] = 4.0 * FLOATS / (double)(ak_clock_ns() - start);
        ak_comm_barrier(comm);
    }
    *sum = median(added);
    *copy = median(copied);
    free(to);
}

static akssl_status measure(ak_comm *comm)
{
    double small, medium, large, sum, copy, latency, bulk;
    akssl_status rc;

    if (ak_comm_size(comm) != 2)
        return ak_fail(AKSSL_ERR_INVALID, "bench.exchange is for 2 ranks, not %d: mpirun -np 2",
                       ak_comm_size(comm));
    rc = ak_comm_flights(comm, 1, 1);
    if (rc < 0)
        return rc;
    small = gather_us(comm, 8);
    medium = gather_us(comm, 4096);
    large = gather_us(comm, 65536);
    memory_gb(comm, &sum, &copy);
    latency = message_us(comm, 1);
    bulk = 4.0 * FLOATS / (message_us(comm, FLOATS) * 1e3);
    if (ak_comm_rank(comm) == 0)
        printf("{\"mates\": %d, \"gather_us\": {\"8\": %.2f, \"4096\": %.2f, \"65536\": %.2f}, "
               "\"sum_gb_s\": %.2f, \"copy_gb_s\": %.2f, \"message_us\": %.2f, \"message_gb_s\": "
               "%.2f}\n",
               ak_comm_mates(comm), small, medium, large, sum, copy, latency, bulk);
    return AKSSL_OK;
}

int main(void)
{
    ak_comm *comm;
    akssl_status rc = ak_comm_open(&comm);

    if (rc == AKSSL_OK)
        rc = measure(comm);
    if (rc < 0) {
        fprintf(stderr, "bench.exchange: %s\n", ak_error_text());
        return EXIT_FAILURE;
    }
    ak_comm_close(comm);
    return EXIT_SUCCESS;
}
