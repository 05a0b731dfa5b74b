// tests/unit/daemon/pause.c -- pausing and resuming jobs of the real akssld (lab.h).

#include "tests/unit/daemon/lab.h"

START_TEST(paused_by_request)
{
    lab l;
    int64_t running, waiting;
    Akssl__V1__Job *job;

    open_lab(&l);
    running = submit(&l, "slow", 0, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, running, "RUNNING", 4), NULL);
    waiting = submit(&l, "plain", 0, 2);
    answered(&l, AK_RPC_pause, waiting, "PAUSED", "paused by request");
    answered(&l, AK_RPC_pause, waiting, "PAUSED", "paused by request");
    refused(&l, AK_RPC_resume, running, "is RUNNING: only a PAUSED job is resumed");
    answered(&l, AK_RPC_pause, running, "RUNNING", "is being paused");
    refused(&l, AK_RPC_resume, running, "is being paused: resume it once it is PAUSED");
    expect(&l, running, "PAUSED", "paused by request");
    job = show(&l, running); // it committed where it stopped
    ck_assert(job->committed_step >= 4 && job->committed_step == job->progress->step);
    ck_assert(job->restarts == 0 && job->ended_ms == 0 && !has_file(&l, running, "result.json"));
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert_int_eq(ak_process_signal(l.folder, 0), 1); // the daemon alone
    stop(&l);
    start(&l);
    expect(&l, running, "PAUSED", "paused by request");
    murder(&l);
    start(&l);
    expect(&l, waiting, "PAUSED", "paused by request");
    answered(&l, AK_RPC_resume, running, "QUEUED", "");
    akssl__v1__job__free_unpacked(wait_for(&l, running, "RUNNING", 8), NULL);
    answered(&l, AK_RPC_resume, waiting, "QUEUED", "");
    answered(&l, AK_RPC_pause, waiting, "PAUSED", "paused by request");
    answered(&l, AK_RPC_cancel, waiting, "CANCELLED", "cancelled while it was paused");
    refused(&l, AK_RPC_pause, waiting, "has ended already: it is CANCELLED");
    refused(&l, AK_RPC_resume, waiting, "has ended already: it is CANCELLED");
    refused(&l, AK_RPC_pause, 99, "job 99: there is none");
    akssl__v1__job__free_unpacked(cancel(&l, running), NULL);
    close_lab(&l);
}
END_TEST

START_TEST(without_mpirun_jobs_are_paused)
{
    lab l;
    int64_t one, other;

    setenv("AKSSL_MPIRUN", "no-such-mpirun", 1);
    open_lab(&l);
    unsetenv("AKSSL_MPIRUN");
    one = submit(&l, "plain", 0, 1);
    other = submit(&l, "plain", 0, 1);
    expect(&l, one, "PAUSED", "'no-such-mpirun' cannot be run: install openmpi-bin");
    expect(&l, other, "PAUSED", "then resume it");
    stop(&l);
    start(&l);
    answered(&l, AK_RPC_resume, one, "QUEUED", "");
    expect(&l, one, "SUCCEEDED", "");
    close_lab(&l);
}
END_TEST

START_TEST(a_pause_survives_what_comes_between)
{
    lab l;
    int64_t deaf, crash, early;

    open_lab(&l);
    crash = submit(&l, "deaf", 0, 1); // takes a Stop for what it is, and SIGTERM for nothing
    akssl__v1__job__free_unpacked(wait_for(&l, crash, "RUNNING", 1), NULL);
    answered(&l, AK_RPC_pause, crash, "RUNNING", "is being paused");
    murder(&l);
    start(&l);
    expect(&l, crash, "PAUSED", "paused by request"); // asked for, and not forgotten
    deaf = submit(&l, "deaf", 3, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, deaf, "RUNNING", 2), NULL);
    answered(&l, AK_RPC_pause, deaf, "RUNNING", "is being paused");
    akssl__v1__job__free_unpacked(cancel(&l, deaf), NULL); // a cancel is more
    expect(&l, deaf, "CANCELLED", "cancelled");
    refused(&l, AK_RPC_pause, deaf, "has ended already");
    answered(&l, AK_RPC_cancel, crash, "CANCELLED", "cancelled while it was paused");
    early = submit(&l, "slow", 0, 1); // is being started, most likely
    akssl__v1__job__free_unpacked(ask(&l, AK_RPC_pause, early), NULL);
    expect(&l, early, "PAUSED", "paused by request");
    answered(&l, AK_RPC_resume, early, "QUEUED", "");
    akssl__v1__job__free_unpacked(wait_for(&l, early, "RUNNING", 2), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, early), NULL);
    close_lab(&l);
}
END_TEST

// Between a stream and its Hello nothing may come before Welcome.
START_TEST(paused_while_it_comes_back)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "shy", 0, 1);
    for (int i = 0; i < 600 && !has_file(&l, id, "shy"); i++)
        fake_sleep(50);
    ck_assert(has_file(&l, id, "shy"));
    fake_sleep(500);
    answered(&l, AK_RPC_pause, id, "RUNNING", "is being paused");
    expect(&l, id, "PAUSED", "paused by request");
    job = show(&l, id);
    ck_assert_int_ge(job->committed_step, FAKE_CRASH_AT); // by itself, not by its end
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    close_lab(&l);
}
END_TEST

START_TEST(a_late_stream_does_no_harm)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "stale", 0, 1);
    job = wait_for(&l, id, "SUCCEEDED", FAKE_STEPS);
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert(log_says(&l, "has come back"));
    close_lab(&l);
}
END_TEST

START_TEST(commits_at_once)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "twice", 0, 1);
    job = wait_for(&l, id, "SUCCEEDED", FAKE_STEPS);
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert(log_says(&l, "committed step 9"));
    close_lab(&l);
}
END_TEST

START_TEST(paused_by_itself)
{
    lab l;
    int64_t id, plain;
    Akssl__V1__Job *job;
    ak_str text = AK_STR_INIT;
    char *path, *line;

    open_lab(&l);
    plain = submit(&l, "plain", 0, 1);
    id = submit(&l, "collapse", 0, 1);
    expect(&l, id, "PAUSED", "collapse: std 0.001 is under 0.02");
    job = show(&l, id);
    ck_assert(job->committed_step == FAKE_CRASH_AT && job->restarts == 0);
    ck_assert_uint_eq(job->progress->n_warnings, 1);
    ck_assert_str_eq(job->progress->warnings[0], "collapse: std 0.001 is under 0.02");
    akssl__v1__job__free_unpacked(job, NULL);
    path = job_file(&l, id, "log");
    ck_assert_int_eq(ak_files_read(path, 1 << 20, &text), 0);
    line = strstr(text.text, "warn akssld: collapse: std 0.001 is under 0.02\n");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_null(strstr(line + 1, "warn akssld")); // four reports, one line
    stop(&l);
    start(&l);
    expect(&l, id, "PAUSED", "collapse: std 0.001 is under 0.02");
    answered(&l, AK_RPC_resume, id, "QUEUED", "");
    akssl__v1__job__free_unpacked(wait_for(&l, id, "SUCCEEDED", FAKE_STEPS), NULL);
    akssl__v1__job__free_unpacked(wait_for(&l, plain, "SUCCEEDED", FAKE_STEPS), NULL);
    same_tensors(&l, plain, id, 1);
    ak_str_fini(&text);
    free(path);
    close_lab(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(paused_by_request),
        AK_CASE(without_mpirun_jobs_are_paused),
        AK_CASE(a_pause_survives_what_comes_between),
        AK_CASE(paused_while_it_comes_back),
        AK_CASE(commits_at_once),
        AK_CASE(paused_by_itself),
        AK_CASE(a_late_stream_does_no_harm),
        { NULL, NULL },
    };

    return lab_main(rows, argc, argv);
}
