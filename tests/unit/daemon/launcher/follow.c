// tests/unit/daemon/launcher/follow.c -- tests daemon/launcher/follow.c.

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/launcher/follow.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "tests/check.h"
#include "tests/unit/daemon/folder.h"

START_TEST(what_is_told_is_read)
{
    char *folder = folder_make(), *path = ak_path("%s/status", folder), huge[4096];
    static const char *const bad[] = { "", "runs\n", "sleeps x\n", "runs no end", "waits" };
    ak_str text = AK_STR_INIT;
    bool runs = true;

    ck_assert_int_eq(ak_follow_read(path, &runs, &text), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_follow_tell(path, false, "job 1 is PENDING: Priority"), 0);
    ck_assert_int_eq(ak_follow_read(path, &runs, &text), 0);
    ck_assert(!runs);
    ck_assert_str_eq(text.text, "job 1 is PENDING: Priority");
    ck_assert_int_eq(ak_follow_tell(path, true, "on n1"), 0);
    ck_assert_int_eq(ak_follow_read(path, &runs, &text), 0);
    ck_assert(runs);
    ck_assert_str_eq(text.text, "on n1");
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    ck_assert_int_eq(ak_follow_tell(path, true, huge), 0);
    ck_assert_int_eq(ak_follow_read(path, &runs, &text), 0);
    ck_assert_uint_eq(text.length, AK_FOLLOW_TEXT);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(ak_files_write(path, bad[i], strlen(bad[i])), 0);
        ck_assert_msg(ak_follow_read(path, &runs, &text) < 0, "'%s'", bad[i]);
        ck_assert_uint_eq(text.length, AK_FOLLOW_TEXT); // as it was
    }
    ck_assert_int_eq(ak_files_write(path, huge, sizeof huge - 1), 0);
    ck_assert_int_lt(ak_follow_read(path, &runs, &text), 0);
    ak_str_fini(&text);
    free(path);
    folder_remove(folder);
}
END_TEST

static int shell(const char *script, const char *input, ak_str *out, ak_str *err, bool *told)
{
    char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };

    return ak_follow_run(argv, input, out, err, told);
}

START_TEST(programs_are_run)
{
    char *missing[] = { (char *)"no-such-program", NULL };
    ak_str out = AK_STR_INIT, err = AK_STR_INIT;
    bool told = false;

    ak_follow_begin();
    ck_assert_int_eq(shell("cat; echo no >&2; exit 3", "words\n", &out, &err, &told), 3);
    ck_assert_str_eq(out.text, "words\n");
    ck_assert_str_eq(err.text, "no\n");
    ck_assert_int_eq(shell("head -c 3000000 /dev/zero | tr '\\0' x", "", &out, &err, &told), 1);
    ck_assert_uint_le(out.length, AK_FOLLOW_OUTPUT); // more finds no room
    ck_assert_int_eq(shell("kill -KILL $$", "", &out, &err, &told), -1);
    ck_assert_int_eq(shell("ulimit -f", "", &out, &err, &told), 0);
    ck_assert_str_eq(out.text, "unlimited\n"); // which sbatch hands on
    ck_assert_int_eq(ak_follow_run(missing, "", &out, &err, &told), 127);
    ck_assert_str_eq(err.text, "no-such-program is not installed here");
    ck_assert(!told);
    ak_str_fini(&out);
    ak_str_fini(&err);
}
END_TEST

// SIGTERM is kept, be it for the program's time or for the wait's; the program does not get it.
START_TEST(signals_are_kept)
{
    ak_str out = AK_STR_INIT, err = AK_STR_INIT;
    double start = ak_clock_seconds();
    bool told = false;

    ak_follow_begin();
    ck_assert_int_eq(shell("kill -TERM $PPID; sleep 0.3; echo done", "", &out, &err, &told), 0);
    ck_assert(told);
    ck_assert_str_eq(out.text, "done\n");
    ck_assert(!ak_follow_wait(50));
    kill(getpid(), SIGTERM);
    ck_assert(ak_follow_wait(60000));
    ck_assert(ak_clock_seconds() - start < 30);
    ak_str_fini(&out);
    ak_str_fini(&err);
}
END_TEST

AK_TEST_MAIN(AK_CASE(what_is_told_is_read), AK_CASE(programs_are_run), AK_CASE(signals_are_kept))
