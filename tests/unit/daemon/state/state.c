// tests/unit/daemon/state/state.c -- tests daemon/state/state.c, file.c and insight.c.

#include <math.h>

#include "daemon/state/insight.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"
#include "tests/unit/daemon/folder.h"

static ak_state_info info_of(const char *name, int64_t rows, int64_t width)
{
    ak_state_info info = { .dims = 2, .shape = { rows, width } };

    snprintf(info.name, sizeof info.name, "%s", name);
    return info;
}

static ak_state *with_queue(int64_t rows, int64_t width)
{
    ak_state *state = ak_state_new();
    ak_state_info info = info_of("q", rows, width);
    float *zeros = calloc((size_t)(rows * width), sizeof(float));

    ck_assert_int_eq(ak_state_declare(state, &info), 0);
    ck_assert_int_eq(ak_state_fill(state, "q", 0, zeros, (size_t)(rows * width) * 4), 0);
    free(zeros);
    return state;
}

static akssl_status push(ak_state *state, const char *name, int64_t version, const void *rows,
                         size_t size)
{
    const ak_state_rows all = { .name = name, .version = version, .rows = rows, .size = size };

    return ak_state_push(state, &all);
}

// in_pieces sends rows as a worker does: what the ring's length leaves no room for is skipped, the
// rest comes in pieces of `piece` bytes.
static akssl_status in_pieces(ak_state *state, int64_t version, const void *rows, size_t size,
                              size_t piece)
{
    const ak_state_tensor *tensor = &state->tensors[0];
    size_t skipped = size > tensor->size ? size - tensor->size : 0;
    ak_state_rows next = { .name = tensor->info.name,
                           .version = version,
                           .skipped =
                               (int64_t)(skipped * (size_t)tensor->info.shape[0] / tensor->size),
                           .more = true };
    akssl_status rc = AKSSL_OK;

    for (size_t at = skipped; at < size && rc == AKSSL_OK; at += piece) {
        next.more = size - at > piece;
        next.rows = (const char *)rows + at;
        next.size = next.more ? piece : size - at;
        rc = ak_state_push(state, &next);
        next.skipped = 0;
    }
    return rc;
}

// The naive ring: one row at a time, by modulo.  Every third push comes in pieces, some of which
// end inside a row; some pushes are longer than the ring.
START_TEST(ring_agrees_with_a_naive_one)
{
    enum { ROWS = 7, WIDTH = 3, PUSHES = 300, MOST = 3 * ROWS };
    ak_state *state = with_queue(ROWS, WIDTH);
    float naive[ROWS][WIDTH] = { { 0 } }, rows[MOST][WIDTH];
    int64_t position = 0, filled = 0;
    unsigned random = 12345;
    akssl_status rc;

    for (int64_t version = 1; version <= PUSHES; version++) {
        int64_t count;

        random = random * 1664525u + 1013904223u;
        count = 1 + (random >> 16) % (version % 2 ? ROWS : MOST);
        for (int64_t i = 0; i < count; i++) {
            for (int j = 0; j < WIDTH; j++)
                rows[i][j] = naive[position][j] = (float)(version * 100 + i * 10 + j);
            position = (position + 1) % ROWS;
            filled += filled < ROWS;
        }
        if (version % 3)
            rc = push(state, "q", version, rows, (size_t)count * sizeof *rows);
        else
            rc = in_pieces(state, version, rows, (size_t)count * sizeof *rows, 7);
        ck_assert_int_eq(rc, 0);
        ck_assert(memcmp(ak_state_data(&state->tensors[0]), naive, sizeof naive) == 0);
        ck_assert(state->tensors[0].info.position == position &&
                  state->tensors[0].info.filled == filled &&
                  state->tensors[0].info.version == version);
    }
    ak_state_free(state);
}
END_TEST

START_TEST(bad_pushes_change_nothing)
{
    ak_state *state = with_queue(4, 2);
    float rows[10] = { 1, 2, 3 };

    ck_assert_int_eq(push(state, "q", 1, rows, 8), 0);
    ck_assert_int_eq(push(state, "p", 2, rows, 8), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(push(state, "q", 1, rows, 8), AKSSL_ERR_STATE);
    ck_assert_int_eq(push(state, "q", 3, rows, 8), AKSSL_ERR_STATE);
    ck_assert_int_eq(push(state, "q", INT64_MIN + 1, rows, 8), AKSSL_ERR_STATE);
    ck_assert_int_eq(push(state, "q", 2, rows, 0), AKSSL_ERR_INVALID);
    ck_assert_int_eq(push(state, "q", 2, rows, 7), AKSSL_ERR_INVALID);
    ck_assert_int_eq(push(state, "q", INT64_MIN, rows, 8), AKSSL_ERR_STATE);
    ck_assert_int_eq(push(state, "q", INT64_MAX, rows, 8), AKSSL_ERR_STATE);
    ck_assert(state->tensors[0].info.version == 1 && state->tensors[0].info.filled == 1);
    ck_assert_int_eq(push(state, "q", 2, rows, 32), 0); // all rows at once
    ck_assert(state->tensors[0].info.position == 1 && state->tensors[0].info.filled == 4);
    ak_state_free(state);
}
END_TEST

static akssl_status piece(ak_state *state, int64_t version, int64_t skipped, bool more,
                          const void *rows, size_t size)
{
    const ak_state_rows next = { "q", version, skipped, more, rows, size };

    return ak_state_push(state, &next);
}

START_TEST(bad_pieces_change_nothing)
{
    ak_state *state = with_queue(4, 2), *frozen;
    const ak_state_info *info = &state->tensors[0].info;
    const float rows[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    bool reached = true;

    ck_assert_int_eq(piece(state, 1, -1, false, rows, 32), AKSSL_ERR_INVALID);
    ck_assert_int_eq(piece(state, 1, 3, false, rows, 24), AKSSL_ERR_INVALID); // leaves a gap
    ck_assert_int_eq(piece(state, 1, 0, true, rows, 12), 0);
    ck_assert_int_eq(ak_state_reached(state, 1, &reached), 0);
    ck_assert(!reached && info->version == 0 && info->filled == 0);
    frozen = ak_state_freeze(state);
    ck_assert(ak_state_data(&frozen->tensors[0])[0] == 0);
    ak_state_free(frozen);
    ck_assert_int_eq(piece(state, 2, 0, true, rows, 4), AKSSL_ERR_STATE);
    ck_assert_int_eq(piece(state, 1, 4, false, rows, 4), AKSSL_ERR_INVALID);     // not the first
    ck_assert_int_eq(piece(state, 1, 0, true, rows, 24), AKSSL_ERR_INVALID);     // over the length
    ck_assert_int_eq(piece(state, 1, 0, false, rows + 3, 8), AKSSL_ERR_INVALID); // 2.5 rows
    ck_assert(info->version == 0 && info->filled == 0 && info->position == 0);
    ck_assert_int_eq(piece(state, 1, INT64_MAX, true, rows, 20), 0);
    ck_assert_int_eq(piece(state, 1, 0, false, rows + 5, 12), 0);
    ck_assert(info->version == 1 && info->filled == 4 && info->position == 3); // 2^63 - 1 + 4
    ck_assert_float_eq(ak_state_data(&state->tensors[0])[6], 1);
    ck_assert_int_eq(piece(state, 2, 0, true, rows, 8), 0);
    ak_state_free(state); // frees what is staged
}
END_TEST

// A centre and prototypes beside a queue: replaced while pushes to the queue go on.
START_TEST(replaced_as_one_change)
{
    enum { SIZE = 6 * sizeof(float) };
    const float old[6] = { 1, 1, 1, 1, 1, 1 }, new[6] = { 2, 3, 4, 5, 6, 7 }, row = 9;
    ak_state *state = with_queue(4, 1), *frozen;
    ak_state_info info = info_of("swav.prototypes", 3, 2);
    ak_state_tensor *tensor = &state->tensors[1];
    bool reached = true;

    ck_assert_int_eq(ak_state_replace(state, &info), AKSSL_ERR_NOT_FOUND);
    ck_assert(!ak_state_holds(state, info.name));
    ck_assert_int_eq(ak_state_declare(state, &info), 0);
    ck_assert(ak_state_holds(state, info.name));
    info.version = 1;
    ck_assert_int_eq(ak_state_replace(state, &info), AKSSL_ERR_STATE); // is not complete
    ck_assert_int_eq(ak_state_fill(state, info.name, 0, old, SIZE), 0);
    info.version = 0;
    ck_assert_int_eq(ak_state_replace(state, &info), AKSSL_ERR_STATE); // no new version
    info.version = 5;
    info.shape[1] = 3;
    ck_assert_int_eq(ak_state_replace(state, &info), AKSSL_ERR_INVALID);
    info.shape[1] = 2;
    info.filled = 4;
    ck_assert_int_eq(ak_state_replace(state, &info), AKSSL_ERR_INVALID);
    info.filled = 3;
    info.position = 2;
    ck_assert_int_eq(ak_state_replace(state, &info), 0);
    ck_assert_int_eq(ak_state_replace(state, &info), AKSSL_ERR_STATE); // is under way
    ck_assert_int_eq(ak_state_fill(state, info.name, 0, new, 10), 0);
    ck_assert_int_eq(push(state, "q", 1, &row, 4), 0);
    ck_assert_int_eq(push(state, info.name, 1, &row, 4), AKSSL_ERR_STATE);
    ck_assert_int_eq(ak_state_fill(state, info.name, 8, new, 4), AKSSL_ERR_INVALID);
    frozen = ak_state_freeze(state); // what was there before
    ck_assert(frozen->count == 2 && memcmp(ak_state_data(&frozen->tensors[1]), old, SIZE) == 0);
    ck_assert_int_eq(frozen->tensors[1].info.version, 0);
    ck_assert_int_eq(ak_state_reached(state, 5, &reached), 0);
    ck_assert(!reached);
    ck_assert_int_eq(ak_state_fill(state, info.name, 10, (const char *)new + 10, SIZE - 10), 0);
    ck_assert(memcmp(ak_state_data(tensor), new, SIZE) == 0);
    ck_assert(memcmp(&tensor->info, &info, sizeof info) == 0);
    ck_assert(memcmp(ak_state_data(&frozen->tensors[1]), old, SIZE) == 0);
    ck_assert_int_eq(ak_state_fill(state, info.name, SIZE, new, 4), AKSSL_ERR_INVALID);
    for (int64_t version = 2; version <= 5; version++)
        ck_assert_int_eq(push(state, "q", version, &row, 4), 0);
    ck_assert_int_eq(ak_state_reached(state, 5, &reached), 0);
    ck_assert(reached);
    ck_assert_int_eq(ak_state_reached(state, 4, &reached), AKSSL_ERR_STATE);
    info.version = 6;
    ck_assert_int_eq(ak_state_replace(state, &info), 0);
    ak_state_free(frozen);
    ak_state_free(state); // frees what is staged
}
END_TEST

START_TEST(bounds_of_tensors)
{
    ak_state *state = ak_state_new();
    ak_state_info info = info_of("x", 1 << 20, 1 << 20);
    static const char *const bad_names[] = { "", "A", "a/b", "a b", "\xff" };

    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_LIMIT); // 4 TiB
    info = info_of("x", INT64_MAX, INT64_MAX);
    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_LIMIT);
    info = info_of("x", 0, 4);
    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_LIMIT);
    info = info_of("x", -4, -4);
    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_LIMIT);
    info = info_of("x", 4, 4);
    info.dims = 0;
    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_INVALID);
    info.dims = AK_STATE_MAX_DIMS + 1;
    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_INVALID);
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        info = info_of(bad_names[i], 4, 4);
        ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_INVALID);
    }
    info = info_of("x", 4, 4);
    info.position = 4;
    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_INVALID);
    info.position = 0;
    info.filled = 5;
    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_INVALID);
    info.filled = 0;
    for (int i = 0; i < AK_STATE_MAX_TENSORS; i++) {
        snprintf(info.name, sizeof info.name, "t%d", i);
        ck_assert_int_eq(ak_state_declare(state, &info), 0);
        ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_EXISTS);
    }
    snprintf(info.name, sizeof info.name, "one.more");
    ck_assert_int_eq(ak_state_declare(state, &info), AKSSL_ERR_LIMIT);
    ak_state_free(state);
}
END_TEST

START_TEST(all_of_a_job_is_bounded)
{
    ak_state *state = ak_state_new();
    ak_state_info a = info_of("a", 1 << 19, 1 << 10), b = info_of("b", 1 << 19, 1 << 10); // 2 GiB
    ak_state_info c = info_of("c", 1, 1);

    ck_assert_int_eq(ak_state_declare(state, &a), 0); // never touched: costs no memory
    ck_assert_int_eq(ak_state_declare(state, &b), 0);
    ck_assert_int_eq(ak_state_declare(state, &c), AKSSL_ERR_LIMIT);
    ak_state_free(state);
}
END_TEST

START_TEST(chunks_come_in_order)
{
    ak_state *state = ak_state_new();
    ak_state_info info = info_of("q", 2, 2);
    const float values[4] = { 1, 2, 3, 4 };
    bool reached = true;

    info.version = 5;
    ck_assert_int_eq(ak_state_fill(state, "q", 0, values, 4), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_state_declare(state, &info), 0);
    ck_assert_int_eq(ak_state_fill(state, "q", 4, values, 4), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_state_fill(state, "q", 0, values, 17), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_state_fill(state, "q", 0, values, 0), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_state_fill(state, "q", 0, values, 6), 0);
    ck_assert_int_eq(push(state, "q", 6, values, 8), AKSSL_ERR_STATE);
    ck_assert_int_eq(ak_state_reached(state, 5, &reached), 0);
    ck_assert(!reached);
    ck_assert_int_eq(ak_state_fill(state, "q", UINT64_MAX, values, 4), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_state_fill(state, "q", 6, (const char *)values + 6, 10), 0);
    ck_assert_int_eq(ak_state_fill(state, "q", 16, values, 1), AKSSL_ERR_INVALID);
    ck_assert(memcmp(ak_state_data(&state->tensors[0]), values, sizeof values) == 0);
    ck_assert_int_eq(ak_state_reached(state, 5, &reached), 0);
    ck_assert(reached);
    ck_assert_int_eq(ak_state_reached(state, 6, &reached), 0);
    ck_assert(!reached);
    ck_assert_int_eq(ak_state_reached(state, 4, &reached), AKSSL_ERR_STATE);
    ak_state_free(state);
}
END_TEST

START_TEST(frozen_stays)
{
    ak_state *state = with_queue(2, 1), *frozen, *again;
    const float one = 1, two = 2;

    ck_assert_int_eq(push(state, "q", 1, &one, 4), 0);
    frozen = ak_state_freeze(state);
    again = ak_state_freeze(state);
    ck_assert_ptr_eq(ak_state_data(&frozen->tensors[0]), ak_state_data(&again->tensors[0]));
    ck_assert_int_eq(push(state, "q", 2, &two, 4), 0);
    ck_assert(ak_state_data(&frozen->tensors[0])[1] == 0);
    ck_assert(frozen->tensors[0].info.version == 1);
    ck_assert(ak_state_data(&state->tensors[0])[1] == 2);
    ak_state_free(state);
    ck_assert(ak_state_data(&again->tensors[0])[0] == 1);
    ak_state_free(frozen);
    ak_state_free(again);
}
END_TEST

START_TEST(file_gives_it_back)
{
    char *folder = folder_make();
    char *path = ak_path("%s/state.safetensors", folder);
    char *empty = ak_path("%s/empty.safetensors", folder);
    ak_state *state = with_queue(5, 3), *back = NULL, *none = ak_state_new();
    ak_state_info center = { .name = "dino.center", .dims = 1, .shape = { 4 }, .version = 1 };
    const float rows[6] = { 1, 2, 3, -4, 0.1f, 6 };
    char digest[AK_DIGEST_TEXT], same[AK_DIGEST_TEXT];
    uint64_t size, same_size;

    ck_assert_int_eq(push(state, "q", 1, rows, 24), 0);
    ck_assert_int_eq(ak_state_declare(state, &center), 0);
    ck_assert_int_eq(ak_state_fill(state, "dino.center", 0, rows, 16), 0);
    ck_assert_int_eq(ak_state_write(state, 1, path, &size, digest), 0);
    ck_assert_int_eq(ak_digest_file(path, &same_size, same), 0);
    ck_assert(size == same_size);
    ck_assert_str_eq(digest, same);
    ck_assert_int_eq(ak_state_read(&back, path), 0);
    ck_assert_int_eq(back->count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert(memcmp(&back->tensors[i].info, &state->tensors[i].info,
                         sizeof back->tensors[i].info) == 0);
        ck_assert(memcmp(ak_state_data(&back->tensors[i]), ak_state_data(&state->tensors[i]),
                         state->tensors[i].size) == 0);
    }
    ak_state_free(back);
    ck_assert_int_eq(ak_state_write(none, 0, empty, &size, digest), 0);
    ck_assert_int_eq(ak_state_read(&back, empty), 0);
    ck_assert_int_eq(back->count, 0);
    ak_state_free(back);
    ak_state_free(none);
    ak_state_free(state);
    free(empty);
    free(path);
    folder_remove(folder);
}
END_TEST

START_TEST(insight_agrees_with_two_passes)
{
    enum { ROWS = 6, WIDTH = 4, FILLED = 5 };
    ak_state *state = with_queue(ROWS, WIDTH);
    float rows[FILLED][WIDTH];
    double norm = 0, std[WIDTH] = { 0 }, mean_std = 0;
    ak_insight insight;

    for (int i = 0; i < FILLED; i++)
        for (int j = 0; j < WIDTH; j++)
            rows[i][j] = j ? 1000.0f + (float)((i * 7 + j * 3) % 5) : 2;
    ck_assert_int_eq(ak_insight_make(&insight, &state->tensors[0], 0), 0); // none filled
    ck_assert(insight.mean_norm == 0 && insight.std == 0);
    ck_assert_int_eq(push(state, "q", 1, rows, sizeof rows), 0);
    for (int j = 0; j < WIDTH; j++) {
        double mean = 0;

        for (int i = 0; i < FILLED; i++)
            mean += (double)rows[i][j] / FILLED;
        for (int i = 0; i < FILLED; i++)
            std[j] += ((double)rows[i][j] - mean) * ((double)rows[i][j] - mean) / FILLED;
        std[j] = sqrt(std[j]);
        mean_std += std[j] / WIDTH;
    }
    for (int i = 0; i < FILLED; i++) {
        double square = 0;

        for (int j = 0; j < WIDTH; j++)
            square += (double)rows[i][j] * (double)rows[i][j];
        norm += sqrt(square) / FILLED;
    }
    ck_assert_int_eq(ak_insight_make(&insight, &state->tensors[0], 0), 0);
    ck_assert_double_eq_tol(insight.mean_norm, norm, 1e-9);
    ck_assert_double_eq_tol(insight.std, mean_std, 1e-9);
    ck_assert_double_eq_tol(insight.std_min, 0, 1e-12);
    ck_assert(insight.std_max > 1);
    ck_assert_int_eq((int)strlen(insight.digest), 32);
    ak_state_free(state);
}
END_TEST

static double rank_of(int64_t rows, int64_t width, float (*value)(int64_t i, int64_t j))
{
    ak_state *state = with_queue(rows, width);
    float *values = calloc((size_t)(rows * width), sizeof(float));
    ak_insight insight;

    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++)
            values[i * width + j] = value(i, j);
    ck_assert_int_eq(push(state, "q", 1, values, (size_t)(rows * width) * sizeof(float)), 0);
    ck_assert_int_eq(ak_insight_make(&insight, &state->tensors[0], 0), 0);
    free(values);
    ak_state_free(state);
    return insight.effective_rank;
}

static float same(int64_t i, int64_t j)
{
    (void)i;
    return 1000.3f + (float)j;
}

static float on_a_line(int64_t i, int64_t j)
{
    return 5 + (float)i * (float)(j % 7 + 1);
}

static float unit_vectors(int64_t i, int64_t j) // 8 directions, alike
{
    return i % 8 == j ? 1 : 0;
}

// Two orthogonal directions with variances 4 and 1: shares 0.8 and 0.2.
static float two_to_one(int64_t i, int64_t j)
{
    float a = i & 1 ? 2 : -2, b = i & 2 ? 1 : -1;

    return 100 + (j == 0 ? a : j == 1 ? b : 0);
}

static float broken(int64_t i, int64_t j)
{
    return i == 3 && j == 3 ? NAN : (float)(i + j);
}

START_TEST(effective_rank_counts_directions)
{
    const double shares = exp(-0.8 * log(0.8) - 0.2 * log(0.2));

    ck_assert_double_eq(rank_of(1, 40, same), 0);
    ck_assert_double_eq(rank_of(50, 40, same), 0);
    ck_assert_double_eq_tol(rank_of(50, 40, on_a_line), 1, 1e-9);
    ck_assert_double_eq_tol(rank_of(64, 8, unit_vectors), 7, 1e-9); // the mean takes one
    ck_assert_double_eq(rank_of(4096, 300, unit_vectors), 0);       // every 16th row is looked at
    ck_assert_double_eq_tol(rank_of(64, 600, two_to_one), shares, 1e-9);
    ck_assert_double_eq_tol(rank_of(4, 1 << 18, two_to_one), shares, 1e-9); // long rows
    ck_assert_double_nan(rank_of(8, 8, broken));
}
END_TEST

START_TEST(norms_have_extremes)
{
    const float rows[3][2] = { { 3, 4 }, { 0, 2 }, { 6, 8 } };
    ak_state *state = with_queue(3, 2);
    ak_insight insight;

    ck_assert_int_eq(push(state, "q", 1, rows, sizeof rows), 0);
    ck_assert_int_eq(ak_insight_make(&insight, &state->tensors[0], 0), 0);
    ck_assert(insight.min_norm == 2 && insight.max_norm == 10);
    ck_assert_double_eq_tol(insight.mean_norm, 17.0 / 3, 1e-12);
    ak_state_free(state);
}
END_TEST

// ages pushes `count` rows a step into a ring of 5 rows, which has `before` rows at step 0.
static void ages(int64_t before, int64_t count, int64_t steps, double mean, double most)
{
    ak_state_info info = { .name = "q", .dims = 2, .shape = { 5, 1 }, .filled = before };
    float rows[16] = { 0 };
    ak_state *state = ak_state_new();
    ak_insight insight;

    info.position = before % 5;
    ck_assert_int_eq(ak_state_declare(state, &info), 0);
    ck_assert_int_eq(ak_state_fill(state, "q", 0, rows, 5 * sizeof *rows), 0);
    for (int64_t step = 1; step <= steps; step++) {
        const ak_state_rows push = {
            .name = "q", .version = step, .rows = rows, .size = (size_t)count * sizeof *rows
        };

        ck_assert_int_eq(ak_state_push(state, &push), 0);
    }
    ck_assert_int_eq(ak_insight_make(&insight, &state->tensors[0], count), 0);
    if (isnan(mean)) {
        ck_assert(isnan(insight.age_mean) && isnan(insight.age_max));
    } else {
        ck_assert_double_eq_tol(insight.age_mean, mean, 1e-12);
        ck_assert_double_eq(insight.age_max, most);
    }
    ck_assert_double_eq_tol(insight.occupancy, (double)state->tensors[0].info.filled / 5, 1e-12);
    ak_state_free(state);
}

START_TEST(keys_have_an_age)
{
    ages(0, 2, 0, (double)NAN, 0);
    ages(0, 2, 1, 0, 0);
    ages(0, 2, 2, 0.5, 1);
    ages(0, 2, 9, (0 + 0 + 1 + 1 + 2) / 5.0, 2);
    ages(0, 8, 3, 0, 0);                         // the whole ring is of one step
    ages(3, 1, 1, (0 + 1 + 1 + 1) / 4.0, 1);     // rows that were there before: of step 0
    ages(5, 1, 2, (0 + 1 + 2 + 2 + 2) / 5.0, 2); // the same
}
END_TEST

AK_TEST_MAIN(AK_CASE(ring_agrees_with_a_naive_one), AK_CASE(bad_pushes_change_nothing),
             AK_CASE(bad_pieces_change_nothing), AK_CASE(replaced_as_one_change),
             AK_CASE(bounds_of_tensors), AK_CASE(all_of_a_job_is_bounded),
             AK_CASE(chunks_come_in_order), AK_CASE(frozen_stays), AK_CASE(file_gives_it_back),
             AK_CASE(insight_agrees_with_two_passes), AK_CASE(keys_have_an_age),
             AK_CASE(effective_rank_counts_directions), AK_CASE(norms_have_extremes))
