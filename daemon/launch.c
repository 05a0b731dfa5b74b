// daemon/launch.c -- what a run does before and around its processes.

#include "daemon/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/fallback.h"
#include "daemon/files.h"
#include "daemon/guard.h"
#include "daemon/launcher/follow.h"
#include "daemon/launcher/launcher.h"
#include "daemon/seed.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

extern char **environ;

// ---- work: prepare and tidy

typedef void (*launch_done)(ak_run *run, akssl_status rc, const char *error);

typedef struct job_work {
    ak_run *run;
    launch_done done;
    ak_state *state, *seed;
    ak_commit *commits; // that the store knows, newest first
    int count;
    bool doubtful;            // there may be more of them
    int chosen;               // the one to resume from
    ak_str wrong;             // with those before it
    ak_str stays;             // why an old commit could not be removed; "": they are
    const char *state_digest; // of the state to start from; NULL: none
} job_work;

// choose takes the newest commit that is whole.
static akssl_status choose(job_work *w)
{
    char *folder = ak_path("%s/commits", w->run->folder);
    akssl_status rc =
        ak_commit_choose(w->commits, w->count, folder, &w->chosen, &w->state, &w->wrong);

    free(folder);
    if (rc == AKSSL_ERR_CORRUPT)
        return ak_wrap(rc,
                       "no commit is whole: put its files back and resume, or begin again with "
                       "`akssl-client resume --from-start %" PRId64 "`",
                       w->run->job->id);
    return rc < 0 ? ak_wrap(rc, "a commit cannot be read (move its file away, and the job goes on "
                                "from the one before)")
                  : AKSSL_OK;
}

// sweep removes what no row knows of.  Where one may turn up after a crash, the next launch does
// it.
static akssl_status sweep(job_work *w)
{
    char *folder = ak_path("%s/commits", w->run->folder);
    int64_t *steps = ak_alloc((size_t)w->count + 1, sizeof *steps);
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < w->count; i++)
        steps[i] = w->commits[i].step;
    if (!w->doubtful)
        rc = ak_commit_sweep(folder, steps, w->count, INT64_MAX);
    free(steps);
    free(folder);
    return rc;
}

static akssl_status prepare(void *ctx)
{
    job_work *w = ctx;
    akssl_status rc = AKSSL_OK;

    if (w->run->resuming)
        rc = choose(w);
    else
        w->state = ak_state_new();
    if (w->state_digest && rc == AKSSL_OK)
        rc = ak_seed_read(&w->seed, w->run->folder, w->state_digest);
    if (rc == AKSSL_OK && sweep(w) < 0) // what is too much is in nobody's way
        ak_str_format(&w->stays, "%s", ak_error_text());
    return rc;
}

static akssl_status tidy(void *ctx)
{
    job_work *w = ctx;
    char *folder = ak_path("%s/run", w->run->folder);
    akssl_status rc;

    if (sweep(w) < 0)
        ak_str_format(&w->stays, "%s", ak_error_text());
    rc = ak_files_remove(folder);
    free(folder);
    ak_guard_clean(w->run->id);
    return rc;
}

static void on_done(void *ctx, akssl_status rc, const char *error)
{
    job_work *w = ctx;
    ak_run *run = w->run;
    launch_done done = w->done;

    if (rc == AKSSL_OK && w->chosen > 0) {
        rc = ak_fallback_take(run, w->commits, w->chosen, w->wrong.text);
        error = ak_error_text();
    }
    if (w->stays.length)
        ak_log_write(run->d->log, AK_LOG_WARN, "job %" PRId64 ": an old commit stays: %s",
                     run->job->id, w->stays.text);
    if (w->state && run->state)
        ak_state_free(w->state);
    else if (w->state)
        run->state = w->state;
    if (w->seed)
        run->seed = w->seed;
    free(w->commits);
    ak_str_fini(&w->wrong);
    ak_str_fini(&w->stays);
    free(w);
    done(run, rc, error);
    ak_run_work_done(run);
}

static job_work *work_new(ak_run *run, launch_done done)
{
    job_work *w = ak_alloc(1, sizeof *w);

    w->run = run;
    w->done = done;
    return w;
}

static void start(job_work *w, ak_work_run what)
{
    ak_run *run = w->run;
    akssl_status rc;

    run->works++;
    w->doubtful = ak_store_is_doubtful(run->d->store);
    rc = ak_store_commits(run->d->store, run->job->id, &w->commits, &w->count);
    if (rc < 0) // without the list nothing may be removed
        on_done(w, rc, ak_error_text());
    else
        ak_work_start(&run->d->loop, what, on_done, w);
}

void ak_launch_prepare(ak_run *run, launch_done done)
{
    job_work *w = work_new(run, done);

    if (!run->resuming && run->job->spec.state_from)
        w->state_digest = run->job->spec.state_digest;
    start(w, prepare);
}

void ak_launch_tidy(ak_run *run, launch_done done)
{
    start(work_new(run, done), tidy);
}

// ---- spawn

char *ak_launch_file(const ak_run *run, const char *kind)
{
    return ak_path("%s/run/%s.%s", run->folder, run->id, kind);
}

static akssl_status write_secret(const ak_run *run)
{
    char *path = ak_launch_file(run, "secret");
    char *folder = ak_path("%s/run", run->folder);
    akssl_status rc = ak_files_make(folder);

    if (rc == AKSSL_OK)
        rc = ak_files_write(path, run->secret, strlen(run->secret));
    free(folder);
    free(path);
    return rc < 0 ? ak_wrap(rc, "the run's secret") : AKSSL_OK;
}

static akssl_status write_places(const ak_run *run)
{
    char *path = ak_launch_file(run, "hosts");
    ak_str text = AK_STR_INIT;
    akssl_status rc = AKSSL_OK;

    ak_hostlist_text(&run->places, &text);
    if (run->places.count)
        rc = ak_files_write(path, text.text, text.length);
    ak_str_fini(&text);
    free(path);
    return rc;
}

static akssl_status read_places(ak_run *run)
{
    char *path = ak_launch_file(run, "hosts");
    ak_str text = AK_STR_INIT;
    akssl_status rc =
        ak_launcher_of(run->job)->place ? ak_files_read(path, AK_HOSTLIST_TEXT, &text) : AKSSL_OK;

    if (rc == AKSSL_OK && text.length)
        rc = ak_hostlist_parse(&run->places, text.text);
    ak_str_fini(&text);
    free(path);
    return rc < 0 ? ak_wrap(rc, "where its ranks are") : AKSSL_OK;
}

akssl_status ak_launch_read(ak_run *run)
{
    char *path = ak_launch_file(run, "secret");
    ak_str text = AK_STR_INIT;
    akssl_status rc = ak_files_read(path, sizeof run->secret, &text);

    if (rc == AKSSL_OK && (text.length != sizeof run->secret - 1 ||
                           strspn(text.text, "0123456789abcdef") != text.length))
        rc = ak_fail(AKSSL_ERR_CORRUPT, "'%s' holds no secret", path);
    if (rc == AKSSL_OK)
        memcpy(run->secret, text.text, sizeof run->secret);
    ak_str_fini(&text);
    free(path);
    return rc < 0 ? rc : read_places(run);
}

static akssl_status open_log(ak_run *run, int *fd)
{
    char *path = ak_path("%s/log", run->folder);
    struct stat st;
    akssl_status rc = AKSSL_OK;

    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (*fd < 0)
        rc = ak_fail_errno(errno, "log '%s' cannot be opened", path);
    else
        run->log_start = fstat(*fd, &st) == 0 ? st.st_size : 0;
    free(path);
    return rc;
}

static akssl_status make_command(ak_run *run, bool again, ak_args *argv, ak_args *env)
{
    char *exit_file = ak_launch_file(run, "exit"), *secret = ak_launch_file(run, "secret");
    const ak_launch launch = { .config = run->d->config,
                               .job = run->job,
                               .run = run->id,
                               .folder = run->folder,
                               .secret_file = secret,
                               .ranks = run->job->ranks,
                               .places = &run->places,
                               .again = again };
    const ak_launcher *launcher = ak_launcher_of(run->job);
    akssl_status rc;

    ak_args_add(argv, "%s", run->d->config->self); // guard.h
    ak_args_add(argv, "--guard");
    ak_args_add(argv, "%s", exit_file);
    for (char **at = environ; *at; at++)
        ak_args_add(env, "%s", *at);
    rc = launcher->command(&launch, argv, env);
    if (launcher->grace_s) {
        char grace[24];

        snprintf(grace, sizeof grace, "%" PRId64, launcher->grace_s);
        ak_args_set(env, "AKSSL_GRACE", grace); // guard.h
    }
    free(exit_file);
    free(secret);
    return rc;
}

static akssl_status spawn(ak_run *run, const ak_args *argv, const ak_args *env, int log,
                          uv_exit_cb exited)
{
    uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE } };
    uv_process_options_t options = { 0 };
    int rc;

    for (int i = 1; i < 3; i++) {
        stdio[i].flags = UV_INHERIT_FD;
        stdio[i].data.fd = log;
    }
    options.file = argv->at[0];
    options.args = argv->at;
    options.env = env->at;
    options.cwd = run->folder;
    options.stdio = stdio;
    options.stdio_count = 3;
    options.flags = UV_PROCESS_DETACHED; // a session of its own
    options.exit_cb = exited;
    run->process.data = run;
    run->handles++;
    rc = uv_spawn(&run->d->loop, &run->process, &options);
    if (rc < 0)
        return ak_fail_errno(-rc, "'%s' cannot be started", argv->at[0]);
    run->alive = true;
    return AKSSL_OK;
}

static akssl_status launch(ak_run *run, bool again, uv_exit_cb exited)
{
    ak_args argv = { 0 }, env = { 0 };
    int log = -1;
    akssl_status rc = open_log(run, &log);

    if (rc == AKSSL_OK)
        rc = make_command(run, again, &argv, &env);
    if (rc == AKSSL_OK)
        rc = spawn(run, &argv, &env, log, exited);
    if (log >= 0)
        close(log);
    ak_args_fini(&argv);
    ak_args_fini(&env);
    return rc;
}

akssl_status ak_launch_spawn(ak_run *run, uv_exit_cb exited)
{
    akssl_status rc = write_secret(run);

    if (rc == AKSSL_OK)
        rc = write_places(run);
    return rc < 0 ? rc : launch(run, false, exited);
}

akssl_status ak_launch_again(ak_run *run, uv_exit_cb exited)
{
    return launch(run, true, exited);
}

char *ak_launch_look(const ak_run *run, bool *runs)
{
    char *path = ak_launch_file(run, "status");
    ak_str text = AK_STR_INIT;
    akssl_status rc = ak_follow_read(path, runs, &text);
    char *sentence = rc == AKSSL_OK ? ak_str_take(&text) : NULL;

    ak_str_fini(&text);
    free(path);
    return sentence;
}

// ---- the log's last words

enum { TAIL = 16 << 10, MAX_WORDS = 400 };

// What a worker says before it ends.
static const char worker_says[] = "akssl-worker: ";

// A worker's last words say it best, unless it goes on behind them; else any line that speaks of an
// error and is not mpirun's own; else the last line.
static int worth(const char *line)
{
    static const char *const chatter[] = { "---",
                                           "mpirun",
                                           "prterun",
                                           "Primary job",
                                           "[",
                                           "Node",
                                           "PID",
                                           "Local ",
                                           "Process ",
                                           "MPI_ABORT",
                                           "with errorc",
                                           "Errorcode",
                                           "NOTE: inv",
                                           "You may or may not",
                                           "exactly when",
                                           "a non-zero ",
                                           "Exit code",
                                           "the job to be terminated",
                                           NULL };

    line += strspn(line, " \t");
    if (!line[0])
        return 0;
    if (strncmp(line, worker_says, sizeof worker_says - 1) == 0)
        return strstr(line, ": bad ") || strstr(line, " goes on ") ? 1 : 3;
    for (int i = 0; chatter[i]; i++)
        if (strncmp(line, chatter[i], strlen(chatter[i])) == 0)
            return 0;
    return strstr(line, "rror") ? 2 : 1;
}

static const char *best_line(char *text)
{
    const char *best = "";
    int best_worth = 1;
    char *rest = NULL;

    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        int value = worth(line);

        if (value >= best_worth) {
            best = line;
            best_worth = value;
        }
    }
    return best;
}

char *ak_launch_last_words(const ak_run *run)
{
    char *path = ak_path("%s/log", run->folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char text[TAIL + 1];
    ssize_t n = 0;
    const char *words;

    if (fd >= 0 && fstat(fd, &st) == 0) {
        int64_t from = st.st_size - TAIL > run->log_start ? st.st_size - TAIL : run->log_start;

        n = pread(fd, text, TAIL, from);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    text[n > 0 ? n : 0] = '\0';
    words = best_line(text);
    words += strspn(words, " \t");
    if (strncmp(words, worker_says, sizeof worker_says - 1) == 0)
        words += sizeof worker_says - 1;
    else if (strncmp(words, "akssld: error: ", strlen("akssld: error: ")) == 0)
        words += strlen("akssld: error: "); // of a command that follows
    return ak_str_clean(ak_path("%.*s", MAX_WORDS, words));
}
