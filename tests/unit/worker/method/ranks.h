// tests/unit/worker/method/ranks.h -- steps of a method give the same bytes on 1, 2 and 4 ranks.
//
// By replays, whose output holds losses, gradients, parameters and states.

#ifndef AK_TESTS_WORKER_RANKS_H
#define AK_TESTS_WORKER_RANKS_H

#include "proto/format/safetensors.h"
#include "tests/replays.h"
#include "tests/unit/worker/rig.h"

enum { STEPS = 3, BATCH = 8, SIZE = 16, LOCAL = 8, PATHS = 700 };

static inline void ak_ranks_write_views(const char *path, int locals)
{
    ak_safetensors_writer *w = NULL;
    char name[64];

    ak_rig_ok(ak_safetensors_create(&w, path));
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < STEPS * (2 + locals); i++) {
            int view = i % (2 + locals);
            int64_t side = view < 2 ? SIZE : LOCAL, shape[4] = { BATCH, 3, side, side };
            int64_t n = BATCH * 3 * side * side;
            float *values = ak_rig_values(n, (uint32_t)i, 1.7);

            snprintf(name, sizeof name, "step%d.view%d", i / (2 + locals), view);
            if (pass == 0)
                ak_safetensors_declare(w, name, AK_F32, 4, shape);
            else
                ak_rig_ok(ak_safetensors_write(w, values, (size_t)n * sizeof *values));
            free(values);
        }
    ak_rig_ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
}

// A method on so many local crops, with lines of options; must_have is among what is compared.
typedef struct ak_ranks_row {
    const char *method, *norm;
    int locals;
    const char *options, *must_have;
} ak_ranks_row;

static inline void ak_ranks_write_spec(const char *path, const ak_ranks_row *row,
                                       const char *backbone, const char *optimizer)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fprintf(f,
            "method: %s\nbackbone: %s\nbatch-norm: %s\nimage-size: %d\nbatch: %d\nshards: 4\n"
            "optimizer: %s\nlr: 0.05\nseed: 3\n",
            row->method, backbone, row->norm, SIZE, BATCH, optimizer);
    if (row->locals)
        fprintf(f, "augment:\n  local_size: %d\n", LOCAL);
    fprintf(f, "option:\n%s", row->options);
    if (row->locals)
        fprintf(f, "  num_crops: %d\n", row->locals);
    ck_assert_int_eq(fclose(f), 0);
}

static inline const void *ak_ranks_bytes_of(const ak_safetensors *file, int i, size_t *size)
{
    const ak_safetensors_entry *e = ak_safetensors_at(file, i);

    *size = (size_t)ak_safetensors_numel(e) * (e->dtype == AK_I64 ? 8 : 4);
    return ak_safetensors_data(file, e);
}

static inline void ak_ranks_same_files(const char *a, const char *b, const ak_ranks_row *row,
                                       int ranks)
{
    ak_safetensors *x = NULL, *y = NULL;

    ak_rig_ok(ak_safetensors_open(&x, a));
    ak_rig_ok(ak_safetensors_open(&y, b));
    ck_assert_msg(ak_safetensors_find(x, row->must_have) != NULL, "no %s was written",
                  row->must_have);
    ck_assert_int_eq(ak_safetensors_count(x), ak_safetensors_count(y));
    for (int i = 0; i < ak_safetensors_count(x); i++) {
        size_t size, other;
        const void *p = ak_ranks_bytes_of(x, i, &size), *q = ak_ranks_bytes_of(y, i, &other);

        ck_assert_uint_eq(size, other);
        ck_assert_msg(memcmp(p, q, size) == 0, "%s, %s: %s has other bytes on %d ranks",
                      row->method, row->norm, ak_safetensors_at(x, i)->name, ranks);
    }
    ak_safetensors_close(x);
    ak_safetensors_close(y);
}

static inline void ak_ranks_list(FILE *list, const char *folder, const ak_ranks_row *rows,
                                 int count, int ranks)
{
    for (int i = 0; i < count; i++)
        fprintf(list, "%s/%d_%s.yaml\t\t%s/views%d\t%d\t%s/%d_%d\n", folder, i, rows[i].method,
                folder, rows[i].locals, STEPS, folder, i, ranks);
    ck_assert_int_eq(fclose(list), 0);
}

static inline void ak_ranks_inputs(const char *folder, const ak_ranks_row *rows, int count,
                                   const char *backbone, const char *optimizer)
{
    char path[PATHS];

    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%d_%s.yaml", folder, i, rows[i].method);
        ak_ranks_write_spec(path, &rows[i], backbone, optimizer);
        snprintf(path, sizeof path, "%s/views%d", folder, rows[i].locals);
        if (access(path, F_OK) < 0)
            ak_ranks_write_views(path, rows[i].locals);
    }
}

// All rows on 1, 2 and 4 ranks, each number in one process a rank.
static inline void ak_ranks_check(const ak_ranks_row *rows, int count, const char *backbone,
                                  const char *optimizer)
{
    char *folder = ak_rig_folder(), list[PATHS], alone[PATHS], shared[PATHS];

    ak_ranks_inputs(folder, rows, count, backbone, optimizer);
    snprintf(list, sizeof list, "%s/list", folder);
    for (int ranks = 1; ranks <= 4; ranks *= 2) {
        FILE *f = fopen(list, "w");

        ck_assert_ptr_nonnull(f);
        ak_ranks_list(f, folder, rows, count, ranks);
        ak_replays_run(list, ranks);
        for (int i = 0; i < count; i++) {
            snprintf(alone, sizeof alone, "%s/%d_1", folder, i);
            snprintf(shared, sizeof shared, "%s/%d_%d", folder, i, ranks);
            ak_ranks_same_files(alone, shared, &rows[i], ranks);
        }
    }
    ak_rig_remove(folder);
}

// A program of one case, on these rows.
#define AK_RANKS_MAIN(rows_)                                                                       \
    START_TEST(same_bytes_on_1_2_and_4_ranks)                                                      \
    {                                                                                              \
        ak_ranks_check(rows_, sizeof rows_ / sizeof *rows_, "resnet20", "sgd");                    \
    }                                                                                              \
    END_TEST                                                                                       \
                                                                                                   \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const ak_test_row cases[] = { AK_CASE(same_bytes_on_1_2_and_4_ranks), { NULL, NULL } };    \
                                                                                                   \
        return ak_replays_asked(argc, argv) ? ak_replays_main(argv)                                \
                                            : ak_test_run(TEST_NAME, cases, argc, argv);           \
    }

#endif
