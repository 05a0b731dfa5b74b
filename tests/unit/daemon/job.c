// tests/unit/daemon/job.c -- tests daemon/job.c.

#include "daemon/job.h"
#include "proto/base/error.h"
#include "tests/check.h"

// Every pair, written down again by hand: row state, column event, target.
START_TEST(every_pair)
{
    static const char expected[AK_JOB_STATE_END][AK_JOB_EVENT_END + 1] = {
        // launch join requeue pause resume succeed fail cancel time_out
        [AK_JOB_QUEUED] = " S--P--FCT",    [AK_JOB_STARTING] = " -RQP--FCT",
        [AK_JOB_RUNNING] = " --QP-DFCT",   [AK_JOB_PAUSED] = " ----Q-FC-",
        [AK_JOB_SUCCEEDED] = " ---------", [AK_JOB_FAILED] = " ---------",
        [AK_JOB_CANCELLED] = " ---------", [AK_JOB_TIMEOUT] = " ----Q----",
    };
    static const char letters[] = "-QSRPDFCT"; // by ak_job_state

    for (int state = 1; state < AK_JOB_STATE_END; state++)
        for (int event = 1; event < AK_JOB_EVENT_END; event++)
            ck_assert_msg(letters[ak_job_next((ak_job_state)state, (ak_job_event)event)] ==
                              expected[state][event],
                          "state %s event %d", ak_job_state_text((ak_job_state)state), event);
    ck_assert_int_eq(ak_job_next(0, AK_JOB_LAUNCH), 0);
    ck_assert_int_eq(ak_job_next(AK_JOB_STATE_END, AK_JOB_LAUNCH), 0);
    ck_assert_int_eq(ak_job_next(AK_JOB_QUEUED, AK_JOB_EVENT_END), 0);
}
END_TEST

START_TEST(states_have_names)
{
    for (int state = 1; state < AK_JOB_STATE_END; state++)
        ck_assert_int_eq(ak_job_state_parse(ak_job_state_text((ak_job_state)state)), state);
    ck_assert_int_eq(ak_job_state_parse("queued"), 0);
    ck_assert_int_eq(ak_job_state_parse(""), 0);
    ck_assert_int_eq(ak_job_state_parse(NULL), 0);
    ck_assert_str_eq(ak_job_state_text(AK_JOB_STATE_END), "");
}
END_TEST

START_TEST(moves_keep_the_books)
{
    ak_spec spec;
    ak_job *job;

    ak_spec_init(&spec);
    job = ak_job_new(&spec, "kind: pretrain\n");
    job->id = 7;
    ak_text_set(&job->run_id, "run");
    ck_assert_int_eq(ak_job_move(job, AK_JOB_JOIN, NULL), AKSSL_ERR_STATE);
    ck_assert_str_eq(ak_error_text(), "job 7 is QUEUED and cannot join");
    ck_assert_int_eq(ak_job_move(job, AK_JOB_LAUNCH, NULL), 0);
    ck_assert(job->started_ms == 0 && job->run_id[0]);
    ck_assert_int_eq(ak_job_move(job, AK_JOB_JOIN, NULL), 0);
    ck_assert(job->started_ms > 0 && job->ended_ms == 0);
    job->outcome = AK_JOB_PAUSED;
    job->pause = true;
    ck_assert_int_eq(ak_job_move(job, AK_JOB_PAUSE, "collapse"), 0);
    ck_assert(!job->outcome && !job->pause && job->ended_ms == 0 && !job->run_id[0]);
    ck_assert_str_eq(job->reason, "collapse");
    ck_assert_int_eq(ak_job_move(job, AK_JOB_PAUSE, NULL), AKSSL_ERR_STATE);
    job->restarts = job->restarts_since_commit = 3;
    ck_assert_int_eq(ak_job_move(job, AK_JOB_RESUME, NULL), 0);
    ck_assert(job->restarts == 3 && job->restarts_since_commit == 0); // somebody has looked
    ck_assert_int_eq(ak_job_move(job, AK_JOB_LAUNCH, NULL), 0);
    ck_assert_int_eq(ak_job_move(job, AK_JOB_JOIN, NULL), 0);
    ck_assert_int_eq(ak_job_move(job, AK_JOB_FAIL, "why"), 0);
    ck_assert(job->ended_ms >= job->started_ms);
    ck_assert_str_eq(job->reason, "why");
    ck_assert_str_eq(job->run_id, "");
    ck_assert_int_eq(ak_job_move(job, AK_JOB_CANCEL, NULL), AKSSL_ERR_STATE);
    ak_job_free(job);
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(ranks_fit_the_cores)
{
    // ranks, shards, threads, slots -> ranks, cores
    static const int64_t rows[][6] = {
        { 0, 8, 1, 2, 2, 2 },  { 0, 8, 1, 3, 2, 2 },     { 0, 8, 1, 1, 1, 1 },
        { 0, 8, 4, 2, 1, 2 },  { 0, 4, 1, 64, 4, 4 },    { 0, 1, 1, 64, 1, 1 },
        { 0, 8, 2, 9, 4, 8 },  { 4, 8, 1, 2, 2, 2 },     { 2, 8, 1, 16, 2, 2 },
        { 2, 8, 3, 16, 2, 6 }, { 0, 64, 1, 63, 32, 32 }, { 8, 8, 1, 7, 4, 4 },
        { 8, 8, 4, 2, 1, 2 },  { 1, 8, 1, 16, 1, 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_spec spec = { .ranks = rows[i][0],
                         .shards = rows[i][1],
                         .threads_per_shard = rows[i][2] };

        ak_job job = { .spec = spec, .asked_ranks = -1 };
        char *said;

        ck_assert_int_eq(ak_job_ranks(&job, rows[i][3]), rows[i][4]);
        ck_assert_int_eq(ak_job_cores(&job, rows[i][3]), rows[i][5]);
        job.asked_ranks = rows[i][0]; // by a resize: the spec's no longer counts
        job.spec.ranks = 64;
        ck_assert_int_eq(ak_job_ranks(&job, rows[i][3]), rows[i][4]);
        job.ranks = rows[i][4];
        said = ak_job_short(&job, rows[i][3]);
        ck_assert_int_eq(said[0] != '\0', rows[i][4] < rows[i][0]);
        free(said);
    }
}
END_TEST

// A daemon that dies before the store has a job's end takes the job up again: nobody is told
// before.
START_TEST(an_end_is_shown_when_it_is_stored)
{
    ak_job job = { .state = AK_JOB_SUCCEEDED, .stored = AK_JOB_RUNNING };

    ck_assert_int_eq(ak_job_shown(&job), AK_JOB_RUNNING);
    job.stored = AK_JOB_SUCCEEDED;
    ck_assert_int_eq(ak_job_shown(&job), AK_JOB_SUCCEEDED);
    job.state = AK_JOB_RUNNING;
    job.stored = AK_JOB_STARTING; // what is no end may be told at once
    ck_assert_int_eq(ak_job_shown(&job), AK_JOB_RUNNING);
}
END_TEST

AK_TEST_MAIN(AK_CASE(every_pair), AK_CASE(an_end_is_shown_when_it_is_stored),
             AK_CASE(states_have_names), AK_CASE(moves_keep_the_books),
             AK_CASE(ranks_fit_the_cores))
