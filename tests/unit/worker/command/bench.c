// tests/unit/worker/command/bench.c -- runs `akssl-worker bench --profile` and reads the trace.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"

static char folder[256], trace[300];

static void setup(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.200s/akssl-bench-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(trace, sizeof trace, "%s/trace.json", folder);
}

static void teardown(void)
{
    (void)unlink(trace);
    ck_assert_int_eq(rmdir(folder), 0);
}

static int bench(const char *path)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        execl(TEST_BIN_DIR "/akssl-worker", "akssl-worker", "bench", "--ready-views", "--backbone",
              "vit_tiny:patch_size=8,depth=1", "--image-size", "16", "--batch", "4",
              "--threads-per-shard", "1", "--seconds", "0.1", "--profile", path, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int count(const json_t *events, const char *name, const char *category)
{
    const json_t *event;
    size_t i;
    int n = 0;

    json_array_foreach(events, i, event) n +=
        strcmp(json_string_value(json_object_get(event, "name")), name) == 0 &&
        strcmp(json_string_value(json_object_get(event, "cat")), category) == 0;
    return n;
}

START_TEST(a_profile_has_each_operation_of_three_steps)
{
    const json_t *event;
    json_error_t error;
    json_t *events;
    size_t i;

    setup();
    ck_assert_int_eq(bench(trace), 0);
    events = json_load_file(trace, 0, &error);
    ck_assert_msg(events != NULL, "%s", error.text);
    ck_assert_int_eq(count(events, "step", "step"), 3);
    ck_assert_int_eq(count(events, "attention", "forward"), 3);
    ck_assert_int_eq(count(events, "attention", "backward"), 3);
    ck_assert_int_eq(count(events, "linear", "forward"), count(events, "linear", "backward"));
    json_array_foreach(events, i, event)
    {
        ck_assert_str_eq(json_string_value(json_object_get(event, "ph")), "X");
        ck_assert(json_real_value(json_object_get(event, "ts")) >= 0);
        ck_assert(json_real_value(json_object_get(event, "dur")) >= 0);
    }
    json_decref(events);
    teardown();
}
END_TEST

START_TEST(a_profile_that_cannot_be_written_is_an_error)
{
    char path[400];

    setup();
    snprintf(path, sizeof path, "%s/none/trace.json", folder);
    ck_assert_int_eq(bench(path), 1);
    teardown();
}
END_TEST

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    ck_assert_msg(json_is_number(value), "no %s", name);
    ck_assert_msg(json_number_value(value) >= 0, "%s is negative", name);
    return json_number_value(value);
}

// Of two ranks, rank 0's last line.
static json_t *bench_of_two(void)
{
    FILE *out =
        popen("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_ALLOW_RUN_AS_ROOT=1 "
              "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 100 mpirun -np 2 --oversubscribe "
              "--bind-to none " TEST_BIN_DIR "/akssl-worker bench --ready-views --backbone "
              "vit_tiny:patch_size=8,depth=2 --image-size 16 --batch 4 --seconds 0.1",
              "r");
    json_t *last = NULL;
    char line[8192];

    ck_assert_ptr_nonnull(out);
    while (fgets(line, sizeof line, out)) {
        json_decref(last);
        last = json_loads(line, 0, NULL);
    }
    ck_assert_int_eq(pclose(out), 0);
    ck_assert_msg(last != NULL, "the last line is no JSON: %s", line);
    return last;
}

START_TEST(ranks_tell_what_they_exchange)
{
    json_t *line = bench_of_two();
    const json_t *e = json_object_get(line, "exchange");
    double steps = number(line, "steps") + 2, exposed = number(e, "exposed"),
           mib = number(e, "mib");

    ck_assert(number(e, "buckets") > 1);
    ck_assert(mib / steps > 2 && mib / steps < 20); // a transformer of two layers
    ck_assert(number(e, "mib_within_backward") <= mib);
    ck_assert(number(e, "gathers") >= steps && number(e, "gathers_mib") > 0);
    ck_assert(exposed > 0 && number(e, "hidden") + number(e, "gathers_seconds") > 0);
    ck_assert_double_eq_tol(exposed,
                            number(e, "exposed_within_backward") +
                                number(e, "exposed_behind_backward") +
                                number(e, "exposed_parameters"),
                            1e-3 * exposed + 1e-6);
    ck_assert_double_eq_tol(exposed, number(json_object_get(line, "seconds_by_kind"), "exchange"),
                            1e-3 * exposed + 1e-6);
    json_decref(line);
}
END_TEST

// Multiply-adds of bench_of_two's step: 8 views, each of 4 patches of 192 numbers and the class
// token; 2 blocks 192 wide, of whose last only that token goes on behind attention; the head.  Each
// product is made three times, forward and for two gradients; the patches' has one gradient.
START_TEST(operations_are_counted_and_set_beside_the_peak)
{
    json_t *line = bench_of_two();
    double views = 8, tokens = 5, d = 192, qkv = 3 * d * d, behind = d * d + 2 * 4 * d * d,
           linear = tokens * (qkv + behind) + tokens * qkv + behind + d * d + d * 128,
           attention = 2 * 2 * tokens * tokens * d, patches = 4 * d * d,
           step = number(line, "gflop_per_step"), rate = number(line, "gflop_per_s"),
           peak = number(line, "peak_gflop_per_s");
    const json_t *kinds = json_object_get(line, "gflop_per_s_by_kind");

    ck_assert_double_eq_tol(step, 2e-9 * views * (3 * (linear + attention) + 2 * patches),
                            1e-5 * step);
    ck_assert_double_eq_tol(rate, step * number(line, "steps") / number(line, "seconds"),
                            1e-3 * rate);
    ck_assert_double_eq_tol(number(line, "share_of_peak"), rate / peak, 1e-4);
    ck_assert(peak > 0.5 && number(line, "share_of_peak") < 1);
    ck_assert(number(kinds, "linear") > 0 && number(kinds, "attention") > 0 &&
              number(kinds, "patch_embed") > 0);
    ck_assert_int_eq(json_object_size(kinds), 3);
    json_decref(line);
}
END_TEST

AK_TEST_MAIN(AK_CASE(operations_are_counted_and_set_beside_the_peak),
             AK_CASE(ranks_tell_what_they_exchange),
             AK_CASE(a_profile_has_each_operation_of_three_steps),
             AK_CASE(a_profile_that_cannot_be_written_is_an_error))
