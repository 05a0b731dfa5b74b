// tests/unit/daemon/scheduler.c -- tests daemon/scheduler.c.

#include "daemon/scheduler.h"
#include "tests/check.h"

static int64_t next(ak_scheduler *s)
{
    int fits;
    int64_t id = ak_scheduler_head(s, &fits);

    if (!id || !fits)
        return 0;
    ak_scheduler_start(s);
    return id;
}

START_TEST(priority_then_first_in)
{
    ak_scheduler *s = ak_scheduler_new(100);
    static const int64_t order[] = { 4, 6, 1, 3, 5, 2 };

    ak_scheduler_push(s, 2, -1, 1);
    ak_scheduler_push(s, 5, 0, 1);
    ak_scheduler_push(s, 1, 0, 1);
    ak_scheduler_push(s, 6, 9, 1);
    ak_scheduler_push(s, 3, 0, 1);
    ak_scheduler_push(s, 4, 9, 1);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(next(s), order[i]);
    ck_assert_int_eq(next(s), 0);
    ck_assert_int_eq(ak_scheduler_used(s), 6);
    ak_scheduler_free(s);
}
END_TEST

START_TEST(nothing_overtakes_the_head)
{
    ak_scheduler *s = ak_scheduler_new(4);
    int fits;

    ak_scheduler_push(s, 1, 0, 3);
    ck_assert_int_eq(next(s), 1);
    ak_scheduler_push(s, 2, 0, 2); // does not fit
    ak_scheduler_push(s, 3, 0, 1); // would
    ck_assert_int_eq(ak_scheduler_head(s, &fits), 2);
    ck_assert_int_eq(fits, 0);
    ck_assert_int_eq(next(s), 0);
    ak_scheduler_release(s, 3);
    ck_assert_int_eq(next(s), 2);
    ck_assert_int_eq(next(s), 3);
    ck_assert_int_eq(ak_scheduler_used(s), 3);
    ak_scheduler_free(s);
}
END_TEST

START_TEST(removed_does_not_run)
{
    ak_scheduler *s = ak_scheduler_new(1);

    for (int64_t id = 1; id <= 50; id++)
        ak_scheduler_push(s, id, id % 3, 1);
    ak_scheduler_remove(s, 2); // the head: priority 2
    ak_scheduler_remove(s, 77);
    ck_assert_int_eq((int64_t)ak_scheduler_waiting(s), 49);
    ck_assert_int_eq(next(s), 5);
    ck_assert_int_eq(next(s), 0);
    ak_scheduler_release(s, 1);
    ck_assert_int_eq(next(s), 8);
    ak_scheduler_free(s);
}
END_TEST

AK_TEST_MAIN(AK_CASE(priority_then_first_in), AK_CASE(nothing_overtakes_the_head),
             AK_CASE(removed_does_not_run))
