// tests/unit/client/lib/watch.c -- tests client/lib/watch.c and follow.c: streams that outlive the
// daemon.

#include <akssl/akssl.h>
#include <stdatomic.h>

#include "proto/base/clock.h"
#include "tests/unit/client/lab.h"

typedef struct seen {
    atomic_int jobs;
    int lost, back, ticks, stop_at_job;
    int64_t last_step;
    bool spec_missing;
    akssl_job_state state;
} seen;

static int note(void *ctx, const akssl_event *event)
{
    seen *s = ctx;

    s->lost += event->kind == AKSSL_EVENT_LOST;
    s->back += event->kind == AKSSL_EVENT_BACK;
    s->ticks += event->kind == AKSSL_EVENT_TICK;
    if (event->kind == AKSSL_EVENT_LOST)
        ck_assert(event->reason[0]);
    if (event->kind != AKSSL_EVENT_JOB)
        return 0;
    s->state = event->job->state;
    s->spec_missing |= !event->job->spec;
    s->last_step = event->job->progress ? event->job->progress->step : -1;
    return ++s->jobs == s->stop_at_job;
}

typedef struct watching {
    akssl_client *client;
    pthread_t thread;
    seen seen;
    akssl_job *last;
    akssl_status rc;
    char error[1024];
} watching;

static void *watch_job(void *ctx)
{
    watching *w = ctx;

    w->rc = akssl_client_watch(w->client, 1, note, &w->seen, &w->last);
    snprintf(w->error, sizeof w->error, "%s", akssl_last_error());
    return NULL;
}

// await waits until a number that another thread counts up has come that far.
static void await(const atomic_int *number, int wanted)
{
    for (int i = 0; i < 3000 && atomic_load(number) < wanted; i++)
        lab_sleep(10);
    ck_assert_int_ge(atomic_load(number), wanted);
}

static void begin(lab *l, watching *w)
{
    memset(w, 0, sizeof *w);
    lab_init(l);
    lab_start(l);
    lab_add(l, "QUEUED");
    ck_assert_int_eq(akssl_client_open(&w->client, l->path), 0);
}

static void end(lab *l, watching *w)
{
    akssl_job_free(w->last);
    akssl_client_close(w->client);
    lab_fini(l);
}

START_TEST(follows_to_the_end)
{
    watching w;
    lab l;

    begin(&l, &w);
    pthread_create(&w.thread, NULL, watch_job, &w);
    for (int step = 1; step <= 5; step++) {
        await(&w.seen.jobs, step);
        lab_move(&l, 1, "RUNNING", step * 10);
    }
    await(&w.seen.jobs, 6);
    lab_move(&l, 1, "SUCCEEDED", 200);
    pthread_join(w.thread, NULL);
    ck_assert_msg(w.rc == 0, "%s", w.error);
    ck_assert_int_eq(w.last->state, AKSSL_JOB_SUCCEEDED);
    ck_assert_uint_eq(w.last->result_count, 1);
    ck_assert_double_eq(w.last->results[0].value, 76.25);
    ck_assert_ptr_nonnull(w.last->spec);
    ck_assert_int_eq(w.seen.jobs, 7);
    ck_assert_int_eq(w.seen.lost, 0);
    ck_assert(!w.seen.spec_missing);
    lab_stop(&l);
    end(&l, &w);
}
END_TEST

START_TEST(outlives_the_daemon)
{
    watching w;
    lab l;

    begin(&l, &w);
    pthread_create(&w.thread, NULL, watch_job, &w);
    for (int round = 1; round <= 2; round++) {
        await(&w.seen.jobs, 2 * round - 1);
        lab_move(&l, 1, "RUNNING", round * 10);
        await(&w.seen.jobs, 2 * round);
        lab_stop(&l);
        lab_sleep(700);
        lab_start(&l);
    }
    await(&w.seen.jobs, 5);
    lab_move(&l, 1, "FAILED", 30);
    pthread_join(w.thread, NULL);
    ck_assert_msg(w.rc == 0, "%s", w.error);
    ck_assert_int_eq(w.last->state, AKSSL_JOB_FAILED);
    ck_assert_int_eq(w.seen.last_step, 30);
    ck_assert_int_eq(w.seen.lost, 2);
    ck_assert_int_eq(w.seen.back, 2);
    ck_assert_int_ge(w.seen.ticks, 2);
    lab_stop(&l);
    end(&l, &w);
}
END_TEST

START_TEST(loses_patience)
{
    watching w;
    double started;
    lab l;

    begin(&l, &w);
    akssl_client_set_patience(w.client, 1000);
    pthread_create(&w.thread, NULL, watch_job, &w);
    await(&w.seen.jobs, 1);
    started = ak_clock_seconds();
    lab_stop(&l);
    pthread_join(w.thread, NULL);
    ck_assert_int_eq(w.rc, AKSSL_ERR_UNAVAILABLE);
    ck_assert_msg(strstr(w.error, "over 1 s") && strstr(w.error, "akssld --state-dir"), "%s",
                  w.error);
    ck_assert(ak_clock_seconds() - started > 0.9 && ak_clock_seconds() - started < 30);
    ck_assert_ptr_null(w.last);
    ck_assert_int_eq(w.seen.lost, 1);
    end(&l, &w);
}
END_TEST

// One that is stopping, or starting, and says so counts as lost.
START_TEST(outlives_a_daemon_that_refuses)
{
    watching w;
    lab l;

    begin(&l, &w);
    pthread_create(&w.thread, NULL, watch_job, &w);
    await(&w.seen.jobs, 1);
    lab_stop(&l);
    lab_refuse(&l, AKSSL_ERR_UNAVAILABLE, "akssld is stopping");
    lab_start(&l);
    lab_sleep(1500);
    lab_refuse(&l, AKSSL_OK, NULL);
    await(&w.seen.jobs, 2);
    lab_move(&l, 1, "SUCCEEDED", 200);
    pthread_join(w.thread, NULL);
    ck_assert_msg(w.rc == 0, "%s", w.error);
    ck_assert(w.seen.lost == 1 && w.seen.back == 1);
    lab_stop(&l);
    end(&l, &w);

    begin(&l, &w);
    akssl_client_set_patience(w.client, 1000);
    pthread_create(&w.thread, NULL, watch_job, &w);
    await(&w.seen.jobs, 1);
    lab_stop(&l);
    lab_refuse(&l, AKSSL_ERR_UNAVAILABLE, "akssld is stopping");
    lab_start(&l);
    pthread_join(w.thread, NULL);
    ck_assert_int_eq(w.rc, AKSSL_ERR_UNAVAILABLE);
    ck_assert_str_eq(w.error, "lost the daemon for over 1 s: akssld is stopping");
    lab_stop(&l);
    end(&l, &w);
}
END_TEST

START_TEST(distrusts_an_early_end)
{
    watching w;
    lab l;

    begin(&l, &w);
    l.end_early = true;
    pthread_create(&w.thread, NULL, watch_job, &w);
    lab_await_watches(&l, 2);
    pthread_mutex_lock(&l.lock);
    l.end_early = false;
    pthread_mutex_unlock(&l.lock);
    lab_move(&l, 1, "SUCCEEDED", 200);
    pthread_join(w.thread, NULL);
    ck_assert_msg(w.rc == 0, "%s", w.error);
    ck_assert_int_eq(w.last->state, AKSSL_JOB_SUCCEEDED);
    lab_stop(&l);
    end(&l, &w);
}
END_TEST

START_TEST(stops_when_told)
{
    watching w;
    lab l;

    begin(&l, &w);
    w.seen.stop_at_job = 1;
    watch_job(&w);
    ck_assert_int_eq(w.rc, AKSSL_ERR_CANCELLED);
    ck_assert_ptr_nonnull(strstr(w.error, "goes on"));
    ck_assert_int_eq(w.seen.jobs, 1);
    ck_assert_int_eq(akssl_client_watch(w.client, 404, note, &w.seen, NULL), AKSSL_ERR_NOT_FOUND);
    lab_stop(&l);
    end(&l, &w);
}
END_TEST

START_TEST(waits)
{
    akssl_job *job = NULL;
    double started;
    watching w;
    lab l;

    begin(&l, &w);
    started = ak_clock_seconds();
    ck_assert_int_eq(akssl_client_wait(w.client, 1, 500, &job), AKSSL_ERR_DEADLINE);
    ck_assert(ak_clock_seconds() - started >= 0.5 && !job);
    lab_move(&l, 1, "CANCELLED", 3);
    ck_assert_int_eq(akssl_client_wait(w.client, 1, 10000, &job), 0);
    ck_assert_int_eq(job->state, AKSSL_JOB_CANCELLED);
    akssl_job_free(job);
    ck_assert_int_eq(akssl_client_wait(w.client, 1, 0, NULL), 0);
    lab_stop(&l);
    end(&l, &w);
}
END_TEST

// ---- logs

typedef struct tail {
    akssl_client *client;
    pthread_t thread;
    char text[8192];
    atomic_int length;
    int stop_at;
    akssl_status rc;
} tail;

static int add(void *ctx, const char *bytes, size_t length)
{
    tail *g = ctx;

    ck_assert_uint_lt((size_t)g->length + length, sizeof g->text);
    memcpy(g->text + g->length, bytes, length);
    g->length += (int)length;
    return g->stop_at && g->length >= g->stop_at;
}

static void *follow_log(void *ctx)
{
    tail *g = ctx;

    g->rc = akssl_client_logs(g->client, 1, 1, add, g);
    return NULL;
}

START_TEST(reads_a_log)
{
    tail g = { 0 };
    watching w;
    lab l;

    begin(&l, &w);
    ck_assert_int_eq(akssl_client_logs(w.client, 1, 0, add, &g), 0);
    ck_assert_int_eq(g.length, 0);
    lab_log(&l, 1, "one\ntwo\n");
    ck_assert_int_eq(akssl_client_logs(w.client, 1, 0, add, &g), 0);
    ck_assert_str_eq(g.text, "one\ntwo\n");
    g.stop_at = 1;
    ck_assert_int_eq(akssl_client_logs(w.client, 1, 1, add, &g), AKSSL_ERR_CANCELLED);
    ck_assert_int_eq(akssl_client_logs(w.client, 404, 0, add, &g), AKSSL_ERR_NOT_FOUND);
    lab_stop(&l);
    end(&l, &w);
}
END_TEST

START_TEST(follows_a_log_over_a_restart)
{
    tail g = { 0 };
    watching w;
    lab l;

    begin(&l, &w);
    g.client = w.client;
    lab_log(&l, 1, "one\n");
    pthread_create(&g.thread, NULL, follow_log, &g);
    await(&g.length, 4);
    lab_log(&l, 1, "two\n");
    await(&g.length, 8);
    lab_stop(&l);
    lab_log(&l, 1, "three\n");
    lab_sleep(300);
    lab_start(&l);
    await(&g.length, 14);
    lab_log(&l, 1, "four\n");
    await(&g.length, 19);
    lab_log(&l, 1, "five\n");
    lab_move(&l, 1, "SUCCEEDED", 200);
    pthread_join(g.thread, NULL);
    ck_assert_int_eq(g.rc, 0);
    ck_assert_str_eq(g.text, "one\ntwo\nthree\nfour\nfive\n");
    lab_stop(&l);
    end(&l, &w);
}
END_TEST

AK_TEST_MAIN(AK_CASE(follows_to_the_end), AK_CASE(outlives_the_daemon), AK_CASE(loses_patience),
             AK_CASE(outlives_a_daemon_that_refuses), AK_CASE(distrusts_an_early_end),
             AK_CASE(stops_when_told), AK_CASE(waits), AK_CASE(reads_a_log),
             AK_CASE(follows_a_log_over_a_restart))
