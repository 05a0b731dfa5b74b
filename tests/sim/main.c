// tests/sim/main.c -- the simulator: thousands of stories of akssld, each from its seed.

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/faults.h"
#include "tests/sim/vfs.h"
#include "tests/sim/world.h"

enum { DEFAULT_SEEDS = 500, LONG_SEEDS = 10000, BATCH = 25 };

typedef struct options {
    uint64_t first;
    int64_t seeds;
    bool trace, hash, quiet;
    int64_t within; // a planted fault is to be found within so many seeds; 0: none is planted
    sim_plant plant;
} options;

static uint64_t tell_story(uint64_t seed, const options *o, int report)
{
    sim s = { .trace = o->trace, .plant = o->plant, .report = report };
    uint64_t hash;

    sim_begin(&s, seed);
    sqlite3_randomness(0, NULL);
    sim_life();
    hash = sim_hash(s.hash, s.events);
    if (o->hash)
        printf("seed %llu: %016llx, %llu events, %d lives, %lld s\n", (unsigned long long)seed,
               (unsigned long long)hash, (unsigned long long)s.events, s.lives,
               (long long)(s.now / SIM_S));
    sim_end(&s);
    return hash;
}

static _Noreturn void tell_batch(uint64_t first, int64_t count, const options *o, int report)
{
    for (int64_t i = 0; i < count; i++) {
        const sim_report begins = { .seed = first + (uint64_t)i };

        if (write(report, &begins, sizeof begins) < 0)
            _exit(1);
        tell_story(begins.seed, o, report);
    }
    fflush(stdout);
    exit(0); // so that a leak checker looks
}

// A batch runs in a process of its own, which a broken story ends.  The pipe tells how far it got,
// and what is broken.
static int run_batch(uint64_t first, int64_t count, const options *o, sim_report *last)
{
    int pipes[2], status;
    sim_report report;
    pid_t pid;

    fflush(stdout);
    if (pipe(pipes) < 0)
        return -1;
    pid = fork();
    if (pid == 0)
        tell_batch(first, count, o, pipes[1]);
    close(pipes[1]);
    while (pid > 0 && read(pipes[0], &report, sizeof report) == (ssize_t)sizeof report)
        *last = report;
    close(pipes[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -1;
    if (WIFSIGNALED(status))
        printf("seed %llu: signal %d\n", (unsigned long long)last->seed, WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

// is_found says whether what is broken is what was planted.
static bool is_found(const options *o, const sim_report *last)
{
    return strstr(last->broken, sim_plant_sentence(o->plant)) != NULL;
}

// find gives the first seed at which something breaks, in *last; 0 when nothing does.  A planted
// fault may break other things first: those seeds are passed over.
static int find(const options *o, sim_report *last)
{
    int64_t done = 0;

    while (done < o->seeds) {
        int64_t count = o->seeds - done < BATCH ? o->seeds - done : BATCH;
        int rc = run_batch(o->first + (uint64_t)done, count, o, last);

        if (rc && (rc < 0 || !o->within || !last->broken[0] || is_found(o, last)))
            return rc;
        done = rc ? (int64_t)(last->seed - o->first) + 1 : done + count;
    }
    return 0;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: simulate [--seeds N] [--first N] [--seed N] [--trace] [--hash]\n"
            "           [--plant ack-commit|ack-submit|adopt-mark|adopt-pid [--within N]]\n");
    return 2;
}

static bool parse(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--trace") == 0) {
            o->trace = true;
            continue;
        }
        if (strcmp(argv[i], "--hash") == 0) {
            o->hash = true;
            continue;
        }
        if (strcmp(argv[i], "--seeds") == 0)
            o->seeds = atoll(value);
        else if (strcmp(argv[i], "--first") == 0)
            o->first = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            o->first = strtoull(value, NULL, 10), o->seeds = 1;
        else if (strcmp(argv[i], "--within") == 0)
            o->within = o->seeds = atoll(value);
        else if (strcmp(argv[i], "--plant") == 0)
            o->plant = sim_plant_parse(value);
        else
            return false;
        i++;
    }
    return o->plant != SIM_PLANT_END && o->seeds > 0;
}

static void set_environment(void)
{
    clearenv();
    setenv("PATH", "/bin", 1);
    setenv("AKSSL_MPIRUN", "/bin/mpirun", 1);
    setenv("CK_FORK", "no", 1);
}

int main(int argc, char **argv)
{
    const char *is_long = getenv("AKSSL_LONG");
    options o = { .first = 1, .seeds = is_long && is_long[0] == '1' ? LONG_SEEDS : DEFAULT_SEEDS };
    sim_report last = { 0 };
    int rc;

    if (!parse(&o, argc, argv))
        return usage();
    set_environment();
    sim_vfs_register();
    rc = find(&o, &last);
    if (rc < 0) {
        perror("simulate");
        return 1;
    }
    if (o.within) {
        bool found = rc && last.broken[0] && is_found(&o, &last);

        printf(found ? "the planted fault is found: seed %llu\n"
                     : "the planted fault is not found: seed %llu is the last\n",
               (unsigned long long)last.seed);
        return found ? 0 : 1;
    }
    if (rc)
        printf("replay it: %s --seed %llu --trace\n", argv[0], (unsigned long long)last.seed);
    else
        printf("%lld stories, nothing broken\n", (long long)o.seeds);
    return rc;
}
