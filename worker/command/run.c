// worker/command/run.c -- `akssl-worker run`: one rank of a job, started by the daemon under
// mpirun.  Rank 0 joins the daemon and tells the other ranks what the run starts from.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/command/command.h"
#include "worker/leash.h"
#include "worker/train/check.h"
#include "worker/train/machine.h"
#include "worker/train/seed.h"
#include "worker/train/session.h"
#include "worker/uplink.h"

// Bytes, bytes, seconds, and the seconds in which rank 0 must find akssld, if not even longer.
enum { SECRET = 256, PATH = 4096, GRACE = 10, KNOWN_GRACE = 600, JOIN = 120 };

_Static_assert((int)AK_UPLINK_DIMS == (int)AK_SEED_DIMS, "seed() copies shapes");

typedef struct run_flags {
    char *server, *ca, *cert, *key, *run, *secret_file;
    int64_t job, orphan_timeout;
} run_flags;

static const ak_option options[] = {
    AK_OPTION_STRING(run_flags, server, "", NULL, "the daemon's address: unix:PATH, HOST:PORT"),
    AK_OPTION_STRING(run_flags, ca, "", NULL, "CA to trust at HOST:PORT"),
    AK_OPTION_STRING(run_flags, cert, "", NULL, "certificate to show there"),
    AK_OPTION_STRING(run_flags, key, "", NULL, "its key"),
    AK_OPTION_INT(run_flags, job, 0, 0, 9007199254740991, "the job's id"),
    AK_OPTION_STRING(run_flags, run, "", NULL, "the run's id"),
    AK_OPTION_STRING(run_flags, secret_file, "", NULL, "file that holds the run's secret"),
    AK_OPTION_INT(run_flags, orphan_timeout, 3600, 1, 31536000,
                  "seconds that the run goes on without the daemon"),
    AK_OPTION_END,
};

// What rank 0 learns by joining, as all ranks get it.
typedef struct start {
    int64_t resume_step;
    char folder[PATH], commit[PATH];
    char spec[AK_SPEC_MAX_FILE];
} start;

// ---- the session's link, by the uplink

static akssl_status restore(void *ctx, ak_state *state)
{
    const ak_uplink_tensor *t = ak_uplink_tensor_find(ctx, state->name);

    if (!t || t->dims != 2 || t->shape[0] != state->length || t->shape[1] != state->width)
        return ak_fail(AKSSL_ERR_CORRUPT, "the coordinator's %s is missing or of another shape",
                       state->name);
    memcpy(state->rows, t->data, t->size);
    state->version = t->version;
    state->filled = t->filled;
    state->position = t->position;
    return AKSSL_OK;
}

// Another job's tensors came instead of this run's own.
static akssl_status seed(void *ctx, ak_state *state)
{
    ak_seed seeds[AK_UPLINK_TENSORS];
    int count = ak_uplink_tensor_count(ctx);

    for (int i = 0; i < count; i++) {
        const ak_uplink_tensor *t = ak_uplink_tensor_at(ctx, i);

        seeds[i] = (ak_seed){ .name = t->name,
                              .dims = t->dims,
                              .filled = t->filled,
                              .position = t->position,
                              .rows = t->data };
        memcpy(seeds[i].shape, t->shape, sizeof seeds[i].shape);
    }
    return ak_seed_take(state, seeds, count);
}

static ak_uplink_tensor tensor_of(const ak_state *state)
{
    return (ak_uplink_tensor){ .name = state->name,
                               .dims = 2,
                               .shape = { state->length, state->width },
                               .version = state->version,
                               .filled = state->filled,
                               .position = state->position,
                               .data = state->rows,
                               .size = (size_t)(state->length * state->width) * sizeof(float) };
}

static akssl_status declare(void *ctx, const ak_state *state)
{
    const ak_uplink_tensor t = tensor_of(state);

    return ak_uplink_declare(ctx, &t);
}

// Of more rows than the ring has, the last stay: the others need not travel.
static akssl_status push(void *ctx, const ak_state *state, const float *rows, int64_t count)
{
    int64_t skipped = count > state->length ? count - state->length : 0;
    const ak_uplink_rows sent = {
        .rows = rows + skipped * state->width,
        .bytes = (size_t)((count - skipped) * state->width) * sizeof(float),
        .skipped = skipped,
    };

    return ak_uplink_push(ctx, state->name, state->version, &sent);
}

static akssl_status replace(void *ctx, const ak_state *state)
{
    const ak_uplink_tensor t = tensor_of(state);

    return ak_uplink_replace(ctx, &t);
}

static int copy_results(const ak_results *from, ak_uplink_metric to[AK_RESULTS])
{
    for (int i = 0; i < from->count; i++)
        to[i] = (ak_uplink_metric){ from->row[i].name, from->row[i].value };
    return from->count;
}

static void report(void *ctx, const ak_progress *p, const ak_results *results)
{
    ak_uplink_metric gauges[AK_METHOD_GAUGES], figures[AK_RESULTS];
    ak_uplink_progress progress = {
        .step = p->step,
        .total_steps = p->total_steps,
        .epoch = p->epoch,
        .loss = p->loss,
        .lr = p->lr,
        .images_per_s = p->images_per_s,
        .eta_s = p->eta_s,
        .gauges = gauges,
        .gauge_count = p->gauge_count,
        .warnings = p->warnings,
        .warning_count = p->warning_count,
    };

    for (int i = 0; i < p->gauge_count; i++)
        gauges[i] = (ak_uplink_metric){ p->gauges[i].name, p->gauges[i].value };
    ak_uplink_report(ctx, &progress, figures, copy_results(results, figures));
}

static akssl_status hold(void *ctx, int64_t step)
{
    return ak_uplink_hold(ctx, step);
}

static void release(void *ctx)
{
    ak_uplink_release(ctx);
}

static akssl_status commit(void *ctx, int64_t step, const ak_commit_file *files, int count)
{
    ak_uplink_file sent[AK_COMMIT_FILES];

    for (int i = 0; i < count; i++)
        sent[i] = (ak_uplink_file){ files[i].name, files[i].size, files[i].digest };
    return ak_uplink_commit(ctx, step, sent, count);
}

static bool stop(void *ctx)
{
    return ak_uplink_stop_requested(ctx);
}

// ---- starting

static akssl_status read_secret(const char *path, char secret[SECRET])
{
    FILE *file = fopen(path, "r");

    if (!file || !fgets(secret, SECRET, file)) {
        if (file)
            fclose(file);
        return ak_fail(AKSSL_ERR_NOT_FOUND, "secret-file '%s' cannot be read", path);
    }
    fclose(file);
    secret[strcspn(secret, "\r\n")] = '\0';
    return AKSSL_OK;
}

static akssl_status join(const run_flags *f, ak_comm *comm, ak_uplink **uplink, start *s)
{
    int64_t patience = f->orphan_timeout > JOIN ? f->orphan_timeout : JOIN;
    const ak_uplink_welcome *welcome;
    char secret[SECRET];
    akssl_status rc;

    if (!f->server[0] || !f->run[0] || !f->secret_file[0] || !f->job)
        return ak_fail(AKSSL_ERR_INVALID,
                       "run needs --server, --job, --run and --secret-file: akssld gives them");
    rc = read_secret(f->secret_file, secret);
    if (rc == AKSSL_OK)
        rc = ak_uplink_open(uplink, &(ak_uplink_target){ .server = f->server,
                                                         .ca = f->ca,
                                                         .cert = f->cert,
                                                         .key = f->key,
                                                         .secret = secret,
                                                         .run = f->run,
                                                         .job = f->job,
                                                         .ranks = ak_comm_size(comm),
                                                         .join_ms = patience * 1000,
                                                         .orphan_ms = f->orphan_timeout * 1000 });
    if (rc < 0)
        return rc;
    welcome = ak_uplink_state(*uplink);
    if (strlen(welcome->folder) >= PATH || strlen(welcome->commit) >= PATH ||
        strlen(welcome->spec_yaml) >= sizeof s->spec)
        return ak_fail(AKSSL_ERR_LIMIT, "the daemon's welcome is too long");
    s->resume_step = welcome->resume_step;
    strcpy(s->folder, welcome->folder);
    strcpy(s->commit, welcome->commit);
    strcpy(s->spec, welcome->spec_yaml);
    return AKSSL_OK;
}

static akssl_status run_session(ak_comm *comm, ak_uplink *uplink, const start *s,
                                ak_outcome *outcome)
{
    const ak_link link = { .restore = restore,
                           .seed = seed,
                           .declare = declare,
                           .push = push,
                           .replace = replace,
                           .report = report,
                           .hold = hold,
                           .commit = commit,
                           .release = release,
                           .stop = stop,
                           .ctx = uplink };
    ak_session session = { .comm = comm,
                           .link = uplink ? &link : NULL,
                           .folder = s->folder,
                           .resume_step = s->resume_step,
                           .commit = s->commit };
    akssl_status rc;
    ak_spec spec;

    ak_spec_init(&spec);
    session.spec = &spec;
    rc = ak_spec_read_yaml(&spec, s->spec, strlen(s->spec), "the job's spec");
    if (rc == AKSSL_OK)
        rc = ak_check_spec(&spec);
    if (rc == AKSSL_OK)
        rc = ak_machine_settle(&spec, s->commit, comm, &outcome->unwritten);
    if (rc == AKSSL_OK)
        rc = ak_session_run(&session, outcome);
    ak_spec_fini(&spec);
    return rc;
}

// Rank 0 tells the daemon how it ended.  A run that was without one for too long, or that a signal
// ends, tells nothing: the next daemon takes the job up again from its last commit.
static akssl_status finish(ak_uplink *uplink, akssl_status rc, ak_outcome *outcome)
{
    bool unwritten = rc < 0 && (outcome->unwritten || ak_uplink_unstored(uplink));
    const char *how = unwritten          ? "paused"
                      : rc < 0           ? "failed"
                      : outcome->paused  ? "paused"
                      : outcome->stopped ? "stopped"
                                         : "succeeded";
    const char *reason = rc < 0 ? ak_error_text() : outcome->paused ? outcome->reason.text : "";
    ak_uplink_metric figures[AK_RESULTS];
    ak_str sentence = AK_STR_INIT;
    akssl_status told;

    ak_str_append(&sentence, reason);
    if (unwritten)
        ak_str_append(&sentence, "; the job is paused: put that right, then resume it");
    told = ak_uplink_finish(uplink, how, sentence.text, figures,
                            copy_results(&outcome->results, figures),
                            outcome->weights.text ? outcome->weights.text : "");
    if (rc < 0) // its own sentence stays
        told = ak_fail(rc, "%s", sentence.text);
    ak_str_fini(&sentence);
    return told;
}

static akssl_status run_rank(const run_flags *f, ak_comm *comm, start *s)
{
    bool root = ak_comm_rank(comm) == 0;
    ak_outcome outcome = { 0 };
    ak_uplink *uplink = NULL;
    akssl_status rc = root ? join(f, comm, &uplink, s) : AKSSL_OK;

    if (ak_comm_agree(comm, rc < 0)) {
        ak_uplink_close(uplink);
        return rc < 0 ? rc : ak_fail(AKSSL_ERR_CANCELLED, "rank 0 cannot join the daemon");
    }
    ak_comm_broadcast(comm, s, sizeof *s);
    rc = run_session(comm, uplink, s, &outcome);
    if (root)
        rc = finish(uplink, rc, &outcome);
    ak_uplink_close(uplink);
    ak_str_fini(&outcome.weights);
    ak_str_fini(&outcome.reason);
    return rc;
}

// Ends all ranks, which may be waiting for this one.  Rank 0, which tells the daemon why, goes
// first.  Where it knows of the failure, it may have a commit to end, and akssld to wait for,
// before it pulls the others down; where it does not, it waits for this rank, which pulls it down
// soon.
static void leave(const run_flags *f, ak_comm *comm, akssl_status rc, int code)
{
    int64_t seconds = ak_comm_fails(comm) ? f->orphan_timeout + KNOWN_GRACE : GRACE;

    if (rc != AKSSL_ERR_CANCELLED)
        fprintf(stderr, "akssl-worker: rank %d: %s\n", ak_comm_rank(comm), ak_error_text());
    fflush(stderr);
    if (ak_comm_rank(comm) > 0)
        for (; seconds > 0; seconds--)
            sleep(1);
    ak_comm_abort(comm, code);
}

static int run(void *self)
{
    ak_comm *comm;
    start *s = ak_alloc(1, sizeof *s);
    akssl_status rc;
    int code;

    ak_leash_start(((const run_flags *)self)->secret_file);
    rc = ak_comm_open(&comm);

    if (rc < 0) {
        free(s);
        return AK_EXIT_FAILED;
    }
    rc = run_rank(self, comm, s);
    code = rc < 0 ? AK_EXIT_FAILED : AK_EXIT_OK;
    free(s);
    if (code != AK_EXIT_OK && ak_comm_size(comm) > 1)
        leave(self, comm, rc, code);
    ak_comm_close(comm);
    return code;
}

const ak_command ak_command_run = {
    .name = "run",
    .help = "be one rank of a job (started by akssld under mpirun)",
    .options = options,
    .self_size = sizeof(run_flags),
    .run = run,
};
