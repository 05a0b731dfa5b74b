// tests/unit/client/cli/top.c -- tests top on a terminal: over the daemon's restart, and when the
// terminal is gone.

#include "tests/unit/client/ran.h"

// await_drawn waits until the terminal has shown text `times` times.
static void await_drawn(int master, char *text, size_t size, const char *wanted, int times)
{
    int count = 0;

    for (int i = 0; i < 300 && count < times; i++) {
        read_terminal(master, text, size, 50);
        count = 0;
        for (const char *at = text; (at = strstr(at, wanted)); at++)
            count++;
    }
    ck_assert_msg(count >= times, "'%s' was drawn %d times: %s", wanted, count, text);
}

START_TEST(outlives_the_daemon)
{
    int slave, master = open_terminal(120, &slave);
    char text[65536] = "";
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_move(&l, lab_add(&l, "RUNNING"), "RUNNING", 20);
    launch(&l, &r, ptsname(master), ARGS("top"), plain_env);
    await_drawn(master, text, sizeof text, "1 running", 1);
    lab_stop(&l);
    lab_sleep(1500);
    lab_refuse(&l, AKSSL_ERR_UNAVAILABLE, "akssld is stopping");
    lab_start(&l);
    lab_sleep(1500);
    lab_refuse(&l, AKSSL_OK, NULL);
    text[0] = '\0';
    await_drawn(master, text, sizeof text, "1 running", 2);
    ck_assert_int_eq(write(master, "q", 1), 1);
    join(&r);
    expect(&r, 0, "", "trying again for a minute\n");
    ck_assert_ptr_null(strstr(strstr(r.err, "trying") + 1, "trying")); // said once
    close(slave);
    close(master);
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(ends_with_its_terminal)
{
    int slave, master = open_terminal(120, &slave);
    char text[65536] = "";
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_add(&l, "RUNNING");
    launch(&l, &r, ptsname(master), ARGS("top"), plain_env);
    await_drawn(master, text, sizeof text, "1 running", 1);
    close(slave);
    close(master);
    join(&r);
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

AK_TEST_MAIN(AK_CASE(outlives_the_daemon), AK_CASE(ends_with_its_terminal))
