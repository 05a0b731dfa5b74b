// tests/unit/client/cli/main.c -- tests the program akssl-client itself: what it prints, where, and
// what it ends with.

#include <akssl/akssl.h>
#include <jansson.h>

#include "proto/base/clock.h"
#include "tests/unit/client/ran.h"

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    ck_assert_msg(value != NULL, "%s: %s", error.text, text);
    return value;
}

// ---- without a daemon

START_TEST(usage_is_2)
{
    static const char *const bad[][6] = {
        { NULL },
        { "sumbit" },
        { "--sever", "x" },
        { "submit", "--lrr", "3" },
        { "submit", "--lr", "fast" },
        { "submit", "--epochs" },
        { "submit", "--option", "K" },
        { "submit", "--batch-norm=none" },
        { "submit", "/nonexistent.yaml" },
        { "submit", "a.yaml", "b.yaml" },
        { "submit", "--dry-run", "--wait" },
        { "submit", "--json", "--parsable" },
        { "list", "--state", "jogging" },
        { "list", "--limit", "0" },
        { "list", "word" },
        { "show" },
        { "show", "first" },
        { "show", "0" },
        { "show", "1", "2" },
        { "watch", "99999999999999999999" },
        { "logs", "-x", "1" },
        { "wait" },
        { "cancel" },
        { "pause" },
        { "resume", "x" },
        { "resize", "1" },
        { "resize", "1", "--ranks", "-1" },
        { "resize", "1", "--ranks", "two" },
        { "help", "nothing" },
    };
    ran r;
    lab l;

    lab_init(&l);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *args[8] = { "akssl-client" };

        for (int a = 0; bad[i][a]; a++)
            args[a + 1] = bad[i][a];
        run(&l, &r, args);
        ck_assert_msg(r.code == 2, "case %zu ended with %d: %s", i, r.code, r.err);
        ck_assert_msg(!r.out[0] && r.err[0], "case %zu: %s", i, r.out);
        if (i > 0) {
            ck_assert_msg(strncmp(r.err, "akssl-client: ", 14) == 0, "case %zu: %s", i, r.err);
            ck_assert_msg(strchr(r.err, '\n')[1] == '\0', "case %zu: %s", i, r.err);
        }
    }
    run(&l, &r, ARGS("submit", "--lrr", "3"));
    expect(&r, 2, "", "did you mean --lr?");
    run(&l, &r, ARGS("watch", "99999999999999999999"));
    expect(&r, 2, "", "99999999999999999999");
    lab_fini(&l);
}
END_TEST

START_TEST(no_daemon_is_3)
{
    static const char *const args[][3] = {
        { "submit" },          { "submit", "--dry-run" }, { "list" },
        { "show", "1" },       { "watch", "1" },          { "logs", "1" },
        { "logs", "-f", "1" }, { "wait", "1" },           { "cancel", "1" },
        { "state", "1" },      { "catalogue" },
    };
    ran r;
    lab l;

    lab_init(&l);
    for (size_t i = 0; i < sizeof args / sizeof *args; i++) {
        run(&l, &r,
            (const char *const[]){ "akssl-client", args[i][0], args[i][1], args[i][2], NULL });
        ck_assert_msg(r.code == 3, "%s ended with %d: %s", args[i][0], r.code, r.err);
        ck_assert_msg(strstr(r.err, l.path) && strstr(r.err, "akssld --state-dir"), "%s", r.err);
    }
    run(&l, &r, ARGS("--server", "/nonexistent/other", "list"));
    expect(&r, 3, "", "/nonexistent/other");
    lab_fini(&l);
}
END_TEST

START_TEST(a_refusal_is_1)
{
    static const char *const args[][3] = {
        { "submit" },      { "list" },      { "top" },         { "show", "1" },
        { "watch", "1" },  { "wait", "1" }, { "logs", "1" },   { "logs", "-f", "1" },
        { "cancel", "1" }, { "catalogue" }, { "verify", "1" }, { "state", "1" },
    };
    static const akssl_status refusals[] = { AKSSL_ERR_UNAVAILABLE, AKSSL_ERR_DEADLINE };
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    for (size_t i = 0; i < 2 * sizeof args / sizeof *args; i++) {
        const char *const *words = args[i / 2];

        lab_refuse(&l, refusals[i % 2], "akssld says why");
        run(&l, &r, (const char *const[]){ "akssl-client", words[0], words[1], words[2], NULL });
        ck_assert_msg(r.code == 1, "%s ended with %d: %s", words[0], r.code, r.err);
        ck_assert_str_eq(r.err, "akssl-client: akssld says why\n");
    }
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(helps)
{
    ran r;
    lab l;

    lab_init(&l);
    run(&l, &r, ARGS("--help"));
    expect(&r, 0, "catalogue", "");
    run(&l, &r, ARGS("help"));
    expect(&r, 0, "exit codes", "");
    run(&l, &r, ARGS("help", "submit"));
    expect(&r, 0, "--batch-norm sync|shard", "");
    run(&l, &r, ARGS("show", "--help"));
    expect(&r, 0, "usage: akssl-client show", "");
    run(&l, &r, ARGS("--version"));
    expect(&r, 0, akssl_version(), "");
    lab_fini(&l);
}
END_TEST

// ---- requests

static void write_yaml(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(submits)
{
    char yaml[128];
    json_t *object;
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    snprintf(yaml, sizeof yaml, "%s/a.yaml", l.folder);
    write_yaml(yaml, "epochs: 7\nlr: 0.5\naugment: {min_scale: 0.2}\n");
    run(&l, &r,
        ARGS("submit", "--lr=0.25", yaml, "--option", "K=4096", "--option=m=0.9", "--augment",
             "blur=0", "--parsable"));
    expect(&r, 0, "1\n", "");
    ck_assert_str_eq(r.out, "1\n");
    ck_assert_int_eq(l.jobs[0].spec->epochs, 7);
    ck_assert(!l.jobs[0].spec->method && !l.jobs[0].spec->has_batch); // the daemon's to settle
    ck_assert_double_eq(l.jobs[0].spec->lr, 0.25);
    ck_assert_uint_eq(l.jobs[0].spec->n_option, 2);
    ck_assert_uint_eq(l.jobs[0].spec->n_augment, 2);
    run(&l, &r, ARGS("--json", "submit", "--name", "n"));
    object = parse(r.out);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "id")), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(object, "spec"), "name")),
                     "n");
    json_decref(object);
    run(&l, &r, ARGS("submit", "--method", "nosuch"));
    expect(&r, 2, "", "akssl-client: method 'nosuch': there is simclr, moco_v2");
    ck_assert_int_eq(l.job_count, 2);

    // what a dry run prints is a spec again
    run(&l, &r, ARGS("submit", "--dry-run", "--name=x: y", "--option", "K=64"));
    expect(&r, 0, "# estimate: 195 steps, 1.2 GB", "");
    ck_assert_int_eq(l.job_count, 2);
    write_yaml(yaml, r.out);
    run(&l, &r, ARGS("submit", yaml, "--dry-run", "--json"));
    object = parse(r.out);
    ck_assert(json_is_true(json_object_get(object, "dry_run")));
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(object, "spec"), "name")),
                     "x: y");
    json_decref(object);
    unlink(yaml);
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(asks)
{
    char kept[128];
    json_t *object;
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    run(&l, &r, ARGS("list"));
    expect(&r, 0, "ID", "");
    lab_move(&l, lab_add(&l, "RUNNING"), "RUNNING", 50);
    lab_add(&l, "QUEUED");
    l.jobs[1].reason = "waits\033[2J";
    l.jobs[0].warning = "collapse: std 0.001\033[2J";
    run(&l, &r, ARGS("list"));
    expect(&r, 0, "25%", "");
    expect(&r, 0, "waits?[2J", "");
    run(&l, &r, ARGS("list", "--state", "running,paused", "--limit", "5"));
    expect(&r, 0, "RUNNING", "");
    ck_assert_ptr_null(strstr(r.out, "QUEUED"));
    run(&l, &r, ARGS("list", "--json"));
    object = parse(r.out);
    ck_assert_uint_eq(json_array_size(json_object_get(object, "jobs")), 2);
    json_decref(object);

    run(&l, &r, ARGS("show", "1"));
    expect(&r, 0, "50 of 200", "");
    expect(&r, 0, "\n  batch-norm:", "");
    expect(&r, 0, "queue.filled", "");
    expect(&r, 0, "\nwarnings\n  collapse: std 0.001?[2J\n", "");
    run(&l, &r, ARGS("show", "1", "--json"));
    object = parse(r.out);
    ck_assert_str_eq(json_string_value(json_array_get(
                         json_object_get(json_object_get(object, "progress"), "warnings"), 0)),
                     "collapse: std 0.001\033[2J");
    ck_assert_str_eq(json_string_value(json_object_get(object, "folder")), "/state/jobs/1");
    json_decref(object);
    run(&l, &r, ARGS("show", "404"));
    expect(&r, 2, "", "akssl-client: job 404: there is no such job");

    run(&l, &r, ARGS("state", "1"));
    expect(&r, 0, "moco.queue  4096 x 128", "");
    run(&l, &r, ARGS("state", "1", "--json"));
    object = parse(r.out);
    json_decref(object);
    snprintf(kept, sizeof kept, "%s/kept", l.folder);
    run(&l, &r, ARGS("state", "1", "--save", kept));
    expect(&r, 0, "state of step 195 saved to ", "");
    expect(&r, 0, "/kept (3000 bytes, XXH3-128 00ff)\n", "");
    run(&l, &r, ARGS("state", "1", "--save", kept, "--json"));
    expect(&r, 0, "\"step\":195,\"size\":3000,\"digest\":\"00ff\"", "");
    unlink(kept);
    run(&l, &r, ARGS("catalogue"));
    expect(&r, 0, "temperature", "");
    expect(&r, 0, "[default 0.5, 0 to 10]", "");
    run(&l, &r, ARGS("catalogue", "backbones"));
    expect(&r, 0, "resnet18", "");
    ck_assert_ptr_null(strstr(r.out, "simclr"));
    run(&l, &r, ARGS("catalogue", "frontbones"));
    expect(&r, 2, "", "there are methods, backbones");
    run(&l, &r, ARGS("catalogue", "--json"));
    ck_assert(strncmp(r.out, lab_catalogue(), strlen(lab_catalogue())) == 0);

    run(&l, &r, ARGS("cancel", "2", "404"));
    expect(&r, 2, "job 2 CANCELLED", "job 404");
    run(&l, &r, ARGS("cancel", "1", "--json"));
    object = parse(r.out);
    ck_assert_uint_eq(json_array_size(json_object_get(object, "jobs")), 1);
    json_decref(object);
    run(&l, &r, ARGS("cancel", "1"));
    expect(&r, 1, "", "the job is over");
    run(&l, &r, ARGS("pause", "1"));
    expect(&r, 1, "", "the job is over");
    lab_move(&l, lab_add(&l, "RUNNING"), "RUNNING", 50);
    lab_add(&l, "QUEUED");
    run(&l, &r, ARGS("pause", "3", "4", "404"));
    expect(&r, 2, "job 3 RUNNING: is being paused  25%", "job 404");
    expect(&r, 2, "  (being paused)\njob 4 PAUSED\n", "");
    run(&l, &r, ARGS("resume", "3", "4", "--json"));
    expect(&r, 1, "{\"jobs\":[{\"id\":4,\"state\":\"QUEUED\"", "only a PAUSED job is resumed");
    object = parse(r.out);
    ck_assert_uint_eq(json_array_size(json_object_get(object, "jobs")), 1);
    json_decref(object);
    run(&l, &r, ARGS("resize", "4", "--ranks", "2"));
    expect(&r, 0, "job 4 QUEUED\n", "");
    run(&l, &r, ARGS("show", "4"));
    expect(&r, 0, "\nasked for       2\n", "");
    run(&l, &r, ARGS("resize", "3", "--ranks", "0"));
    expect(&r, 0, "job 3 RUNNING: resizing to 2 ranks  25%", "");
    expect(&r, 0, "  (being resized)\n", "");
    run(&l, &r, ARGS("show", "3"));
    expect(&r, 0, "\nasked for       as many ranks as fit\n", "");
    run(&l, &r, ARGS("resize", "3", "404", "--ranks", "2", "--json"));
    expect(&r, 2, "\"asked_ranks\":2,\"resizing\":true", "job 404");
    run(&l, &r, ARGS("cancel", "4"));
    expect(&r, 0, "job 4 CANCELLED\n", "");
    launch(&l, &r, "/dev/full", ARGS("list"), plain_env);
    join(&r);
    expect(&r, 1, "", "standard output cannot be written");
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(verifies)
{
    json_t *object;
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_add(&l, "PAUSED");
    run(&l, &r, ARGS("verify", "1"));
    expect(&r, 1, "step 200        3 files   5000000000 bytes  ok\nstep 100 ", "");
    expect(&r, 1, "but 11 was committed\nno commit: aside-step-40\n", "");
    run(&l, &r, ARGS("verify", "1", "--json"));
    expect(&r, 1, "{\"damaged\":1,\"commits\":[{\"step\":200,", "");
    object = parse(r.out);
    json_decref(object);
    run(&l, &r, ARGS("verify", "404"));
    expect(&r, 2, "", "there is no such job");
    run(&l, &r, ARGS("resume", "--from-start", "1"));
    expect(&r, 0, "job 1 QUEUED", "");
    ck_assert(l.jobs[0].from_start);
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(prints_logs)
{
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_add(&l, "RUNNING");
    lab_log(&l, 1, "one\ntw\xffo\nend");
    run(&l, &r, ARGS("logs", "1"));
    expect(&r, 0, "one\ntw\xffo\nend", "");
    run(&l, &r, ARGS("logs", "1", "--json"));
    expect(&r, 0, "{\"line\":\"one\"}\n{\"line\":\"tw\xef\xbf\xbdo\"}\n{\"line\":\"end\"}\n", "");
    launch(&l, &r, NULL, ARGS("logs", "-f", "1"), plain_env);
    await(&r, "end");
    lab_log(&l, 1, "\nmore\n");
    await(&r, "more");
    lab_move(&l, 1, "SUCCEEDED", 200);
    join(&r);
    expect(&r, 0, "end\nmore\n", "");
    run(&l, &r, ARGS("logs", "404"));
    expect(&r, 2, "", "no such job");
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

// ---- following a job

START_TEST(waits)
{
    json_t *object;
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_add(&l, "QUEUED");
    lab_add(&l, "QUEUED");
    launch(&l, &r, NULL, ARGS("wait", "1", "2"), plain_env);
    lab_await_watches(&l, 1);
    lab_move(&l, 1, "SUCCEEDED", 200);
    lab_await_watches(&l, 2);
    lab_move(&l, 2, "SUCCEEDED", 200);
    join(&r);
    expect(&r, 0, "job 2 SUCCEEDED after 1m01s: step 200/200, loss 4.25, after.knn.top1 76.25", "");
    lab_add(&l, "FAILED");
    run(&l, &r, ARGS("wait", "1", "3", "404"));
    expect(&r, 2, "job 3 FAILED", "no such job");
    run(&l, &r, ARGS("wait", "1", "3", "--json"));
    ck_assert_int_eq(r.code, 1);
    object = parse(r.out);
    ck_assert_uint_eq(json_array_size(json_object_get(object, "jobs")), 2);
    json_decref(object);
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(submits_and_follows)
{
    json_t *object;
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    launch(&l, &r, NULL, ARGS("submit", "--parsable", "--watch"), plain_env);
    await(&r, "1\n");
    lab_move(&l, 1, "FAILED", 3);
    join(&r);
    expect(&r, 1, "1\n", "job 1 FAILED");
    ck_assert_str_eq(r.out, "1\n");
    launch(&l, &r, NULL, ARGS("submit", "--wait", "--json"), plain_env);
    lab_await_watches(&l, 2);
    lab_move(&l, 2, "SUCCEEDED", 200);
    join(&r);
    ck_assert_int_eq(r.code, 0);
    object = parse(r.out);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(object, "job"), "weights")),
                     "/state/jobs/1/export/backbone.safetensors");
    json_decref(object);
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(watches_in_lines)
{
    int lines = 0, steps = 0;
    double started;
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_add(&l, "QUEUED");
    launch(&l, &r, NULL, ARGS("watch", "1"), plain_env);
    await(&r, "QUEUED");
    started = ak_clock_seconds();
    for (int step = 1; step <= 60; step++) { // 1.8 s or more
        lab_move(&l, 1, "RUNNING", step);
        lab_sleep(30);
    }
    lab_move(&l, 1, "SUCCEEDED", 200);
    join(&r);
    expect(&r, 0, "job 1 QUEUED\njob 1 RUNNING  0%  step 1/200  loss 4.25", "");
    expect(&r, 0, "\njob 1 SUCCEEDED after", "");
    ck_assert_ptr_null(strchr(r.out, '\033'));
    ck_assert_ptr_null(strchr(r.out, '\r'));
    for (const char *at = r.out; (at = strchr(at, '\n')); at++)
        lines++;
    for (const char *at = r.out; (at = strstr(at, "RUNNING")); at++)
        steps++;
    ck_assert_msg(steps >= 2 && steps <= 2 + (ak_clock_seconds() - started), "%s", r.out);
    ck_assert_int_eq(lines, steps + 2);
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

static void warn(lab *l, int64_t id, const char *warning)
{
    pthread_mutex_lock(&l->lock);
    l->jobs[id - 1].warning = warning;
    l->jobs[id - 1].version++;
    pthread_mutex_unlock(&l->lock);
}

START_TEST(watches_warnings)
{
    const char *first;
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_move(&l, lab_add(&l, "RUNNING"), "RUNNING", 1);
    launch(&l, &r, NULL, ARGS("watch", "1"), plain_env);
    await(&r, "step 1/200");
    warn(&l, 1, "collapse: std 0.001");
    await(&r, "warning: collapse: std 0.001\n");
    lab_move(&l, 1, "RUNNING", 2); // it is still there, and not told again
    await(&r, "step 2/200");
    warn(&l, 1, "collapse: std 0.0001");
    await(&r, "warning: collapse: std 0.0001\n");
    lab_move(&l, 1, "SUCCEEDED", 200);
    join(&r);
    expect(&r, 0, "\njob 1 SUCCEEDED after", "");
    first = strstr(r.out, "warning: collapse: std 0.001\n");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "warning: collapse: std 0.001\n"));
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(watches_in_json)
{
    char *line, *rest;
    int count = 0;
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_add(&l, "QUEUED");
    launch(&l, &r, NULL, ARGS("watch", "1", "--json"), plain_env);
    await(&r, "QUEUED");
    lab_stop(&l);
    await(&r, "lost");
    lab_start(&l);
    await(&r, "back\"}\n{");
    lab_move(&l, 1, "CANCELLED", 20);
    join(&r);
    ck_assert_int_eq(r.code, 1);
    for (line = strtok_r(r.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), count++) {
        static const char *const events[] = { "job", "lost", "back", "job", "job" };
        json_t *object = parse(line);

        ck_assert_int_lt(count, 5);
        ck_assert_str_eq(json_string_value(json_object_get(object, "event")), events[count]);
        if (strcmp(events[count], "job") == 0)
            ck_assert(json_is_object(json_object_get(json_object_get(object, "job"), "spec")));
        json_decref(object);
    }
    ck_assert_int_eq(count, 5);
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(outlives_the_daemon)
{
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_move(&l, lab_add(&l, "RUNNING"), "RUNNING", 1);
    launch(&l, &r, NULL, ARGS("watch", "1"), plain_env);
    await(&r, "step 1/200");
    lab_stop(&l);
    lab_sleep(700);
    lab_start(&l);
    lab_await_watches(&l, 2);
    lab_move(&l, 1, "SUCCEEDED", 200);
    join(&r);
    expect(&r, 0, "job 1 SUCCEEDED", "akssl-client: lost the daemon");
    expect(&r, 0, "", "akssl-client: the daemon is back");
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

START_TEST(interrupt_leaves_the_job)
{
    static const char *const commands[] = { "watch", "wait", "logs" };
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_add(&l, "RUNNING");
    for (int i = 0; i < 3; i++) {
        launch(&l, &r, NULL, ARGS(commands[i], "1", i == 2 ? "-f" : NULL), plain_env);
        lab_await_watches(&l, i + 1);
        lab_sleep(100);
        ck_assert_int_eq(kill(r.pid, signals[i]), 0);
        join(&r);
        expect(&r, 128 + signals[i], "", i < 2 ? "job 1 goes on" : "");
        ck_assert_str_eq(l.jobs[0].state, "RUNNING");
    }
    lab_stop(&l);
    lab_fini(&l);
}
END_TEST

// ---- on a terminal

static void watch_on_terminal(char *const *env, unsigned short columns, char *text, size_t size)
{
    int slave, master = open_terminal(columns, &slave);
    ran r;
    lab l;

    lab_init(&l);
    lab_start(&l);
    lab_add(&l, "QUEUED");
    launch(&l, &r, ptsname(master), ARGS("watch", "1"), env);
    lab_await_watches(&l, 1);
    text[0] = '\0';
    for (int step = 20; step <= 100; step += 20) {
        lab_move(&l, 1, "RUNNING", step);
        read_terminal(master, text, size, 250);
    }
    for (int i = 0; i < 100 && !strstr(text, "50%"); i++)
        read_terminal(master, text, size, 100);
    lab_move(&l, 1, "SUCCEEDED", 200);
    join(&r);
    read_terminal(master, text, size, 50);
    ck_assert_msg(r.code == 0, "%d: %s", r.code, r.err);
    close(slave);
    close(master);
    lab_stop(&l);
    lab_fini(&l);
}

// The columns of the longest line drawn, without colours.
static size_t widest(const char *text)
{
    size_t widest = 0, cells = 0;

    for (; *text; text++) {
        if (*text == '\033')
            text = strchr(text, 'm');
        else if (*text == '\r' || *text == '\n')
            cells = 0;
        else
            cells += ((unsigned char)*text & 0xc0) != 0x80;
        widest = cells > widest ? cells : widest;
    }
    return widest;
}

START_TEST(draws_a_bar)
{
    char *const rich[] = { "TERM=xterm", "LC_ALL=C.UTF-8", NULL };
    char *const no_colour[] = { "TERM=xterm", "LC_ALL=C.UTF-8", "NO_COLOR=1", NULL };
    char *const dumb[] = { "TERM=dumb", "LC_ALL=C.UTF-8", NULL };
    char text[65536], *last;

    watch_on_terminal(rich, 120, text, sizeof text);
    ck_assert_msg(strstr(text, "\r") && strstr(text, "\033[") && strstr(text, "\xe2\x96\x88"), "%s",
                  text);
    ck_assert(strstr(text, "50%") && strstr(text, "ETA 1m20s") && strstr(text, "1234 images/s"));
    last = strrchr(text, '\r'); // of the final line's end
    *last = '\0';
    last = strrchr(text, '\r');
    ck_assert_msg(last && strncmp(last + 1, "job 1 SUCCEEDED after 1m01s", 27) == 0, "%s", text);

    watch_on_terminal(no_colour, 50, text, sizeof text);
    ck_assert(strstr(text, "50%") && strstr(text, "\xe2\x96\x88") && !strchr(text, '\033'));
    last = strstr(text, "job 1 SUCCEEDED");
    ck_assert_ptr_nonnull(last);
    *last = '\0'; // the final line is not cut
    ck_assert_msg(widest(text) < 50, "%zu", widest(text));

    watch_on_terminal(dumb, 80, text, sizeof text);
    ck_assert(strchr(text, '#') && !strchr(text, '\033'));
}
END_TEST

AK_TEST_MAIN(AK_CASE(usage_is_2), AK_CASE(no_daemon_is_3), AK_CASE(a_refusal_is_1), AK_CASE(helps),
             AK_CASE(submits), AK_CASE(asks), AK_CASE(verifies), AK_CASE(prints_logs),
             AK_CASE(waits), AK_CASE(submits_and_follows), AK_CASE(watches_in_lines),
             AK_CASE(watches_warnings), AK_CASE(watches_in_json), AK_CASE(outlives_the_daemon),
             AK_CASE(interrupt_leaves_the_job), AK_CASE(draws_a_bar))
