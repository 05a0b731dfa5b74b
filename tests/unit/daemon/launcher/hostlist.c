// tests/unit/daemon/launcher/hostlist.c -- tests daemon/launcher/hostlist.c.

#include <stdio.h>
#include <string.h>

#include "daemon/launcher/hostlist.h"
#include "proto/base/error.h"
#include "tests/check.h"

// reads says what a list is read as.
static void reads(akssl_status rc, ak_hostlist *list, const char *wanted)
{
    ak_str text = AK_STR_INIT;

    ck_assert_msg(rc == AKSSL_OK, "%s: %s", wanted, ak_error_text());
    ak_hostlist_text(list, &text);
    ck_assert_str_eq(text.text, wanted);
    ak_str_fini(&text);
    ak_hostlist_fini(list);
}

static void refuses(akssl_status rc, const ak_hostlist *list, const char *text)
{
    ck_assert_msg(rc < 0, "'%s' is taken", text);
    ck_assert_uint_eq(list->count, 0);
    ck_assert_ptr_null(list->at);
    ck_assert_uint_gt(strlen(ak_error_text()), 10);
}

START_TEST(lists_of_flags_and_files)
{
    static const char *const good[][2] = {
        { "n1", "n1:1" },
        { "n1:2,n2:3", "n1:2,n2:3" },
        { " n1:2 , n2 ", "n1:2,n2:1" },
        { "10.77.0.1:65536", "10.77.0.1:65536" },
        { "# a comment\n\nn1 slots=4\n  n-2.lab slots=8 # and here\r\nN_3:2",
          "n1:4,n-2.lab:8,N_3:2" },
        { "n1:1,n2:1,", "n1:1,n2:1" },
    };
    ak_hostlist list = { 0 };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        reads(ak_hostlist_parse(&list, good[i][0]), &list, good[i][1]);
}
END_TEST

START_TEST(hostile_lists)
{
    static const char *const bad[] = {
        "",          "\n\n# nothing\n",
        "n1:0",      "n1:-1",
        "n1:65537",  "n1:99999999999999999999",
        "n1:",       "n1:2:3",
        "n1:2x",     "n1 2",
        "n1 slots=", "n1 slots=2 max_slots=4",
        "n1,n1",     "n1:1,,n2:1",
        ":2",        "-oProxyCommand=x",
        ".",         "n1;reboot",
        "$(reboot)", "n 1",
        "n1'",       "a/b",
        "n\001",     "\xff\xfe",
    };
    ak_hostlist list = { 0 };
    ak_str text = AK_STR_INIT;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuses(ak_hostlist_parse(&list, bad[i]), &list, bad[i]);
    for (int i = 0; i < AK_HOSTLIST_NAME; i++)
        ak_str_append(&text, "n");
    refuses(ak_hostlist_parse(&list, text.text), &list, "a long name");
    ak_str_clear(&text);
    for (int i = 0; i <= AK_HOSTLIST_MAX; i++)
        ak_str_format(&text, "n%d\n", i);
    refuses(ak_hostlist_parse(&list, text.text), &list, "too many hosts");
    ak_str_fini(&text);
}
END_TEST

START_TEST(lists_of_slurm)
{
    static const char *const good[][3] = {
        { "vm", "2", "vm:2" },
        { "n[1-3]", "2(x3)", "n1:2,n2:2,n3:2" },
        { "n[1-2,07-08],m", "4(x2),2(x2),16", "n1:4,n2:4,n07:2,n08:2,m:16" },
        { "rack[0-1]n[1-2].lab", "1(x4)",
          "rack0n1.lab:1,rack0n2.lab:1,rack1n1.lab:1,rack1n2.lab:1" },
    };
    static const char *const bad[][2] = {
        { "", "" },
        { "n1", "" },
        { "n1", "0" },
        { "n1", "2,2" },
        { "n[1-2]", "2" },
        { "n[1-2]", "2(x3)" },
        { "n[1-2]", "2(x0)" },
        { "n[1-2]", "2(x2" },
        { "n[1-", "2" },
        { "n[]", "2" },
        { "n[2-1]", "2" },
        { "n[a-b]", "2" },
        { "n[1-2]x[", "2" },
        { "n[1-9999999]", "2" },
        { "n[1 2]", "2" },
        { "-x", "2" },
        { "n[0-1023][0-9]", "2" },
        { "n]", "2" },
        { "n[1],", "x" },
        { "n[1][1", "1" },
        { "n[[1]]", "1" },
        { "n1", "2;2" },
        { "n1,n1", "2(x2)" },
        { "n[1-1,1]", "2(x2)" },
    };
    ak_hostlist list = { 0 };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        reads(ak_hostlist_slurm(&list, good[i][0], good[i][1]), &list, good[i][2]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuses(ak_hostlist_slurm(&list, bad[i][0], bad[i][1]), &list, bad[i][0]);
}
END_TEST

static void places(int64_t a, int64_t b, int64_t c, int64_t asked, int64_t need, const char *wanted)
{
    const int64_t cores[] = { a, b, c };
    int64_t got[3], sum;
    char text[64];

    sum = ak_hostlist_place(cores, 3, asked, need, got);
    snprintf(text, sizeof text, "%d: %d %d %d", (int)sum, (int)got[0], (int)got[1], (int)got[2]);
    ck_assert_str_eq(text, wanted);
}

START_TEST(ranks_get_places)
{
    places(4, 4, 4, 4, 1, "4: 4 0 0");
    places(8, 4, 6, 4, 1, "4: 0 4 0"); // where least is left over
    places(2, 4, 3, 8, 1, "8: 1 4 3"); // as few hosts as do it, and the rest where it fits
    places(2, 4, 4, 2, 1, "2: 2 0 0");
    places(3, 3, 3, 4, 2, "3: 1 1 1"); // a rank's threads are on one host
    places(1, 1, 1, 1, 2, "0: 0 0 0");
    places(0, -3, 0, 2, 1, "0: 0 0 0");
    places(2, 2, 0, 4, 1, "4: 2 2 0");
}
END_TEST

AK_TEST_MAIN(AK_CASE(lists_of_flags_and_files), AK_CASE(hostile_lists), AK_CASE(lists_of_slurm),
             AK_CASE(ranks_get_places))
