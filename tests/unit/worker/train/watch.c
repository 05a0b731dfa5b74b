// tests/unit/worker/train/watch.c -- tests worker/train/watch.c.

#include "worker/train/watch.h"

#include "tests/unit/worker/rig.h"

enum { ROWS = 128, WIDTH = 32 };

static ak_health blank(void)
{
    return (ak_health){ .teacher_entropy = (double)NAN,
                        .prototype_usage = (double)NAN,
                        .stuck_loss = (double)NAN };
}

static double gauge(const ak_gauge *gauges, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(gauges[i].name, name) == 0)
            return gauges[i].value;
    ck_abort_msg("there is no gauge '%s'", name);
    return 0;
}

// Steps that a watch sees until it speaks, or -1 after `most`.
static int speaks_after(ak_watch *w, const ak_health *h, double loss, int most)
{
    for (int step = 1; step <= most; step++) {
        ak_gauge gauges[AK_METHOD_GAUGES];
        int count = ak_watch_gauges(h, gauges, 0);

        if (ak_watch_see(w, h, gauges, count, loss))
            return step;
    }
    return -1;
}

START_TEST(figures_of_random_rows)
{
    float *rows = ak_rig_values(ROWS * WIDTH, 1, 1);
    ak_health h = blank();
    ak_gauge gauges[AK_METHOD_GAUGES];
    int count;

    h.rows = rows;
    h.count = ROWS;
    h.width = WIDTH;
    count = ak_watch_gauges(&h, gauges, 0);
    ck_assert_int_eq(count, 2); // what is NAN is no gauge
    ck_assert_double_eq_tol(gauge(gauges, count, "embedding_std"), 1 / sqrt(WIDTH), 0.01);
    // 64 random rows in 32 dimensions: most of the dimensions count
    ck_assert_double_ge(gauge(gauges, count, "effective_rank"), 20);
    ck_assert_double_le(gauge(gauges, count, "effective_rank"), 32);
    free(rows);
}
END_TEST

// Rows along two directions, as far on either side: a rank of two.
START_TEST(effective_rank_counts_directions)
{
    float *rows = ak_alloc(ROWS * WIDTH, sizeof *rows);
    ak_health h = blank();
    ak_gauge gauges[AK_METHOD_GAUGES];
    int count;

    for (int r = 0; r < ROWS; r++)
        rows[r * WIDTH + (r / 2) % 4 / 2 * 7] = r / 2 % 2 ? 3.0f : -3.0f;
    h.rows = rows;
    h.count = ROWS;
    h.width = WIDTH;
    count = ak_watch_gauges(&h, gauges, 0);
    ck_assert_double_eq_tol(gauge(gauges, count, "effective_rank"), 2, 1e-6);
    free(rows);
}
END_TEST

START_TEST(one_point_is_a_collapse)
{
    float *rows = ak_rig_values(ROWS * WIDTH, 1, 1e-3);
    ak_health h = blank();
    ak_watch w = { 0 };

    for (int i = 0; i < ROWS * WIDTH; i++)
        rows[i] += i % WIDTH == 3 ? 1 : 0;
    h.rows = rows;
    h.count = ROWS;
    h.width = WIDTH;
    ck_assert_int_eq(speaks_after(&w, &h, -1, 50), AK_WATCH_PATIENCE);
    ck_assert_ptr_nonnull(strstr(w.sentence, "one point"));
    ck_assert_int_eq(speaks_after(&w, &h, -1, 50), -1); // once
    free(rows);
}
END_TEST

START_TEST(a_sign_must_stand)
{
    ak_health even = blank(), fine = blank();
    ak_watch w = { 0 };

    even.prototypes = fine.prototypes = 100;
    even.teacher_entropy = log(100);
    fine.teacher_entropy = 2;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(speaks_after(&w, &even, 3, AK_WATCH_PATIENCE - 1), -1);
        ck_assert(ak_watch_suspects(&w));
        ck_assert_int_eq(speaks_after(&w, &fine, 3, 1), -1);
        ck_assert(!ak_watch_suspects(&w));
    }
    ck_assert_int_eq(speaks_after(&w, &even, 3, 50), AK_WATCH_PATIENCE);
}
END_TEST

START_TEST(one_line_is_a_collapse)
{
    float *rows = ak_rig_values(ROWS * WIDTH, 1, 1e-2);
    ak_health h = blank();
    ak_watch w = { 0 };

    for (int r = 0; r < ROWS; r++)
        rows[r * WIDTH + 5] += r / 2 % 2 ? 1 : -1;
    h.rows = rows;
    h.count = ROWS;
    h.width = WIDTH;
    ck_assert_int_eq(speaks_after(&w, &h, -1, 50), AK_WATCH_PATIENCE);
    ck_assert_ptr_nonnull(strstr(w.sentence, "one line"));
    free(rows);
}
END_TEST

START_TEST(nearly_one_line_is_a_start)
{
    float *rows = ak_rig_values(ROWS * WIDTH, 1, 1e-3);
    ak_health h = blank();
    ak_gauge gauges[AK_METHOD_GAUGES];
    ak_watch w = { 0 };

    for (int r = 0; r < ROWS; r++) {
        rows[r * WIDTH + 5] += r / 2 % 2 ? 1 : -1;
        rows[r * WIDTH + 7] += r / 4 % 2 ? 0.24f : -0.24f;
    }
    h.rows = rows;
    h.count = ROWS;
    h.width = WIDTH;
    ck_assert_double_eq_tol(gauge(gauges, ak_watch_gauges(&h, gauges, 0), "effective_rank"), 1.24,
                            0.02);
    ck_assert_int_eq(speaks_after(&w, &h, -1, 100), -1);
    free(rows);
}
END_TEST

START_TEST(one_prototype_is_a_collapse)
{
    ak_health h = blank();
    ak_watch w = { 0 };

    h.prototypes = 64;
    h.teacher_entropy = 0.5;
    h.prototype_usage = 1.2 / 64;
    ck_assert_int_eq(speaks_after(&w, &h, 2, 50), AK_WATCH_PATIENCE);
    ck_assert_ptr_nonnull(strstr(w.sentence, "one prototype"));
    h.prototype_usage = 20.0 / 64;
    memset(&w, 0, sizeof w);
    ck_assert_int_eq(speaks_after(&w, &h, 2, 100), -1);
}
END_TEST

START_TEST(a_loss_at_ln_k_is_a_collapse)
{
    ak_health h = blank();
    ak_watch w = { 0 };

    h.stuck_loss = log(3000);
    ck_assert_int_eq(speaks_after(&w, &h, log(3000) * 0.999, 100), -1);
    ck_assert_int_eq(speaks_after(&w, &h, log(3000) * 1.00005, 100), AK_WATCH_PATIENCE);
    memset(&w, 0, sizeof w);
    h.stuck_loss = 0; // one prototype: ln 1
    ck_assert_int_eq(speaks_after(&w, &h, 0, 100), AK_WATCH_PATIENCE);
}
END_TEST

// A watch that was put down and taken up judges as one that was not.
START_TEST(what_a_commit_keeps)
{
    ak_watch w = { .seen = 31, .row = { 0, 3, 0, 19, 2 } }, read = { .seen = 5 };
    ak_str text = AK_STR_INIT;

    for (int i = 0; i < AK_WATCH_PATIENCE; i++)
        w.ranks[i] = i == 4 ? (double)NAN : 1.0 / (i + 3);
    ak_watch_print(&w, &text);
    ck_assert(ak_watch_parse(&read, text.text));
    ck_assert(read.seen == 31 && memcmp(read.row, w.row, sizeof w.row) == 0);
    for (int i = 0; i < AK_WATCH_PATIENCE; i++)
        ck_assert(i == 4 ? isnan(read.ranks[i]) : fabs(read.ranks[i] - w.ranks[i]) < 1e-6);
    text.text[text.length - 3] = 'x'; // of another version
    text.text[12] = '\0';
    ck_assert(ak_watch_parse(&read, text.text));
    ck_assert(read.seen == 0 && read.row[3] == 0);
    ck_assert(ak_watch_parse(&read, NULL));
    w.noticed = true;
    ak_str_clear(&text);
    ak_watch_print(&w, &text);
    read.seen = 7;
    ck_assert(!ak_watch_parse(&read, text.text) && read.seen == 0 && !read.noticed);
    ak_str_fini(&text);
}
END_TEST

AK_TEST_MAIN(AK_CASE(what_a_commit_keeps), AK_CASE(figures_of_random_rows),
             AK_CASE(effective_rank_counts_directions), AK_CASE(one_point_is_a_collapse),
             AK_CASE(a_sign_must_stand), AK_CASE(one_line_is_a_collapse),
             AK_CASE(nearly_one_line_is_a_start), AK_CASE(one_prototype_is_a_collapse),
             AK_CASE(a_loss_at_ln_k_is_a_collapse))
