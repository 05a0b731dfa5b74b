// tests/unit/daemon/hosts.c -- tests daemon/hosts.c: hosts of the real akssld that answer or do
// not.

#include "tests/unit/daemon/lab.h"

// Hosts whose agent says nothing until it is killed, more than are asked at once, come first.
START_TEST(silent_hosts_hide_no_other)
{
    enum { SILENT = 20, OTHERS = 6 };
    ak_str list = AK_STR_INIT;
    char *agent = folder_make(), *path = ak_path("%s/agent", agent), *sentence;
    static const char script[] =
        "#!/bin/sh\ncase $1 in silent*) exec sleep 60 ;; bad*) echo broken >&2; exit 9 ;; esac\n";
    const char *flags[] = { "--hosts",
                            NULL,
                            "--host-agent",
                            path,
                            "--host-timeout",
                            "4",
                            "--listen-insecure-plaintext",
                            "127.0.0.1:0",
                            "--uplink",
                            "plaintext:127.0.0.1:9",
                            NULL };
    lab l;

    ck_assert_int_eq(ak_files_write(path, script, sizeof script - 1), 0);
    ck_assert_int_eq(chmod(path, 0700), 0);
    for (int i = 0; i < SILENT; i++)
        ak_str_format(&list, "silent%d:1,", i);
    for (int i = 0; i < OTHERS; i++)
        ak_str_format(&list, "other%d:1,", i);
    ak_str_append(&list, "bad:1");
    flags[1] = list.text;
    open_lab_with(&l, flags);
    for (int i = 0; i < OTHERS; i++) {
        sentence = ak_path("host 'other%d' answers: 1 slots", i);
        wait_log(&l, sentence);
        free(sentence);
    }
    wait_log(&l, "host 'bad' does not answer: broken");
    wait_log(&l, "host 'silent19' does not answer: it does not answer in time: it is left out");
    fake_sleep(5000); // longer than a host may be silent
    ck_assert(!log_says(&l, "host 'other0' does not answer"));
    ck_assert(!log_says(&l, "host 'other5' does not answer"));
    close_lab(&l);
    ak_str_fini(&list);
    free(path);
    folder_remove(agent);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = { AK_CASE(silent_hosts_hide_no_other), { NULL, NULL } };

    return lab_main(rows, argc, argv);
}
