// tests/unit/worker/rig.h -- what the engine's tests share: values, comparisons, a world of one
// rank.

#ifndef AK_TESTS_WORKER_RIG_H
#define AK_TESTS_WORKER_RIG_H

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/rng/rng.h"
#include "worker/tensor/world.h"

static inline void ak_rig_ok(akssl_status rc)
{
    ck_assert_msg(rc == AKSSL_OK, "%s", ak_error_text());
}

// Fails unless rc is `code` and the sentence holds `part`.
static inline void ak_rig_refused(akssl_status rc, akssl_status code, const char *part)
{
    ck_assert_msg(rc == code, "status %d instead of %d (%s)", rc, code,
                  rc < 0 ? ak_error_text() : "accepted");
    ck_assert_msg(strstr(ak_error_text(), part) != NULL, "'%s' does not say '%s'", ak_error_text(),
                  part);
}

// n values from U(-bound, bound), the same for the same stream.
static inline void ak_rig_fill(float *out, int64_t n, uint32_t stream, double bound)
{
    ak_rng rng = ak_rng_at(7, AK_RNG_BENCH, stream, 0, 0);

    for (int64_t i = 0; i < n; i++)
        out[i] = (float)ak_rng_between(&rng, -bound, bound);
}

static inline float *ak_rig_values(int64_t n, uint32_t stream, double bound)
{
    float *out = ak_alloc((size_t)n + 1, sizeof *out);

    ak_rig_fill(out, n, stream, bound);
    return out;
}

// Fails unless every |got - want| <= tolerance * max|want|; NaN never passes.
static inline void ak_rig_close(const char *what, const float *got, const double *want, int64_t n,
                                double tolerance)
{
    double largest = 1e-30;

    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance * largest))
            ck_abort_msg("%s[%lld] is %.9g instead of %.9g (largest %.3g, tolerance %g)", what,
                         (long long)i, (double)got[i], want[i], largest, tolerance);
}

static inline void ak_rig_same(const char *what, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0)
            ck_abort_msg("%s[%lld]: %.9g, then %.9g", what, (long long)i, (double)a[i],
                         (double)b[i]);
}

static inline ak_world ak_rig_world(int shards, int threads)
{
    ak_comm *comm = NULL;
    ak_world world;

    ak_rig_ok(ak_comm_open(&comm));
    ak_rig_ok(ak_world_init(&world, comm, shards, threads));
    return world;
}

// ---- a folder of the test's own, emptied (two levels deep and more) at its end

static inline char *ak_rig_folder(void)
{
    const char *base = getenv("TMPDIR");
    char path[512];

    snprintf(path, sizeof path, "%.400s/akssl-engine-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    return ak_strdup(path);
}

static inline void ak_rig_clear(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char child[1024];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(child, sizeof child, "%.700s/%.255s", path, entry->d_name);
        if (unlink(child) < 0)
            ak_rig_clear(child);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static inline void ak_rig_remove(char *path)
{
    ak_rig_clear(path);
    ck_assert_int_lt(access(path, F_OK), 0);
    free(path);
}

// Writes an IDX set of n images, size x size and gray: image i shows i's bits as blocks, on noise.
static inline void ak_rig_idx(const char *folder, int n, int size)
{
    ak_rng rng = ak_rng_at(3, AK_RNG_BENCH, 0, 0, 0);
    const unsigned char head[16] = { 0,
                                     0,
                                     8,
                                     3,
                                     0,
                                     0,
                                     (unsigned char)(n >> 8),
                                     (unsigned char)n,
                                     0,
                                     0,
                                     0,
                                     (unsigned char)size,
                                     0,
                                     0,
                                     0,
                                     (unsigned char)size };
    char path[600];
    FILE *f;

    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(head, 1, sizeof head, f), sizeof head);
    for (int i = 0; i < n; i++)
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++) {
                int bit = 4 * (4 * y / size) + 4 * x / size;

                fputc((int)ak_rng_below(&rng, 96) + (i >> bit % 8 & 1 ? 150 : 0), f);
            }
    ck_assert_int_eq(fclose(f), 0);
}

#endif
