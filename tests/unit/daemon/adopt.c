// tests/unit/daemon/adopt.c -- runs that outlive their akssld, and what the next one makes of them
// (lab.h).

#include "tests/unit/daemon/lab.h"

// run_of gives the id of a job's run by the secret that it leaves in JOB/run; yours to free.
static char *run_of(const lab *l, int64_t id)
{
    char *folder = job_file(l, id, "run"), *name = NULL;
    DIR *at = opendir(folder);

    ck_assert_ptr_nonnull(at);
    for (struct dirent *entry; (entry = readdir(at)) && !name;) {
        size_t length = strlen(entry->d_name);

        if (length == 32 + 7 && strcmp(entry->d_name + 32, ".secret") == 0)
            name = ak_path("%.32s", entry->d_name);
    }
    closedir(at);
    ck_assert_ptr_nonnull(name);
    free(folder);
    return name;
}

static char *run_file(const lab *l, int64_t id, const char *run, const char *kind)
{
    return ak_path("%s/jobs/%" PRId64 "/run/%s.%s", l->folder, id, run, kind);
}

// goes_on expects the same run, further on, with no restart.
static void goes_on(const lab *l, int64_t id, const char *run, int64_t steps)
{
    Akssl__V1__Job *job = wait_for(l, id, "RUNNING", steps);
    char *now = run_of(l, id);

    ck_assert_str_eq(now, run);
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    free(now);
}

static int64_t step_of(const lab *l, int64_t id)
{
    Akssl__V1__Job *job = show(l, id);
    int64_t step = job->progress ? job->progress->step : 0;

    akssl__v1__job__free_unpacked(job, NULL);
    return step;
}

START_TEST(a_run_outlives_its_daemon)
{
    lab l;
    int64_t id, waiting;
    char *run;

    open_lab(&l);
    id = submit(&l, "slow", 0, 2);
    waiting = submit(&l, "plain", 0, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 7), NULL);
    run = run_of(&l, id);
    for (int i = 0; i < 4; i++) { // killed and stopped in turn
        int64_t before = step_of(&l, id);

        if (i % 2)
            leave(&l);
        else
            murder(&l);
        ck_assert_int_ge(ak_process_signal(run, 0), 3); // guard, mpirun, two ranks; no daemon
        start(&l);
        expect(&l, waiting, "QUEUED", ""); // the cores are taken
        goes_on(&l, id, run, before + 4);
    }
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    expect(&l, id, "CANCELLED", "cancelled");
    ck_assert_int_eq(ak_process_signal(run, 0), 0);
    ck_assert(!has_file(&l, id, "run"));
    akssl__v1__job__free_unpacked(wait_for(&l, waiting, "SUCCEEDED", FAKE_STEPS), NULL);
    free(run);
    close_lab(&l);
}
END_TEST

START_TEST(the_state_is_the_workers)
{
    lab l;
    int64_t plain, killed;

    open_lab(&l);
    plain = submit(&l, "whole", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, plain, "SUCCEEDED", 0), NULL);
    for (int i = 0; i < 3; i++) {
        killed = submit(&l, "whole_pause", 0, 1); // a step takes 100 ms
        akssl__v1__job__free_unpacked(wait_for(&l, killed, "RUNNING", 1 + 2 * i), NULL);
        murder(&l);
        start(&l);
        akssl__v1__job__free_unpacked(wait_for(&l, killed, "SUCCEEDED", FAKE_STEPS), NULL);
        same_tensors(&l, plain, killed, 2);
    }
    close_lab(&l);
}
END_TEST

START_TEST(wishes_outlive_the_daemon)
{
    lab l;
    int64_t paused, cancelled;
    Akssl__V1__Job *job;

    open_lab(&l);
    paused = submit(&l, "slow", 0, 1);
    cancelled = submit(&l, "deaf", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, paused, "RUNNING", 4), NULL);
    akssl__v1__job__free_unpacked(wait_for(&l, cancelled, "RUNNING", 2), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, cancelled), NULL); // deaf: it takes seconds
    leave(&l);
    start(&l);
    expect(&l, cancelled, "CANCELLED", "cancelled");
    akssl__v1__job__free_unpacked(ask(&l, AK_RPC_pause, paused), NULL); // adopted, or about to be
    expect(&l, paused, "PAUSED", "paused by request");
    job = show(&l, paused);
    ck_assert(job->restarts == 0 && job->committed_step >= 4);
    akssl__v1__job__free_unpacked(job, NULL);
    akssl__v1__job__free_unpacked(cancel(&l, paused), NULL);
    close_lab(&l);
}
END_TEST

static void wait_ended(const char *run)
{
    for (int i = 0; i < 500 && ak_process_signal(run, 0); i++)
        fake_sleep(20);
    ck_assert_int_eq(ak_process_signal(run, 0), 0);
}

START_TEST(what_ended_meanwhile)
{
    lab l;
    static const char crash[] = "code 1 signal 0\n";
    int64_t done, killed;
    char *run, *path;
    Akssl__V1__Job *job;

    open_lab(&l);
    killed = submit(&l, "slow", 1, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, killed, "RUNNING", 4), NULL);
    run = run_of(&l, killed);
    murder(&l);
    ck_assert_int_ge(ak_process_signal(run, SIGKILL), 1);
    wait_ended(run);
    path = run_file(&l, killed, run, "exit"); // as its guard had written it
    ck_assert_int_eq(ak_files_write(path, crash, sizeof crash - 1), 0);
    start(&l);
    job = wait_for(&l, killed, "RUNNING", 8);
    ck_assert_int_eq(job->restarts, 1);
    akssl__v1__job__free_unpacked(job, NULL);
    free(path);
    free(run);

    for (int i = 0; i < 2; i++) { // a machine that is shut down; one that loses its power: no word
        run = run_of(&l, killed);
        murder(&l);
        ck_assert_int_eq(ak_process_signal_guard(run, i ? SIGKILL : SIGTERM), 1);
        wait_ended(run);
        start(&l);
        job = wait_for(&l, killed, "RUNNING", 12 + 4 * i);
        ck_assert_int_eq(job->restarts, 1);
        akssl__v1__job__free_unpacked(job, NULL);
        free(run);
    }
    akssl__v1__job__free_unpacked(cancel(&l, killed), NULL);
    done = submit(&l, "plain", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, done, "SUCCEEDED", 0), NULL);
    close_lab(&l);
}
END_TEST

START_TEST(nobody_is_adopted_by_his_word)
{
    lab l;
    int64_t id;
    char *run, *path;
    fake f = { .ranks = 1 };
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "slow", 3, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 4), NULL);
    run = run_of(&l, id);
    murder(&l);
    path = run_file(&l, id, run, "secret");
    ck_assert_int_eq(ak_files_write(path, "0123456789abcdef", 16), 0); // no secret of a run
    start(&l);
    f.job = id;
    f.run = run;
    f.channel = l.channel; // without one, as the run's secret is unknown
    ck_assert_int_eq(ak_stream_open(&f.stream, l.channel, AK_RPC_join, NULL, 10000), 0);
    ck_assert_int_eq(ak_stream_receive(f.stream, 5000, &(ProtobufCMessage *){ NULL }),
                     AKSSL_ERR_PERMISSION);
    ak_stream_free(f.stream);
    job = wait_for(&l, id, "RUNNING", 4); // its processes were ended, and another run began
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert_int_eq(ak_process_signal(run, 0), 0);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    free(path);
    free(run);
    close_lab(&l);
}
END_TEST

START_TEST(committed_alone)
{
    lab l;
    int64_t plain, alone, bad;
    Akssl__V1__Job *job;

    open_lab(&l);
    plain = submit(&l, "plain", 0, 1);
    alone = submit(&l, "alone", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, plain, "SUCCEEDED", 0), NULL);
    job = wait_for(&l, alone, "SUCCEEDED", FAKE_STEPS);
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert(log_says(&l, "committed step 8"));
    same_tensors(&l, plain, alone, 1);
    bad = submit(&l, "alone_bad", 1, 1);
    job = wait_for(&l, bad, "SUCCEEDED", FAKE_STEPS);
    ck_assert_int_eq(job->restarts, 1); // from its last real commit
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert(log_says(&l, "the commit that its run made alone does not count"));
    same_tensors(&l, plain, bad, 1);
    close_lab(&l);
}
END_TEST

// A commit that cannot be taken now is taken later, by whichever akssld can.
START_TEST(committed_alone_on_a_bad_day)
{
    static const char kept[] = "its run's own commit is taken once that can be done";
    lab l;
    int64_t plain, late;
    char *obstacle;
    Akssl__V1__Job *job;

    open_lab(&l);
    plain = submit(&l, "plain", 0, 1);
    late = submit(&l, "alone_late", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, plain, "SUCCEEDED", 0), NULL);
    wait_log(&l, kept);
    expect(&l, late, "RUNNING", kept);
    leave(&l);
    start(&l);
    for (int i = 0; i < 100; i++) { // until it has looked, it says nothing new
        job = show(&l, late);
        if (job->reason && strstr(job->reason, kept))
            break;
        akssl__v1__job__free_unpacked(job, NULL);
        fake_sleep(100);
    }
    ck_assert_str_eq(job->state, "RUNNING");
    akssl__v1__job__free_unpacked(job, NULL);
    obstacle = job_file(&l, late, "commits/step-8/state.safetensors");
    ck_assert_int_eq(rmdir(obstacle), 0);
    job = wait_for(&l, late, "SUCCEEDED", FAKE_STEPS);
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert(log_says(&l, "committed step 8"));
    same_tensors(&l, plain, late, 1);
    free(obstacle);
    close_lab(&l);
}
END_TEST

START_TEST(who_does_not_come_back_has_not_crashed)
{
    static const char *const flags[] = { "--adopt-timeout", "1", NULL };
    lab l;
    int64_t id;
    char *run;
    Akssl__V1__Job *job;

    open_lab_with(&l, flags);
    id = submit(&l, "slow", 0, 1); // with no restart to spend
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 4), NULL);
    run = run_of(&l, id);
    murder(&l);
    ck_assert_int_ge(ak_process_signal(run, SIGSTOP), 3);
    start(&l);
    wait_log(&l, "its rank 0 did not join akssld when that was started again");
    job = wait_for(&l, id, "RUNNING", 8); // another run
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert_int_eq(ak_process_signal(run, 0), 0);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    free(run);
    close_lab(&l);
}
END_TEST

START_TEST(nothing_of_the_daemon_is_inherited)
{
    lab l;
    int64_t id;
    pid_t second;

    open_lab(&l);
    id = submit(&l, "slow", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 1), NULL);
    second = spawn(&l); // two daemons on one folder
    ck_assert_int_eq(wait_exit(second, 20), 1);
    ck_assert(log_says(&l, "is held by another akssld"));
    murder(&l);
    start(&l); // the lock went with the daemon, though its run lives
    second = spawn(&l);
    ck_assert_int_eq(wait_exit(second, 20), 1);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 4), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    expect(&l, id, "CANCELLED", "");
    close_lab(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(a_run_outlives_its_daemon),
        AK_CASE(the_state_is_the_workers),
        AK_CASE(wishes_outlive_the_daemon),
        AK_CASE(what_ended_meanwhile),
        AK_CASE(nobody_is_adopted_by_his_word),
        AK_CASE(committed_alone),
        AK_CASE(nothing_of_the_daemon_is_inherited),
        AK_CASE(committed_alone_on_a_bad_day),
        AK_CASE(who_does_not_come_back_has_not_crashed),
        { NULL, NULL },
    };

    return lab_main(rows, argc, argv);
}
