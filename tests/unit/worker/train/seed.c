// tests/unit/worker/train/seed.c -- tests worker/train/seed.c: which rows of another job's state
// enter.

#include "worker/train/seed.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/format/safetensors.h"
#include "tests/check.h"

enum { LENGTH = 6, WIDTH = 2 };

// A ring of LENGTH rows whose row r holds r, that `entered` rows have come into: the n-th of them
// (from 0) is in row n % LENGTH, and holds 100 + n.
typedef struct source {
    float rows[LENGTH * WIDTH];
    ak_seed seed;
} source;

static void make_source(source *s, int entered)
{
    for (int r = 0; r < LENGTH * WIDTH; r++)
        s->rows[r] = -1;
    for (int n = 0; n < entered; n++)
        for (int w = 0; w < WIDTH; w++)
            s->rows[n % LENGTH * WIDTH + w] = (float)(100 + n) + (float)w / 2;
    s->seed = (ak_seed){ .name = "moco.queue",
                         .dims = 2,
                         .shape = { LENGTH, WIDTH },
                         .filled = entered < LENGTH ? entered : LENGTH,
                         .position = entered % LENGTH,
                         .rows = s->rows };
}

// takes gives a ring of `length` rows, which hold 7, the newest rows: from `first`, count of them.
static void takes(int entered, int64_t length, int first, int64_t count)
{
    float *rows = calloc((size_t)length * WIDTH, sizeof *rows);
    ak_state state = { .name = "moco.queue", .length = length, .width = WIDTH, .rows = rows };
    source s;

    for (int64_t i = 0; i < length * WIDTH; i++)
        rows[i] = 7;
    make_source(&s, entered);
    ck_assert_msg(ak_seed_take(&state, &s.seed, 1) == 0, "%s", ak_error_text());
    ck_assert(state.version == 0 && state.filled == count && state.position == count % length);
    for (int64_t i = 0; i < length; i++) {
        float want = i < count ? (float)(first + i) : 7;

        ck_assert_float_eq(rows[i * WIDTH], want);
        ck_assert_float_eq(rows[i * WIDTH + 1], i < count ? want + 0.5f : 7);
    }
    free(rows);
}

START_TEST(the_newest_rows_that_fit)
{
    takes(LENGTH, LENGTH, 100, LENGTH);
    takes(20, LENGTH, 114, LENGTH); // wrapped: the oldest comes first
    takes(4, LENGTH, 100, 4);       // the rest is as in a fresh run
    takes(0, LENGTH, 0, 0);
    takes(20, 4, 116, 4);      // a shorter ring
    takes(5, 3, 102, 3);       // the same, of one that was never full
    takes(20, 9, 114, LENGTH); // a longer one
    takes(2, 9, 100, 2);
    takes(20, 1, 119, 1);
}
END_TEST

static void refused(ak_state *state, const ak_seed *seed, const char *sentence)
{
    ck_assert_int_lt(ak_seed_take(state, seed, 1), 0);
    ck_assert_msg(strstr(ak_error_text(), sentence) != NULL, "%s", ak_error_text());
    ck_assert(state->filled == 0 && state->rows[0] == 7);
}

START_TEST(what_does_not_fit)
{
    float rows[LENGTH * WIDTH] = { 7 };
    ak_state ring = { .name = "moco.queue", .length = LENGTH, .width = 3, .rows = rows };
    ak_state whole = {
        .name = "dino.center", .whole = true, .length = 1, .width = 12, .rows = rows
    };
    source s;

    make_source(&s, 3);
    refused(&ring, &s.seed,
            "moco.queue is 6 x 2 there and 6 x 3 here: give this job that one's "
            "options (only the length of a queue may differ)");
    refused(&whole, &s.seed, "there is no dino.center, which this job holds (1 x 12)");
    s.seed.name = "dino.center";
    refused(&whole, &s.seed, "dino.center is 6 x 2 there and 1 x 12 here");
    ring.width = WIDTH;
    s.seed.name = "moco.queue";
    s.seed.position = LENGTH;
    refused(&ring, &s.seed, "goes on at 6, of 6");
    s.seed.position = 0;
    s.seed.filled = LENGTH + 1;
    refused(&ring, &s.seed, "has 7 rows in use");
    s.seed.filled = -1;
    refused(&ring, &s.seed, "has -1 rows in use");
    s.seed.dims = 1;
    refused(&ring, &s.seed, "moco.queue is 6 there and 6 x 2 here");
}
END_TEST

// ---- a file against a spec

static void write_file(const char *path, const char *name, int64_t rows, int64_t width,
                       const char *more)
{
    float *values = calloc((size_t)(rows * width), sizeof *values);
    ak_safetensors_writer *w;

    ck_assert_int_eq(ak_safetensors_create(&w, path), 0);
    for (int i = 0; i < 2; i++) {
        const char *tensor = i ? more : name;
        char key[80];

        if (!tensor)
            continue;
        snprintf(key, sizeof key, "%s.filled", tensor);
        ak_safetensors_set_meta(w, key, "1");
        snprintf(key, sizeof key, "%s.position", tensor);
        ak_safetensors_set_meta(w, key, "1");
        ak_safetensors_declare(w, tensor, AK_F32, 2, (int64_t[]){ rows, width });
    }
    for (int i = 0; i < (more ? 2 : 1); i++)
        ck_assert_int_eq(ak_safetensors_write(w, values, (size_t)(rows * width) * sizeof *values),
                         0);
    ck_assert_int_eq(ak_safetensors_commit(w, NULL, NULL), 0);
    ak_safetensors_writer_free(w);
    free(values);
}

static void checked(const ak_spec *spec, const char *path, const char *sentence)
{
    akssl_status rc = ak_seed_check(spec, path);

    if (!sentence) {
        ck_assert_msg(rc == 0, "%s", ak_error_text());
        return;
    }
    ck_assert_int_lt(rc, 0);
    ck_assert_msg(strstr(ak_error_text(), sentence) != NULL, "%s", ak_error_text());
}

START_TEST(a_file_for_a_spec)
{
    char folder[] = "/tmp/akssl-seed-XXXXXX", path[64];
    ak_spec spec;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state.safetensors", folder);
    ak_spec_init(&spec);
    ck_assert(ak_spec_set(&spec, "method", "moco_v2") == 0 &&
              ak_spec_set(&spec, "image_size", "16") == 0 &&
              ak_spec_set(&spec, "batch", "8") == 0 && ak_spec_set(&spec, "shards", "4") == 0 &&
              ak_spec_set(&spec, "option", "K=32,projection_dim=16") == 0);
    checked(&spec, path, "state-from: ");
    write_file(path, "moco.queue", 32, 16, NULL);
    checked(&spec, path, NULL);
    write_file(path, "moco.queue", 8, 16, NULL);
    checked(&spec, path, NULL);
    write_file(path, "moco.queue", 32, 8, NULL);
    checked(&spec, path, "moco.queue is 32 x 8 there and 32 x 16 here");
    write_file(path, "dino.center", 1, 16, NULL);
    checked(&spec, path, "there is no moco.queue, which this job holds (32 x 16)");
    write_file(path, "moco.queue", 32, 16, "swav.queue");
    checked(&spec, path, "there is a swav.queue, which this job does not hold");
    ak_spec_fini(&spec);
    unlink(path);
    rmdir(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(the_newest_rows_that_fit), AK_CASE(what_does_not_fit),
             AK_CASE(a_file_for_a_spec))
