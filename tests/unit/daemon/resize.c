// tests/unit/daemon/resize.c -- jobs of the real akssld that get other numbers of ranks (lab.h).

#include "tests/unit/daemon/lab.h"

static Akssl__V1__Job *resize(const lab *l, int64_t id, int64_t ranks)
{
    Akssl__V1__ResizeRequest request = AKSSL__V1__RESIZE_REQUEST__INIT;

    request.has_id = request.has_ranks = 1;
    request.id = id;
    request.ranks = ranks;
    return (Akssl__V1__Job *)call(l, AK_RPC_resize, &request.base);
}

static void resized(const lab *l, int64_t id, int64_t ranks, const char *state, const char *reason)
{
    Akssl__V1__Job *job = resize(l, id, ranks);

    ck_assert_msg(job != NULL, "%s", ak_error_text());
    ck_assert_str_eq(job->state, state);
    ck_assert_str_eq(job->reason, reason);
    ck_assert_int_eq(job->asked_ranks, ranks);
    akssl__v1__job__free_unpacked(job, NULL);
}

static void edited(const lab *l, int64_t id, int64_t ranks)
{
    Akssl__V1__EditRequest request = AKSSL__V1__EDIT_REQUEST__INIT;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;
    Akssl__V1__Job *job;

    request.has_id = spec.has_ranks = 1;
    request.id = id;
    request.spec = &spec;
    spec.ranks = ranks;
    job = (Akssl__V1__Job *)call(l, AK_RPC_edit, &request.base);
    ck_assert_msg(job != NULL, "%s", ak_error_text());
    akssl__v1__job__free_unpacked(job, NULL);
}

static void not_resized(const lab *l, int64_t id, int64_t ranks, const char *sentence)
{
    ck_assert_ptr_null(resize(l, id, ranks));
    ck_assert_msg(strstr(ak_error_text(), sentence) != NULL, "%s", ak_error_text());
}

// wait_ranks waits until the job runs on that many ranks, and has done `steps` steps.
static Akssl__V1__Job *wait_ranks(const lab *l, int64_t id, int64_t ranks, int64_t steps)
{
    double start = ak_clock_seconds();

    for (;;) {
        Akssl__V1__Job *job = wait_for(l, id, "RUNNING", steps);

        if (job->ranks == ranks && !job->resizing)
            return job;
        ck_assert_msg(ak_clock_seconds() - start < 90, "job %" PRId64 " stays on %" PRId64 ": %s",
                      id, job->ranks, job->reason);
        akssl__v1__job__free_unpacked(job, NULL);
        fake_sleep(50);
    }
}

// steps_on waits until the job has made another step: its run has got all of its state by then.
static void steps_on(const lab *l, int64_t id)
{
    Akssl__V1__Job *job = show(l, id);
    int64_t step = job->progress->step;

    akssl__v1__job__free_unpacked(job, NULL);
    akssl__v1__job__free_unpacked(wait_for(l, id, "RUNNING", step + 1), NULL);
}

START_TEST(a_running_job_is_resized)
{
    lab l;
    int64_t id, waiting;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "slow", 0, 1);
    akssl__v1__job__free_unpacked(wait_ranks(&l, id, 1, 3), NULL);
    not_resized(&l, id, 3, "ranks 3 do not divide shards 8: give 1, 2, 4, ...");
    not_resized(&l, id, 4, "ranks 4 take 4 cores, and akssld has 2: give fewer");
    not_resized(&l, id, -1, "ranks -1: give 0 to 4096");
    not_resized(&l, 99, 1, "job 99: there is none");
    resized(&l, id, 1, "RUNNING", ""); // it has that number
    resized(&l, id, 2, "RUNNING", "resizing to 2 ranks");
    job = wait_ranks(&l, id, 2, 4); // fake_welcome has judged the state
    ck_assert(job->restarts == 0 && job->committed_step >= 3);
    ck_assert_str_eq(job->reason, "");
    akssl__v1__job__free_unpacked(job, NULL);
    waiting = submit(&l, "plain", 0, 2);
    resized(&l, waiting, 1, "QUEUED",
            "Resources: it is next, and takes 2 cores, of which 0 are free");
    resized(&l, id, 1, "RUNNING", "resizing to 1 ranks"); // now both have room
    akssl__v1__job__free_unpacked(wait_for(&l, waiting, "SUCCEEDED", FAKE_STEPS), NULL);
    job = wait_ranks(&l, id, 1, 4);
    ck_assert(job->restarts == 0);
    akssl__v1__job__free_unpacked(job, NULL);
    not_resized(&l, waiting, 1, "has ended already: it is SUCCEEDED");
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    expect(&l, id, "CANCELLED", "cancelled");
    close_lab(&l);
}
END_TEST

START_TEST(a_resize_survives_what_comes_between)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "deaf", 0, 1);
    akssl__v1__job__free_unpacked(wait_ranks(&l, id, 1, 3), NULL);
    resized(&l, id, 2, "RUNNING", "resizing to 2 ranks");
    murder(&l);
    start(&l);
    job = wait_ranks(&l, id, 2, 1); // asked for, and not forgotten
    ck_assert(job->restarts == 0);
    akssl__v1__job__free_unpacked(job, NULL);
    resized(&l, id, 1, "RUNNING", "resizing to 1 ranks");
    answered(&l, AK_RPC_pause, id, "RUNNING", "is being paused"); // a pause is more
    expect(&l, id, "PAUSED", "paused by request");
    resized(&l, id, 2, "PAUSED", "paused by request");
    stop(&l);
    start(&l);
    answered(&l, AK_RPC_resume, id, "QUEUED", "");
    job = wait_ranks(&l, id, 2, 1);
    ck_assert(job->restarts == 0);
    akssl__v1__job__free_unpacked(job, NULL);
    answered(&l, AK_RPC_pause, id, "RUNNING", "is being paused");
    expect(&l, id, "PAUSED", "paused by request");
    edited(&l, id, 1); // what was said last counts
    answered(&l, AK_RPC_resume, id, "QUEUED", "");
    akssl__v1__job__free_unpacked(wait_ranks(&l, id, 1, 1), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    not_resized(&l, id, 1, "is being cancelled");
    expect(&l, id, "CANCELLED", "cancelled");
    close_lab(&l);
}
END_TEST

START_TEST(cores_go_and_come_back)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "slow", 0, 2);
    akssl__v1__job__free_unpacked(wait_ranks(&l, id, 2, 3), NULL);
    murder(&l);
    l.slots = "1";
    start(&l);
    job = wait_ranks(&l, id, 1, 3);
    ck_assert(job->restarts == 0 && job->asked_ranks == 2);
    ck_assert_str_eq(job->reason, "2 ranks were asked for: akssld has 1 cores");
    akssl__v1__job__free_unpacked(job, NULL);
    steps_on(&l, id);
    murder(&l);
    l.slots = "2";
    start(&l);
    job = wait_ranks(&l, id, 2, 3);
    ck_assert(job->restarts == 0);
    ck_assert_str_eq(job->reason, "");
    akssl__v1__job__free_unpacked(job, NULL);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    expect(&l, id, "CANCELLED", "cancelled");
    close_lab(&l);
}
END_TEST

// One core is free, and both would take it: one gets it, and the other goes on.
START_TEST(one_grows_at_a_time)
{
    lab l;
    int64_t ids[2], seen = 0, grown = 0;

    open_lab(&l);
    for (int i = 0; i < 2; i++)
        ids[i] = submit(&l, "slow", 0, 1);
    for (int i = 0; i < 2; i++)
        akssl__v1__job__free_unpacked(wait_ranks(&l, ids[i], 1, 3), NULL);
    leave(&l);
    l.slots = "1"; // of which one rank each is what fits
    start(&l);
    for (int i = 0; i < 2; i++) {
        akssl__v1__job__free_unpacked(wait_ranks(&l, ids[i], 1, 6), NULL);
        resized(&l, ids[i], 0, "RUNNING", "");
    }
    leave(&l);
    l.slots = "3";
    start(&l);
    for (int i = 0; i < 300 && seen < 50; i++) { // until 5 s after one has grown
        grown = 0;
        for (int k = 0; k < 2; k++) {
            Akssl__V1__Job *job = show(&l, ids[k]);

            ck_assert_msg(strstr(job->reason ? job->reason : "", "Resources") == NULL,
                          "job %" PRId64 " waits: %s", ids[k], job->reason);
            grown += job->ranks == 2 && strcmp(job->state, "RUNNING") == 0;
            akssl__v1__job__free_unpacked(job, NULL);
        }
        seen += grown > 0;
        fake_sleep(100);
    }
    ck_assert_int_eq(seen, 50);
    ck_assert_int_eq(grown, 1);
    for (int i = 0; i < 2; i++) {
        akssl__v1__job__free_unpacked(cancel(&l, ids[i]), NULL);
        expect(&l, ids[i], "CANCELLED", "cancelled");
    }
    close_lab(&l);
}
END_TEST

// While it stops to get a second core, another job takes that: it goes on with what it had.
START_TEST(who_stops_to_grow_loses_nothing)
{
    lab l;
    int64_t id, other;

    open_lab(&l);
    id = submit(&l, "slow", 0, 2);
    akssl__v1__job__free_unpacked(wait_ranks(&l, id, 2, 3), NULL);
    murder(&l);
    l.slots = "1";
    start(&l);
    akssl__v1__job__free_unpacked(wait_ranks(&l, id, 1, 6), NULL);
    steps_on(&l, id);
    leave(&l);
    l.slots = "2";
    start(&l);
    for (int i = 0;; i++) {
        Akssl__V1__Job *job = show(&l, id);
        bool resizing = job->resizing;

        akssl__v1__job__free_unpacked(job, NULL);
        if (resizing)
            break;
        ck_assert_int_lt(i, 3000);
        fake_sleep(20);
    }
    other = submit(&l, "slow", 0, 1);
    akssl__v1__job__free_unpacked(wait_ranks(&l, other, 1, 1), NULL);
    akssl__v1__job__free_unpacked(wait_ranks(&l, id, 1, 7), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, other), NULL);
    expect(&l, other, "CANCELLED", "cancelled");
    akssl__v1__job__free_unpacked(wait_ranks(&l, id, 2, 8), NULL); // later it gets them
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    expect(&l, id, "CANCELLED", "cancelled");
    close_lab(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(a_running_job_is_resized),        AK_CASE(a_resize_survives_what_comes_between),
        AK_CASE(cores_go_and_come_back),          AK_CASE(one_grows_at_a_time),
        AK_CASE(who_stops_to_grow_loses_nothing), { NULL, NULL },
    };

    return lab_main(rows, argc, argv);
}
