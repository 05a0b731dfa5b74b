// tests/unit/daemon/hosts.c -- tests daemon/hosts.c: hosts of the real akssld that answer or do
// not.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>

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

// ---- a host on which a run has just died

// An agent runs here what is asked for on any host.  While HOST.slow is there the host takes its
// time to answer, while HOST.dead is there it does not; where HOST.dies is, it is dead once a run
// has begun on it.
typedef struct other {
    char *folder, *agent, *listen, *uplink;
} other;

static other other_new(void)
{
    other o = { .folder = folder_make() };
    char *script = ak_path("#!/bin/sh\nhost=%s/$1\nshift\ncase $* in\n'test -x'*)\n"
                           "    [ ! -e $host.slow ] || sleep 3\n"
                           "    [ ! -e $host.dead ] || exit 255\n    ;;\n"
                           "*)\n    [ ! -e $host.dies ] || touch $host.dead\n"
                           "    exec sh -c \"$*\"\n    ;;\nesac\n",
                           o.folder);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    o.listen = ak_path("127.0.0.1:%d", (int)ntohs(address.sin_port));
    o.uplink = ak_path("plaintext:%s", o.listen);
    o.agent = ak_path("%s/agent", o.folder);
    ck_assert_int_eq(ak_files_write(o.agent, script, strlen(script)), 0);
    ck_assert_int_eq(chmod(o.agent, 0700), 0);
    free(script);
    return o;
}

static void other_open(const other *o, lab *l, const char *hosts, const char *host_timeout)
{
    const char *flags[] = { "--hosts",
                            hosts,
                            "--host-agent",
                            o->agent,
                            "--host-timeout",
                            host_timeout,
                            "--orphan-timeout=6",
                            "--listen-insecure-plaintext",
                            o->listen,
                            "--uplink",
                            o->uplink,
                            NULL };

    open_lab_with(l, flags);
    wait_log(l, "host 'other' answers: 2 slots");
}

static void other_set(const other *o, const char *file)
{
    char *path = ak_path("%s/%s", o->folder, file);

    ck_assert_int_eq(ak_files_write(path, "", 0), 0);
    free(path);
}

static void other_unset(const other *o, const char *file)
{
    char *path = ak_path("%s/%s", o->folder, file);

    ck_assert_int_eq(unlink(path), 0);
    free(path);
}

static void other_free(other *o)
{
    free(o->agent);
    free(o->listen);
    free(o->uplink);
    folder_remove(o->folder);
}

static int64_t restarts_of(const lab *l, int64_t id)
{
    Akssl__V1__Job *job = show(l, id);
    int64_t restarts;

    ck_assert_msg(job != NULL, "%s", ak_error_text());
    restarts = job->restarts;
    akssl__v1__job__free_unpacked(job, NULL);
    return restarts;
}

static void wait_times(const lab *l, const char *sentence, int times)
{
    int seen = 0;

    for (int i = 0; i < 800 && seen < times; i++) {
        ak_str text = AK_STR_INIT;

        seen = 0;
        fake_sleep(50);
        ck_assert_int_eq(ak_files_read(l->output, 16 << 20, &text), 0);
        for (const char *at = text.text; (at = strstr(at, sentence)); at++)
            seen++;
        ak_str_fini(&text);
    }
    ck_assert_int_eq(seen, times);
}

// While it is asked whether it is there, jobs are taken, but not begun; when it answers, the run
// has crashed.
START_TEST(a_host_in_doubt_refuses_nobody)
{
    other o = other_new();
    int64_t crashed, next;
    lab l;

    other_open(&o, &l, "other:2", "8");
    other_set(&o, "other.slow");
    crashed = submit(&l, "crash_always", 1, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, crashed, "RUNNING", 1), NULL);
    wait_log(&l, "mpirun ended: code 137");
    next = submit(&l, "plain", 0, 2);
    ck_assert_int_eq(restarts_of(&l, crashed), 0); // in doubt: nothing is known yet
    expect(&l, next, "QUEUED", "");
    expect(&l, next, "SUCCEEDED", "");
    expect(&l, crashed, "FAILED", "restarted 1 times without a new commit");
    close_lab(&l);
    other_free(&o);
}
END_TEST

// A run that is lost with its host costs no restart, until its job has lost --orphan-timeout's
// seconds so without a commit: 4 and 4 of 6 here.
START_TEST(a_job_that_kills_its_hosts_fails_in_the_end)
{
    other o = other_new();
    int64_t id;
    lab l;

    other_open(&o, &l, "other:2", "4");
    other_set(&o, "other.dies");
    id = submit(&l, "quit", 0, 1); // with no restart to spend
    for (int i = 1; i <= 2; i++) {
        wait_times(&l, "QUEUED: host 'other' does not answer", i);
        ck_assert_int_eq(restarts_of(&l, id), 0);
        other_unset(&o, "other.dead");
    }
    expect(&l, id, "FAILED", "host 'other' does not answer");
    expect(&l, id, "FAILED", "restarted 0 times without a new commit");
    close_lab(&l);
    other_free(&o);
}
END_TEST

// While a host is in doubt nobody makes way: the job may go on there.  When it is given up, he
// does.
START_TEST(who_waits_for_a_host_in_doubt_is_not_forgotten)
{
    other o = other_new();
    int64_t low, high;
    lab l;

    other_open(&o, &l, "one:2,other:2", "16");
    wait_log(&l, "host 'one' answers: 2 slots");
    low = submit(&l, "slow", 3, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, low, "RUNNING", 1), NULL);
    other_set(&o, "other.dies");
    high = submit_with(&l, "quit", 3, 2, 10);
    wait_log(&l, "host 'other' does not answer: no word");
    wait_log(&l, "job 1 QUEUED: made way for job 2");
    akssl__v1__job__free_unpacked(cancel(&l, high), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, low), NULL);
    close_lab(&l);
    other_free(&o);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = { AK_CASE(silent_hosts_hide_no_other),
                                 AK_CASE(a_host_in_doubt_refuses_nobody),
                                 AK_CASE(a_job_that_kills_its_hosts_fails_in_the_end),
                                 AK_CASE(who_waits_for_a_host_in_doubt_is_not_forgotten),
                                 { NULL, NULL } };

    return lab_main(rows, argc, argv);
}
