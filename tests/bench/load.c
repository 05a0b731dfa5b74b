// tests/bench/load.c -- many people at once, by the client library: what they wait for, and what
// goes wrong.
//
//     bench.load clients COUNT SECONDS CYCLE_MS [HOST:PORT CA TOKENS]
//     bench.load watches COUNT SECONDS JOB...
//
// clients: each has a connection and a thread of its own and goes through the same cycle once every
// CYCLE_MS, out of step with the others: submit; show and list, LOOKS times a quarter of a cycle
// apart; watch, cancel (once the watch tells of the job) and the end of that watch.  With HOST:PORT
// every second one calls there by TLS, with the token in TOKENS/0 to TOKENS/9; the others call at
// AKSSL_SERVER. watches: so many open at once, WATCHES_EACH a connection, on these jobs in turn.
//
// Prints one line of JSON.  Ends with 1 when any call failed.

#include <akssl/akssl.h>

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STACK = 256 << 10, WATCHES_EACH = 20, TOKENS = 10, LISTED = 100, LOOKS = 3 };

typedef enum kind { SUBMIT, SHOW, LIST, CANCEL, FIRST_EVENT, LAST_EVENT, KINDS } kind;
static const char *const kinds[] = {
    "submit", "show", "list", "cancel", "first_event", "last_event"
};

typedef struct times {
    double *ms;
    size_t count, room;
} times;

typedef struct load_plan {
    int count;
    double seconds, cycle_s;
    const char *tls, *ca, *tokens; // NULL: all call at AKSSL_SERVER
    double begin_s;
} load_plan;

typedef struct person {
    const load_plan *plan;
    int index;
    pthread_t thread;
    akssl_client *client;
    times taken[KINDS];
    int64_t job; // of this cycle
    double asked_s, cancelled_s;
    int errors, late, cycles;
    char sentence[400]; // of the first error
} person;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_until(double when_s)
{
    struct timespec t = { .tv_sec = (time_t)when_s };

    t.tv_nsec = (long)((when_s - floor(when_s)) * 1e9);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *must(void *memory)
{
    if (!memory) {
        fputs("load: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

static void note(times *t, double since_s)
{
    if (t->count == t->room) {
        t->room = t->room ? t->room * 2 : 64;
        t->ms = must(realloc(t->ms, t->room * sizeof *t->ms));
    }
    t->ms[t->count++] = (now_s() - since_s) * 1e3;
}

static bool succeeded(person *p, const char *doing, akssl_status rc)
{
    if (rc == AKSSL_OK)
        return true;
    if (p->errors++ == 0)
        snprintf(p->sentence, sizeof p->sentence, "%s: %s", doing, akssl_last_error());
    return false;
}

// ---- one person's cycle

static akssl_job_spec *spec_of(int index, int cycle)
{
    static const char *const methods[] = { "simclr", "moco_v2", "byol", "simsiam" };
    static const char *const fixed[][2] = {
        { "dataset", "fashion-mnist" },
        { "limit-images", "256" },
        { "image-size", "16" },
        { "batch", "64" },
        { "shards", "8" },
        { "epochs", "1" },
    };
    akssl_job_spec *spec = must(akssl_job_spec_new());
    char name[40], priority[8];

    snprintf(name, sizeof name, "load-%d-%d", index, cycle);
    snprintf(priority, sizeof priority, "-%d", index % 5);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (akssl_job_spec_set(spec, fixed[i][0], fixed[i][1]) < 0)
            abort();
    if (akssl_job_spec_set(spec, "method", methods[index % 4]) < 0 ||
        akssl_job_spec_set(spec, "name", name) < 0 ||
        akssl_job_spec_set(spec, "priority", priority) < 0)
        abort();
    return spec;
}

static bool submit(person *p)
{
    akssl_job_spec *spec = spec_of(p->index, p->cycles);
    double since = now_s();
    akssl_status rc = akssl_client_submit(p->client, spec, &p->job, NULL);

    if (rc == AKSSL_OK)
        note(&p->taken[SUBMIT], since);
    akssl_job_spec_free(spec);
    return succeeded(p, "submit", rc);
}

static void look(person *p)
{
    double since = now_s();
    akssl_job_list *list = NULL;
    akssl_job *job = NULL;

    if (succeeded(p, "show", akssl_client_show(p->client, p->job, &job)))
        note(&p->taken[SHOW], since);
    akssl_job_free(job);
    since = now_s();
    if (succeeded(p, "list", akssl_client_list(p->client, NULL, 0, LISTED, &list)))
        note(&p->taken[LIST], since);
    akssl_job_list_free(list);
}

static int on_event(void *ctx, const akssl_event *event)
{
    person *p = ctx;
    double since;

    if (event->kind == AKSSL_EVENT_LOST)
        (void)succeeded(p, "watch lost the daemon", AKSSL_ERR_UNAVAILABLE);
    if (event->kind != AKSSL_EVENT_JOB || p->cancelled_s > 0)
        return 0;
    note(&p->taken[FIRST_EVENT], p->asked_s);
    since = now_s();
    if (succeeded(p, "cancel", akssl_client_cancel(p->client, p->job, NULL)))
        note(&p->taken[CANCEL], since);
    p->cancelled_s = now_s();
    return 0;
}

static void follow(person *p)
{
    akssl_job *last = NULL;

    p->asked_s = now_s();
    p->cancelled_s = 0;
    if (succeeded(p, "watch", akssl_client_watch(p->client, p->job, on_event, p, &last)))
        note(&p->taken[LAST_EVENT], p->cancelled_s);
    if (last && last->state != AKSSL_JOB_CANCELLED && p->errors++ == 0)
        snprintf(p->sentence, sizeof p->sentence, "job %" PRId64 " ended %s, not CANCELLED",
                 last->id, akssl_job_state_text(last->state));
    akssl_job_free(last);
}

static akssl_status open_client(person *p)
{
    const load_plan *plan = p->plan;
    char file[300];
    akssl_client_options options = { .server = plan->tls, .ca = plan->ca, .token_file = file };

    if (!plan->tls || p->index % 2 == 0)
        return akssl_client_open(&p->client, NULL);
    snprintf(file, sizeof file, "%s/%d", plan->tokens, p->index / 2 % TOKENS);
    return akssl_client_open_with(&p->client, &options);
}

static void *live(void *self)
{
    person *p = self;
    const load_plan *plan = p->plan;
    double start_s = plan->begin_s + plan->cycle_s * p->index / plan->count;

    if (!succeeded(p, "open", open_client(p)))
        return NULL;
    for (; start_s < plan->begin_s + plan->seconds; start_s += plan->cycle_s) {
        p->late += now_s() > start_s + 0.1;
        sleep_until(start_s);
        if (submit(p)) {
            for (int i = 1; i <= LOOKS; i++) {
                look(p);
                sleep_until(start_s + plan->cycle_s * i / (LOOKS + 1));
            }
            follow(p);
        }
        p->cycles++;
    }
    akssl_client_close(p->client);
    return NULL;
}

// ---- what came of it

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void add(times *all, const times *more)
{
    all->ms = must(realloc(all->ms, (all->count + more->count + 1) * sizeof *all->ms));
    if (more->count)
        memcpy(all->ms + all->count, more->ms, more->count * sizeof *all->ms);
    all->count += more->count;
}

static void print_times(const char *name, times *t)
{
    size_t n = t->count;

    qsort(t->ms, n, sizeof *t->ms, by_size);
    printf(", \"%s\": {\"count\": %zu", name, n);
    if (n)
        printf(", \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f", t->ms[n / 2],
               t->ms[n - 1 - n / 100], t->ms[n - 1]);
    printf("}");
}

static int report(person *people, const load_plan *plan)
{
    times unary = { 0 };
    int errors = 0, late = 0, cycles = 0;
    const char *sentence = "";

    for (int i = 0; i < plan->count; i++) {
        errors += people[i].errors;
        late += people[i].late;
        cycles += people[i].cycles;
        if (people[i].errors)
            sentence = people[i].sentence;
    }
    printf("{\"clients\": %d, \"seconds\": %.0f, \"cycles\": %d, \"late\": %d, \"errors\": %d",
           plan->count, plan->seconds, cycles, late, errors);
    for (int k = 0; k < KINDS; k++) {
        times all = { 0 };

        for (int i = 0; i < plan->count; i++)
            add(&all, &people[i].taken[k]);
        if (k <= CANCEL)
            add(&unary, &all);
        print_times(kinds[k], &all);
        free(all.ms);
    }
    print_times("unary", &unary);
    printf("}\n");
    free(unary.ms);
    if (errors)
        fprintf(stderr, "load: %d calls failed; the last to be seen: %s\n", errors, sentence);
    return errors ? 1 : 0;
}

static void start_thread(pthread_t *thread, void *(*run)(void *), void *self)
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    if (pthread_create(thread, &attributes, run, self) != 0) {
        fputs("load: no more threads: raise ulimit -u\n", stderr);
        exit(2);
    }
    pthread_attr_destroy(&attributes);
}

static int run_clients(const load_plan *plan)
{
    person *people = must(calloc((size_t)plan->count, sizeof *people));
    int rc;

    for (int i = 0; i < plan->count; i++) {
        people[i].plan = plan;
        people[i].index = i;
        start_thread(&people[i].thread, live, &people[i]);
    }
    for (int i = 0; i < plan->count; i++)
        pthread_join(people[i].thread, NULL);
    rc = report(people, plan);
    for (int i = 0; i < plan->count; i++)
        for (int k = 0; k < KINDS; k++)
            free(people[i].taken[k].ms);
    free(people);
    return rc;
}

// ---- watches

typedef struct watcher {
    pthread_t thread;
    akssl_client *client; // shared
    int64_t job;
    double end_s;
    int events;
    bool lost;
    akssl_status rc;
    char sentence[400];
} watcher;

static int on_watched(void *ctx, const akssl_event *event)
{
    watcher *w = ctx;

    w->events += event->kind == AKSSL_EVENT_JOB;
    w->lost |= event->kind == AKSSL_EVENT_LOST;
    return now_s() > w->end_s;
}

static void *watch(void *self)
{
    watcher *w = self;

    w->rc = akssl_client_watch(w->client, w->job, on_watched, w, NULL);
    if (w->rc != AKSSL_ERR_CANCELLED) // by us, when the time was over
        snprintf(w->sentence, sizeof w->sentence, "%s", akssl_last_error());
    return NULL;
}

static int run_watches(int count, double seconds, char **jobs, int job_count)
{
    int clients = (count + WATCHES_EACH - 1) / WATCHES_EACH, failed = 0, events = 0, least = -1;
    akssl_client **open = must(calloc((size_t)clients, sizeof(akssl_client *)));
    watcher *all = must(calloc((size_t)count, sizeof *all));

    for (int i = 0; i < clients; i++)
        if (akssl_client_open(&open[i], NULL) < 0) {
            fprintf(stderr, "load: %s\n", akssl_last_error());
            return 2;
        }
    for (int i = 0; i < count; i++) {
        all[i].client = open[i / WATCHES_EACH];
        all[i].job = atoll(jobs[i % job_count]);
        all[i].end_s = now_s() + seconds;
        start_thread(&all[i].thread, watch, &all[i]);
    }
    for (int i = 0; i < count; i++) {
        watcher *w = &all[i];
        bool well;

        pthread_join(w->thread, NULL);
        well = w->rc == AKSSL_ERR_CANCELLED && !w->lost && w->events > 0;
        if (!well && failed++ == 0)
            fprintf(stderr, "load: a watch failed: %s\n",
                    w->lost ? "it lost the daemon" : w->sentence);
        events += w->events;
        least = least < 0 || w->events < least ? w->events : least;
    }
    for (int i = 0; i < clients; i++)
        akssl_client_close(open[i]);
    printf("{\"watches\": %d, \"seconds\": %.0f, \"events\": %d, \"fewest_events\": %d, "
           "\"errors\": %d}\n",
           count, seconds, events, least, failed);
    free(open);
    free(all);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "watches") == 0 && atoi(argv[2]) > 0)
        return run_watches(atoi(argv[2]), atof(argv[3]), argv + 4, argc - 4);
    if ((argc == 5 || argc == 8) && strcmp(argv[1], "clients") == 0 && atoi(argv[2]) > 0) {
        load_plan all = { .count = atoi(argv[2]),
                          .seconds = atof(argv[3]),
                          .cycle_s = atof(argv[4]) / 1e3,
                          .begin_s = now_s() + 0.5 };

        if (argc == 8) {
            all.tls = argv[5];
            all.ca = argv[6];
            all.tokens = argv[7];
        }
        return run_clients(&all);
    }
    fputs("usage: bench.load clients COUNT SECONDS CYCLE_MS [HOST:PORT CA TOKENS]\n"
          "       bench.load watches COUNT SECONDS JOB...\n",
          stderr);
    return 2;
}
