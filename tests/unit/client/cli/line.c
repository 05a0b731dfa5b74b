// tests/unit/client/cli/line.c -- tests client/cli/line.c.

#include "client/cli/line.h"

#include <math.h>
#include <stdlib.h>

#include "client/cli/text.h"
#include "tests/check.h"

static const akssl_progress progress = {
    .step = 84,
    .total_steps = 195,
    .epoch = 2.154,
    .loss = 4.12345,
    .lr = 0.001,
    .images_per_s = 1234.4,
    .eta_s = 80,
};

static const akssl_job running = {
    .id = 7,
    .state = AKSSL_JOB_RUNNING,
    .reason = "",
    .progress = &progress,
    .weights = "",
    .started_ms = -1,
    .ended_ms = -1,
};

START_TEST(adapts_to_the_width)
{
    char text[AK_LINE_MAX];

    for (size_t width = 1; width < 300; width++) {
        const ak_line_look look = { .width = width };

        ak_line_bar(&running, &look, text, sizeof text);
        ck_assert_msg(ak_text_cells(text) < (width > 20 ? width : 21), "%zu: %s", width, text);
        ck_assert(strncmp(text, "job 7 RUNNING", 13) == 0);
        if (width > 40)
            ck_assert_msg(strstr(text, "43%") && strchr(text, '#'), "%zu: %s", width, text);
        if (width > 120)
            ck_assert_msg(strstr(text, "step 84/195  loss 4.123  ETA 1m20s  1234 images/s  "
                                       "epoch 2.15"),
                          "%zu: %s", width, text);
    }
}
END_TEST

START_TEST(colours_add_no_columns)
{
    const ak_line_look plain = { .width = 100 };
    const ak_line_look rich = { .width = 100, .colour = true, .blocks = true };
    char a[AK_LINE_MAX], b[AK_LINE_MAX], bare[AK_LINE_MAX];
    size_t used = 0;

    ak_line_bar(&running, &plain, a, sizeof a);
    ak_line_bar(&running, &rich, b, sizeof b);
    ck_assert_ptr_null(strchr(a, '\033'));
    for (const char *at = b; *at; at++) {
        if (*at == '\033')
            at = strchr(at, 'm');
        else
            bare[used++] = *at;
    }
    bare[used] = '\0';
    ck_assert_uint_eq(ak_text_cells(bare), ak_text_cells(a));
    ck_assert_ptr_nonnull(strstr(b, "\033[0m"));
}
END_TEST

START_TEST(says_why_a_job_waits)
{
    const ak_line_look look = { .width = 50 };
    akssl_job job = { .id = 3, .state = AKSSL_JOB_QUEUED, .reason = "no slot\033[2J is free" };
    char text[AK_LINE_MAX];

    ak_line_bar(&job, &look, text, sizeof text);
    ck_assert_str_eq(text, "job 3 QUEUED: no slot?[2J is free");
    ak_line_plain(&job, text, sizeof text);
    ck_assert_str_eq(text, "job 3 QUEUED: no slot?[2J is free");
}
END_TEST

START_TEST(writes_plain_lines)
{
    akssl_progress unknown = progress;
    akssl_job job = running;
    char text[AK_LINE_MAX], *reason;

    ak_line_plain(&running, text, sizeof text);
    ck_assert_str_eq(text, "job 7 RUNNING  43%  step 84/195  loss 4.123  ETA 1m20s  "
                           "1234 images/s  epoch 2.15");
    unknown.loss = unknown.eta_s = unknown.images_per_s = unknown.epoch = NAN;
    unknown.total_steps = -1;
    job.progress = &unknown;
    ak_line_plain(&job, text, sizeof text);
    ck_assert_str_eq(text, "job 7 RUNNING  step 84");
    unknown = progress;
    unknown.step = 0;
    ak_line_plain(&job, text, sizeof text);
    ck_assert_str_eq(text, "job 7 RUNNING  0%  step 0/195");
    reason = calloc(1, 100001);
    memset(reason, 'x', 100000);
    job.reason = reason;
    ak_line_plain(&job, text, sizeof text);
    ck_assert_uint_lt(strlen(text), sizeof text);
    free(reason);
}
END_TEST

START_TEST(writes_the_end)
{
    const akssl_value results[] = { { "before.knn.top1", 70.5 }, { "after.knn.top1", 76.25 } };
    akssl_job job = running;
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    job.state = AKSSL_JOB_SUCCEEDED;
    job.started_ms = 1000;
    job.ended_ms = 201000;
    job.results = results;
    job.result_count = 2;
    job.weights = "/a/backbone.safetensors";
    ak_line_final(&job, out);
    job = (akssl_job){ .id = 8,
                       .state = AKSSL_JOB_FAILED,
                       .reason = "rank 1 died",
                       .weights = "",
                       .started_ms = -1,
                       .ended_ms = -1 };
    ak_line_final(&job, out);
    fclose(out);
    ck_assert_str_eq(text, "job 7 SUCCEEDED after 3m20s: step 84/195, loss 4.123, "
                           "before.knn.top1 70.5, after.knn.top1 76.25, "
                           "weights /a/backbone.safetensors\n"
                           "job 8 FAILED: rank 1 died\n");
    free(text);
}
END_TEST

START_TEST(heeds_the_environment)
{
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("NO_COLOR");
    ck_assert(ak_line_look_of(stdout).colour && ak_line_look_of(stdout).blocks);
    setenv("NO_COLOR", "1", 1);
    ck_assert(!ak_line_look_of(stdout).colour && ak_line_look_of(stdout).blocks);
    unsetenv("NO_COLOR");
    setenv("LC_ALL", "C", 1);
    ck_assert(ak_line_look_of(stdout).colour && !ak_line_look_of(stdout).blocks);
    setenv("TERM", "dumb", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    ck_assert(!ak_line_look_of(stdout).colour && !ak_line_look_of(stdout).blocks);
}
END_TEST

AK_TEST_MAIN(AK_CASE(adapts_to_the_width), AK_CASE(colours_add_no_columns),
             AK_CASE(says_why_a_job_waits), AK_CASE(writes_plain_lines), AK_CASE(writes_the_end),
             AK_CASE(heeds_the_environment))
