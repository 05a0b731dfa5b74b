// tests/unit/worker/method/state.c -- tests the ring of rows against a naive one.

#include "tests/unit/worker/rig.h"
#include "worker/method/state.h"

enum { LENGTH = 12, WIDTH = 3, MOST = 64 };

static void push_both(ak_state *s, float *naive, int64_t *at, float *next, int64_t count)
{
    float rows[MOST * WIDTH];

    for (int64_t i = 0; i < count * WIDTH; i++)
        rows[i] = (*next)++;
    for (int64_t r = 0; r < count; r++, ++*at)
        memcpy(naive + *at % LENGTH * WIDTH, rows + r * WIDTH, WIDTH * sizeof(float));
    ak_state_push(s, rows, count);
}

static void run(const int64_t *counts, int pushes)
{
    float rows[LENGTH * WIDTH], naive[LENGTH * WIDTH], next = 1;
    ak_state s = { .name = "x", .length = LENGTH, .width = WIDTH, .rows = rows };
    int64_t at = 0;

    for (int i = 0; i < LENGTH * WIDTH; i++)
        rows[i] = naive[i] = (float)-i;
    for (int i = 0; i < pushes; i++) {
        push_both(&s, naive, &at, &next, counts[i]);
        ak_rig_same("row", rows, naive, LENGTH * WIDTH);
        ck_assert_int_eq(s.position, at % LENGTH);
        ck_assert_int_eq(s.filled, at < LENGTH ? at : LENGTH);
        ck_assert_int_eq(s.version, i + 1);
    }
}

START_TEST(whole_turns)
{
    run((const int64_t[]){ 4, 4, 4, 4, 4, 4, 4 }, 7);
}
END_TEST

START_TEST(pushes_that_wrap)
{
    run((const int64_t[]){ 5, 5, 5, 7, 11, 1, 5, 10 }, 8);
}
END_TEST

START_TEST(as_long_as_the_ring)
{
    run((const int64_t[]){ 12, 12, 5, 12, 12 }, 5);
}
END_TEST

START_TEST(longer_than_the_ring)
{
    run((const int64_t[]){ 13, 25, 3, 64, 24, 1 }, 6);
}
END_TEST

AK_TEST_MAIN(AK_CASE(whole_turns), AK_CASE(pushes_that_wrap), AK_CASE(as_long_as_the_ring),
             AK_CASE(longer_than_the_ring))
