// daemon/launcher/slurm.c -- runs as jobs of a Slurm.
//
//     akssld -- guard -- akssld --follow slurm ...        on this host: sbatch, squeue, scancel
//     slurmd -- slurmstepd -- sh -- mpirun -- ranks       on the nodes that Slurm gives
//
// The command submits the run by sbatch, under the run's id as its name, and looks at it by squeue
// until it is over.  Whatever happens to it (slurmctld is started again, sbatch's answer is lost,
// it is itself killed and given again), it asks for that name first, so a run is submitted once.
// SIGTERM is scancel, again and again until Slurm has done it; a file says so before, by which one
// that is given again knows whose scancel it was.  Slurm itself must not start a job
// again: its ranks may have committed meanwhile.
//
// The nodes share the state folder and the data, and reach akssld by TLS, as for `hosts`.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/files.h"
#include "daemon/launcher/follow.h"
#include "daemon/launcher/mpirun.h"
#include "daemon/launcher/squeue.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum {
    QUICK_MS = 1000, // between looks, for the first QUICK_S
    SLOW_MS = 5000,
    QUICK_S = 30,
    LEAVE_S = 60,  // that a job may be COMPLETING until it counts as over
    MISSES = 3,    // looks that find nothing until a job is gone
    GRACE_S = 600, // what it has not cancelled then stays in Slurm's queue
};

static int64_t slots(const ak_daemon *d, int64_t threads)
{
    (void)threads;
    return d->config->slurm_slots;
}

// ---- akssld's part: the command

// sbatch replaces patterns in names of files.
static char *literal(const char *path)
{
    ak_str text = AK_STR_INIT;

    for (; *path; path++)
        ak_str_append_n(&text, *path == '%' ? "%%" : path, *path == '%' ? 2 : 1);
    return ak_str_take(&text);
}

static akssl_status add_options(const ak_launch *l, ak_args *argv)
{
    char *folder = literal(l->folder);
    size_t first = argv->count;

    ak_args_add_words(argv, "--parsable --no-requeue --open-mode=append");
    ak_args_add(argv, "--job-name=akssl-%s", l->run);
    ak_args_add(argv, "--comment=akssl job %" PRId64, l->job->id);
    ak_args_add(argv, "--ntasks=%" PRId64, l->ranks);
    ak_args_add(argv, "--cpus-per-task=%" PRId64, l->job->spec.threads_per_shard);
    ak_args_add(argv, "--chdir=%s", l->folder);
    ak_args_add(argv, "--output=%s/log", folder);
    ak_args_add(argv, "--error=%s/log", folder);
    free(folder);
    if (l->config->slurm_options)
        ak_args_add_words(argv, l->config->slurm_options);
    for (size_t i = first; i < argv->count; i++)
        if (argv->at[i][0] != '-' && argv->at[i - 1][0] != '-')
            return ak_fail(AKSSL_ERR_INVALID, "--slurm-options: '%s' is no option of sbatch",
                           argv->at[i]);
        else if (strcmp(argv->at[i], "--") == 0)
            return ak_fail(AKSSL_ERR_INVALID, "--slurm-options: '--' is no option of sbatch");
    return AKSSL_OK;
}

static akssl_status command(const ak_launch *l, ak_args *argv, ak_args *env)
{
    akssl_status rc;

    ak_args_add(argv, "%s", l->config->self);
    ak_args_add_words(argv, "--follow slurm");
    ak_args_add(argv, "%s", l->run);
    ak_args_add(argv, "%s/run/%s.status", l->folder, l->run);
    ak_args_add(argv, "%s/run/%s.ending", l->folder, l->run);
    ak_args_add(argv, "%s", l->again ? "again" : "first");
    rc = add_options(l, argv);
    ak_args_add(argv, "--");
    if (rc == AKSSL_OK)
        rc = ak_mpirun_begin(l, argv);
    if (rc < 0)
        return rc;
    ak_mpirun_worker(l, argv);
    ak_mpirun_environment(l, env);
    ak_mpirun_elsewhere(env);
    return AKSSL_OK;
}

// ---- the command

typedef struct follower {
    const char *run, *status, *mark; // the files
    char name[64];                   // of the job in Slurm
    bool again;                      // somebody has submitted it before
    bool ending;                     // it is to be cancelled
    bool refused;                    // Slurm holds it for good: it is to be cancelled, too
    bool marked;                     // that is in a file
    bool submitted;
    bool tried; // it may have been submitted: Slurm did not answer
    int misses;
    int64_t start_ns, leaves_ns; // leaves: since when it is COMPLETING
    ak_squeue_job job;           // as it was seen last; id 0: never
    char **options, **ranks;     // of sbatch; what it is to run
    ak_str out, err, told;
} follower;

static void tell(follower *f, bool runs, const char *text)
{
    if (f->told.length && strcmp(f->told.text, text) == 0)
        return;
    ak_str_clear(&f->told);
    if (ak_follow_tell(f->status, runs, text) < 0)
        fprintf(stderr, "akssld: %s\n", ak_error_text()); // and again at the next look
    else
        ak_str_append(&f->told, text);
}

// What a program has complained of, without its line's end.
static const char *complaint(const follower *f)
{
    static const char prefix[] = ": error: ";
    const char *text = f->err.length ? f->err.text : "no word";
    const char *after = strstr(text, prefix);

    return after ? after + sizeof prefix - 1 : text;
}

static void tell_away(follower *f)
{
    const char *text = complaint(f);
    char *line =
        ak_path("Slurm %s: %.*s", ak_squeue_is_full(text) ? "takes no job now" : "does not answer",
                (int)strcspn(text, "\n"), text);

    tell(f, f->job.id && ak_squeue_phase_of(f->job.state) == AK_SQUEUE_RUNS, line);
    free(line);
}

// look asks squeue: 1 when it knows the job, 0 when not, -1 when there is no answer.
static int look(follower *f)
{
    char *argv[] = { (char *)"squeue",
                     (char *)"--noheader",
                     (char *)"--states=all",
                     (char *)"--me",
                     (char *)"--name",
                     f->name,
                     (char *)"--format=" AK_SQUEUE_FORMAT,
                     NULL };
    bool found = false;

    if (ak_follow_run(argv, "", &f->out, &f->err, &f->ending) != 0) {
        tell_away(f);
        return -1;
    }
    if (ak_squeue_parse(f->out.length ? f->out.text : "", &f->job, &found) < 0) {
        fprintf(stderr, "akssld: %s\n", ak_error_text());
        return -1;
    }
    return found;
}

// submit is true when Slurm may have taken it, or cannot be reached now; else it never will.
static bool submit(follower *f)
{
    ak_str script = AK_STR_INIT;
    ak_args argv = { 0 };
    int code;

    ak_str_append(&script, "#!/bin/sh\nexec");
    for (char **word = f->ranks; *word; word++) {
        ak_str_append(&script, " ");
        ak_args_quote(&script, *word);
    }
    ak_str_append(&script, "\n");
    ak_args_add(&argv, "sbatch");
    for (char **word = f->options; *word; word++)
        ak_args_add(&argv, "%s", *word);
    code = ak_follow_run(argv.at, script.text, &f->out, &f->err, &f->ending);
    ak_args_fini(&argv);
    ak_str_fini(&script);
    f->submitted = code == 0;
    f->misses = 0;
    if (code == 0)
        return true;
    if (ak_squeue_is_away(complaint(f)) || ak_squeue_is_full(complaint(f))) {
        f->tried |= code < 0 || ak_squeue_is_away(complaint(f)); // it did not end by itself
        tell_away(f);
        return true;
    }
    fprintf(stderr, "akssld: error: sbatch refuses the run: %s\n", complaint(f));
    return false;
}

static void cancel(follower *f)
{
    char *argv[] = { (char *)"scancel", (char *)"--me", (char *)"--name", f->name, NULL };
    bool told = false;

    if (!f->marked) // tried again with the next one
        f->marked = ak_follow_end(f->mark, !f->ending) == AKSSL_OK;
    if (ak_follow_run(argv, "", &f->out, &f->err, &told) != 0)
        tell_away(f);
}

static int code_of(const ak_squeue_job *job)
{
    if (strcmp(job->state, "CANCELLED") == 0)
        return AK_LAUNCHER_CANCELLED;
    if (strcmp(job->state, "TIMEOUT") == 0 || strcmp(job->state, "DEADLINE") == 0)
        return AK_LAUNCHER_LATE;
    return ak_squeue_took_away(job->state) ? AK_LAUNCHER_GONE : 1;
}

static int end_code(const follower *f)
{
    if (f->ending || strcmp(f->job.state, "COMPLETED") == 0)
        return 0;
    if (f->refused)
        return AK_LAUNCHER_REFUSED;
    fprintf(stderr, "akssld: error: Slurm's job %" PRId64 " has ended: %s (%s)\n", f->job.id,
            f->job.state, f->job.reason);
    return code_of(&f->job);
}

// Slurm forgets a job some minutes after its end; its accounting, where there is one, does not.
static int gone_code(follower *f)
{
    char *argv[] = { (char *)"sacct",
                     (char *)"--noheader",
                     (char *)"--allocations",
                     (char *)"--parsable2",
                     (char *)"--name",
                     f->name,
                     (char *)"--format=State,ExitCode",
                     NULL };
    bool found = false, told = false;

    if (f->ending)
        return 0;
    if (f->refused)
        return AK_LAUNCHER_REFUSED;
    if (ak_follow_run(argv, "", &f->out, &f->err, &told) == 0 &&
        ak_squeue_parse_sacct(f->out.length ? f->out.text : "", &f->job, &found) == AKSSL_OK &&
        found && ak_squeue_phase_of(f->job.state) == AK_SQUEUE_OVER)
        return end_code(f);
    fprintf(stderr, "akssld: error: Slurm no longer knows the run's job\n");
    return AK_LAUNCHER_GONE;
}

static bool is_over(follower *f)
{
    ak_squeue_phase phase = ak_squeue_phase_of(f->job.state);
    char *text;

    if (phase == AK_SQUEUE_LEAVES && !f->leaves_ns)
        f->leaves_ns = ak_clock_ns();
    if (phase == AK_SQUEUE_WAITS && !f->refused && strcmp(f->job.reason, "BadConstraints") == 0) {
        fprintf(stderr, "akssld: error: Slurm holds job %" PRId64 " for good: BadConstraints\n",
                f->job.id);
        f->refused = true;
    }
    if (phase == AK_SQUEUE_OVER ||
        (f->leaves_ns && ak_clock_ns() - f->leaves_ns > LEAVE_S * INT64_C(1000000000)))
        return true;
    text =
        phase == AK_SQUEUE_WAITS
            ? ak_path("Slurm's job %" PRId64 " is %s: %s", f->job.id, f->job.state, f->job.reason)
            : ak_path("Slurm's job %" PRId64 " is %s on %s", f->job.id, f->job.state, f->job.nodes);
    tell(f, phase == AK_SQUEUE_RUNS, text);
    free(text);
    return false;
}

static int watch(follower *f)
{
    for (;;) {
        bool young = ak_clock_ns() - f->start_ns < QUICK_S * INT64_C(1000000000);
        int seen = look(f);

        if (seen > 0) {
            f->misses = 0;
            if (is_over(f)) // also one that is on its way for too long: how, sacct may know
                return ak_squeue_phase_of(f->job.state) == AK_SQUEUE_OVER || f->refused
                           ? end_code(f)
                           : gone_code(f);
        } else if (seen == 0) {
            bool lost = ++f->misses >= MISSES; // else Slurm may still have what it was given

            if (!f->submitted && !f->again && (!f->tried || lost)) {
                if (f->ending)
                    return 0;
                if (!submit(f))
                    return AK_LAUNCHER_REFUSED;
            } else if (lost) {
                return gone_code(f);
            }
        }
        if (f->ending || f->refused)
            cancel(f);
        f->ending |= ak_follow_wait(young || f->ending || f->refused ? QUICK_MS : SLOW_MS);
    }
}

static int follow(char **argv)
{
    follower f = { .start_ns = ak_clock_ns() };
    int code = 2;
    char **at;

    for (int i = 0; i < 5; i++)
        if (!argv[i]) {
            fprintf(stderr, "akssld: --follow is for akssld alone\n");
            return code;
        }
    f.run = argv[0];
    f.status = argv[1];
    f.mark = argv[2];
    f.again = strcmp(argv[3], "again") == 0;
    f.marked = f.again && ak_follow_ending(f.mark, &f.refused);
    f.ending = f.marked && !f.refused;
    f.options = argv + 4;
    for (at = f.options; *at && strcmp(*at, "--") != 0; at++)
        continue;
    if (*at)
        *at++ = NULL;
    f.ranks = at;
    snprintf(f.name, sizeof f.name, "akssl-%s", f.run);
    ak_follow_begin();
    code = watch(&f);
    ak_str_fini(&f.out);
    ak_str_fini(&f.err);
    ak_str_fini(&f.told);
    return code;
}

const ak_launcher ak_launcher_slurm = {
    .name = "slurm",
    .title = "a job of Slurm, by sbatch",
    .slots = slots,
    .command = command,
    .follow = follow,
    .grace_s = GRACE_S,
};
