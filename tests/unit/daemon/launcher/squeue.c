// tests/unit/daemon/launcher/squeue.c -- tests daemon/launcher/squeue.c.

#include <stdio.h>
#include <string.h>

#include "daemon/launcher/squeue.h"
#include "proto/base/error.h"
#include "tests/check.h"

START_TEST(an_answer_is_read)
{
    ak_squeue_job job = { 0 };
    bool found = false;

    ck_assert_int_eq(ak_squeue_parse("17|PENDING|Resources|\n", &job, &found), 0);
    ck_assert(found && job.id == 17);
    ck_assert_str_eq(job.state, "PENDING");
    ck_assert_str_eq(job.reason, "Resources");
    ck_assert_str_eq(job.nodes, "");
    ck_assert_int_eq(ak_squeue_parse("18|RUNNING|None|n[1-2]\n17|FAILED|None|n1\n", &job, &found),
                     0);
    ck_assert(found && job.id == 18);
    ck_assert_str_eq(job.nodes, "n[1-2]");
    ck_assert_int_eq(ak_squeue_parse("19|PENDING|no \033[2J\xffnode|\n", &job, &found), 0);
    ck_assert_str_eq(job.reason, "no ?[2J?node");
    ck_assert_int_eq(ak_squeue_parse("", &job, &found), 0);
    ck_assert(!found);
    ck_assert_int_eq(ak_squeue_parse("\n \n", &job, &found), 0);
    ck_assert(!found && job.id == 19);
}
END_TEST

// Reasons name nodes, and scattered nodes have long names.
START_TEST(long_words_are_cut)
{
    ak_squeue_job job = { 0 };
    char text[1024], long_word[401] = "";
    bool found = false;

    memset(long_word, 'x', sizeof long_word - 1);
    snprintf(text, sizeof text, "17|PENDING|%s|%s\n", long_word, long_word);
    ck_assert_int_eq(ak_squeue_parse(text, &job, &found), 0);
    ck_assert(found && job.id == 17);
    ck_assert_int_eq(strlen(job.reason), AK_SQUEUE_WORDS - 1);
    ck_assert_int_eq(strlen(job.nodes), AK_SQUEUE_WORDS - 1);
}
END_TEST

START_TEST(hostile_answers)
{
    static const char *const bad[] = {
        "17",
        "17|RUNNING",
        "17|RUNNING|None",
        "17|RUNNING|None|n1|more",
        "x|RUNNING|None|n1",
        "-17|RUNNING|None|n1",
        "0|RUNNING|None|n1",
        " 17|RUNNING|None|n1",
        "99999999999999999999|RUNNING|None|n1",
        "17||None|n1",
        "17|running|None|n1",
        "17|RUN NING|None|n1",
        "17|ASTATETHATISMUCHTOOLONGTOBEONE|None|n1",
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
        "<html>",
    };
    ak_squeue_job job = { .id = 5 };
    bool found = true;
    char text[512] = "17|RUNNING|";

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(ak_squeue_parse(bad[i], &job, &found) == AKSSL_ERR_INVALID, "%s", bad[i]);
        ck_assert(!found && job.id == 5);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "squeue printed"));
    }
    memset(text + strlen(text), 'x', 400);
    ck_assert_int_eq(ak_squeue_parse(text, &job, &found), AKSSL_ERR_INVALID);
}
END_TEST

START_TEST(accounting_is_read)
{
    static const char *const bad[] = { "FAILED", "FAILED|3:0|x", "failed|3:0", "|3:0", "3:0" };
    ak_squeue_job job = { .id = 17 };
    bool found = false;

    ck_assert_int_eq(ak_squeue_parse_sacct("CANCELLED by 0|0:15\n", &job, &found), 0);
    ck_assert(found && job.id == 17);
    ck_assert_str_eq(job.state, "CANCELLED");
    ck_assert_str_eq(job.reason, "exit code 0:15");
    ck_assert_int_eq(ak_squeue_parse_sacct("\n", &job, &found), 0);
    ck_assert(!found);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(ak_squeue_parse_sacct(bad[i], &job, &found) < 0 && !found, "%s", bad[i]);
    ck_assert_str_eq(job.state, "CANCELLED");
}
END_TEST

START_TEST(states_mean_something)
{
    ck_assert_int_eq(ak_squeue_phase_of("PENDING"), AK_SQUEUE_WAITS);
    ck_assert_int_eq(ak_squeue_phase_of("CONFIGURING"), AK_SQUEUE_WAITS);
    ck_assert_int_eq(ak_squeue_phase_of("RUNNING"), AK_SQUEUE_RUNS);
    ck_assert_int_eq(ak_squeue_phase_of("SUSPENDED"), AK_SQUEUE_WAITS);
    ck_assert_int_eq(ak_squeue_phase_of("A_NEW_ONE"), AK_SQUEUE_RUNS);
    ck_assert_int_eq(ak_squeue_phase_of("COMPLETING"), AK_SQUEUE_LEAVES);
    ck_assert_int_eq(ak_squeue_phase_of("OUT_OF_MEMORY"), AK_SQUEUE_OVER);
    ck_assert(ak_squeue_took_away("NODE_FAIL") && ak_squeue_took_away("PREEMPTED"));
    ck_assert(!ak_squeue_took_away("FAILED") && !ak_squeue_took_away("TIMEOUT"));
    ck_assert(ak_squeue_is_away("Unable to contact slurm controller (connect failure)"));
    ck_assert(ak_squeue_is_away("sbatch did not end within 30 s"));
    ck_assert(!ak_squeue_is_away("invalid partition specified: x"));
    ck_assert(!ak_squeue_is_full("invalid partition specified: x"));
    ck_assert(!ak_squeue_is_full("Batch job submission failed: Requested node configuration is "
                                 "not available"));
    ck_assert(!ak_squeue_is_full("Batch job submission failed: Job violates accounting/QOS policy "
                                 "(job submit limit, user's size and/or time limits)"));
    ck_assert(ak_squeue_is_full("AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission "
                                "failed: Job violates accounting/QOS policy (job submit limit, "
                                "user's size and/or time limits)"));
    ck_assert(ak_squeue_is_full("sbatch: error: QOSGrpSubmitJobsLimit"));
    ck_assert(ak_squeue_is_full("sbatch: error: Slurm job queue full, sleeping and retrying."));
    ck_assert(ak_squeue_is_full("Batch job submission failed: Required partition not available "
                                "(inactive or drain)"));
    ck_assert(!ak_squeue_is_away(""));
}
END_TEST

AK_TEST_MAIN(AK_CASE(an_answer_is_read), AK_CASE(long_words_are_cut), AK_CASE(hostile_answers),
             AK_CASE(accounting_is_read), AK_CASE(states_mean_something))
