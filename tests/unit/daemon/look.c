// tests/unit/daemon/look.c -- tests looks at files whose server may hang.

#include "daemon/look.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "tests/check.h"

enum { DEADLINE_MS = 400 };

// What looks share: a server that answers once for each post, and what became of them.
typedef struct place {
    uv_loop_t loop;
    ak_looks *looks;
    sem_t server;
    atomic_int under_way, released;
    int told, late, places;
    bool alike; // looks that hang are at one place
    akssl_status rc;
    char error[64];
} place;

typedef struct sight {
    place *place;
    bool hangs, fails;
} sight;

static akssl_status run(void *ctx)
{
    sight *s = ctx;

    atomic_fetch_add(&s->place->under_way, 1);
    if (s->hangs)
        while (sem_wait(&s->place->server) < 0)
            ;
    return s->fails ? ak_fail(AKSSL_ERR_NOT_FOUND, "it is not there") : AKSSL_OK;
}

static void release(void *ctx)
{
    sight *s = ctx;

    atomic_fetch_add(&s->place->released, 1);
    free(s);
}

static void done(void *asker, void *seen, akssl_status rc, const char *error)
{
    place *p = asker;

    p->told++;
    p->rc = rc;
    snprintf(p->error, sizeof p->error, "%s", error);
    if (!seen)
        p->late++;
}

static const ak_look_kind kind = { .run = run, .release = release, .done = done };

static ak_look *look(place *p, bool hangs, bool fails)
{
    sight *s = malloc(sizeof *s);
    char at[16];

    ck_assert_ptr_nonnull(s);
    *s = (sight){ p, hangs, fails };
    snprintf(at, sizeof at, "%d", p->places++);
    return ak_look_start(p->looks, &kind, hangs && p->alike ? "one place" : at, s, p);
}

static void open_place(place *p)
{
    memset(p, 0, sizeof *p);
    ck_assert_int_eq(uv_loop_init(&p->loop), 0);
    ck_assert_int_eq(sem_init(&p->server, 0, 0), 0);
    p->looks = ak_looks_new(&p->loop, DEADLINE_MS, AK_LOOKS_ALIKE);
}

// until waits for a number that threads count.
static void until(atomic_int *number, int value)
{
    for (int i = 0; i < 1000 && atomic_load(number) < value; i++)
        usleep(10000);
    ck_assert_int_eq(atomic_load(number), value);
}

static void close_place(place *p)
{
    ak_looks_free(p->looks);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&p->loop), 0);
}

START_TEST(what_a_look_found_is_told)
{
    place p;

    open_place(&p);
    look(&p, false, false);
    ck_assert_int_eq(p.told, 0); // later
    uv_run(&p.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(p.told, 1);
    ck_assert_int_eq(p.rc, AKSSL_OK);
    look(&p, false, true);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(p.told, 2);
    ck_assert_int_eq(p.rc, AKSSL_ERR_NOT_FOUND);
    ck_assert_str_eq(p.error, "it is not there");
    ck_assert_int_eq(p.late, 0);
    ck_assert_int_eq(p.released, 2);
    close_place(&p);
}
END_TEST

START_TEST(a_look_that_hangs_ends_at_the_deadline_and_keeps_no_other)
{
    place p;
    int more;

    open_place(&p);
    look(&p, true, false);
    for (int i = 0; i < 3 * AK_LOOKS_AT_ONCE; i++)
        look(&p, false, false);
    while (p.told < 3 * AK_LOOKS_AT_ONCE)
        uv_run(&p.loop, UV_RUN_ONCE);
    ck_assert_int_eq(p.late, 0);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(p.told, 3 * AK_LOOKS_AT_ONCE + 1);
    ck_assert_int_eq(p.late, 1);
    ck_assert_int_eq(p.rc, AKSSL_ERR_DEADLINE);
    ck_assert_int_eq(p.released, 3 * AK_LOOKS_AT_ONCE); // the thread has the last

    sem_post(&p.server);
    for (more = 0; p.released < 3 * AK_LOOKS_AT_ONCE + 1 + more; more++) {
        look(&p, false, false); // for a loop that has nothing to do does not look
        uv_run(&p.loop, UV_RUN_DEFAULT);
    }
    ck_assert_int_eq(p.told, 3 * AK_LOOKS_AT_ONCE + 1 + more); // nobody waits for it any more
    ck_assert_int_eq(p.late, 1);
    close_place(&p);
}
END_TEST

START_TEST(so_many_may_hang_and_further_ones_wait_their_turn_until_the_deadline)
{
    place p;

    open_place(&p);
    for (int i = 0; i < AK_LOOKS_AT_ONCE + 2; i++)
        look(&p, true, false);
    until(&p.under_way, AK_LOOKS_AT_ONCE);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(p.late, AK_LOOKS_AT_ONCE + 2);
    ck_assert_int_eq(p.rc, AKSSL_ERR_LIMIT); // those that had no turn are told last
    ck_assert_int_eq(p.under_way, AK_LOOKS_AT_ONCE);
    ck_assert_int_eq(p.released, 2); // those that had no turn

    look(&p, false, false); // waits, until the server is back
    sem_post(&p.server);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(p.told, AK_LOOKS_AT_ONCE + 3);
    ck_assert_int_eq(p.late, AK_LOOKS_AT_ONCE + 2);
    ck_assert_int_eq(p.rc, AKSSL_OK);
    close_place(&p); // while the others hang
    for (int i = 1; i < AK_LOOKS_AT_ONCE; i++)
        sem_post(&p.server);
    until(&p.released, AK_LOOKS_AT_ONCE + 3);
}
END_TEST

START_TEST(one_place_that_hangs_keeps_none_of_others)
{
    place p;

    open_place(&p);
    p.alike = true;
    for (int i = 0; i < AK_LOOKS_AT_ONCE; i++)
        look(&p, true, false);
    for (int i = 0; i < AK_LOOKS_AT_ONCE; i++)
        look(&p, false, false);
    while (p.told < AK_LOOKS_AT_ONCE)
        uv_run(&p.loop, UV_RUN_ONCE);
    ck_assert_int_eq(p.late, 0);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(p.late, AK_LOOKS_AT_ONCE);
    ck_assert_int_eq(p.under_way, AK_LOOKS_AT_ONCE + AK_LOOKS_ALIKE);
    close_place(&p);
    for (int i = 0; i < AK_LOOKS_ALIKE; i++)
        sem_post(&p.server);
    until(&p.released, 2 * AK_LOOKS_AT_ONCE);
}
END_TEST

START_TEST(a_look_that_is_cancelled_is_not_told)
{
    ak_look *at[3];
    place p;

    open_place(&p);
    at[0] = look(&p, true, false);
    at[1] = look(&p, true, false);
    at[2] = look(&p, false, false);
    ak_look_cancel(at[2]);
    ak_look_cancel(at[0]);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(p.told, 1);
    ck_assert_int_eq(p.late, 1);
    sem_post(&p.server);
    sem_post(&p.server);
    close_place(&p);
    until(&p.released, 3);
}
END_TEST

AK_TEST_MAIN(AK_CASE(what_a_look_found_is_told),
             AK_CASE(a_look_that_hangs_ends_at_the_deadline_and_keeps_no_other),
             AK_CASE(so_many_may_hang_and_further_ones_wait_their_turn_until_the_deadline),
             AK_CASE(one_place_that_hangs_keeps_none_of_others),
             AK_CASE(a_look_that_is_cancelled_is_not_told))
