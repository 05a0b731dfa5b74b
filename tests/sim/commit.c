// tests/sim/commit.c -- rank 0: commits, asked for until they are answered, and the end.

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/state/state.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"
#include "proto/format/manifest.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/rank.h"

enum { CALL_MS = 120000, FINISH_MS = 30000, WRITE_MS = 40, POLL_MS = 100 };

static void decide(sim_rank *rank);

// ---- asking

typedef struct asking {
    sim_rank *rank;
    int64_t step;
    int generation;
    void (*answered)(sim_rank *rank, int generation, akssl_status rc, const char *sentence);
} asking;

static int64_t is_frozen(void *ctx)
{
    return sim_rank_frozen(((asking *)ctx)->rank);
}

static void on_answered(void *ctx, ak_call *call, akssl_status rc, const char *sentence)
{
    asking *a = ctx;
    sim_rank *rank = a->rank;

    (void)call;
    if (sim_rank_is_gone(rank) || rank->finishing || rank->pending != a->step)
        return; // another asking was answered before
    if (rc == AKSSL_OK) {
        sim_oracle_committed(rank->run, a->step);
        rank->pending = -1;
        rank->held = false;
    }
    a->answered(rank, a->generation, rc, sentence);
}

void sim_rank_ask(sim_rank *rank, void (*answered)(sim_rank *rank, int generation, akssl_status rc,
                                                   const char *sentence))
{
    Akssl__V1__CommitRequest request = AKSSL__V1__COMMIT_REQUEST__INIT;
    Akssl__V1__CommitFile files[2], *list[2];
    char bytes[SIM_FILE], digests[2][AK_DIGEST_TEXT];
    asking *a = sim_alloc(sizeof *a);

    *a = (asking){ rank, rank->pending, rank->generation, answered };
    request.has_job = request.has_step = request.has_tensors = 1;
    request.job = rank->run->job;
    request.run = rank->run->id;
    request.step = rank->pending;
    request.tensors = rank->count;
    request.files = list;
    request.n_files = 2;
    for (int i = 0; i < 2; i++) {
        int64_t size = sim_model_file(rank->run->job, rank->pending, i, bytes);

        akssl__v1__commit_file__init(&files[i]);
        ak_digest_memory(bytes, (size_t)size, digests[i]);
        files[i].name = (char *)sim_model_name(i);
        files[i].has_size = 1;
        files[i].size = (uint64_t)size;
        files[i].digest = digests[i];
        list[i] = &files[i];
    }
    sim_net_call(AK_RPC_commit, rank->run->secret, rank->run->id, &request.base, CALL_MS,
                 &(sim_caller){ .ended = on_answered, .ctx = a, .frozen = is_frozen });
}

// ---- without akssld: the tensors and a manifest, for one that comes later

static ak_state *make_state(const sim_rank *rank)
{
    sim_tensor tensors[SIM_TENSORS];
    int count = sim_model_tensors(rank->spec.method, rank->run->job, rank->pending, tensors);
    ak_state *state = ak_state_new();
    int failed = 0;

    for (int i = 0; i < count; i++) {
        ak_state_info info = { .dims = 2,
                               .shape = { tensors[i].rows, SIM_WIDTH },
                               .version = tensors[i].version,
                               .filled = tensors[i].filled,
                               .position = tensors[i].position };

        strcpy(info.name, tensors[i].name);
        failed |= ak_state_declare(state, &info);
        failed |= ak_state_fill(state, info.name, 0, tensors[i].values,
                                (size_t)tensors[i].rows * SIM_WIDTH * sizeof(float));
    }
    if (failed)
        sim_broken("the model's tensors are none: %s", ak_error_text());
    return state;
}

static akssl_status write_alone(const sim_rank *rank)
{
    ak_manifest m = { .job = rank->run->job, .step = rank->pending, .count = 2 };
    ak_state *state = make_state(rank);
    char bytes[SIM_FILE];
    akssl_status rc;

    strcpy(m.run, rank->run->id);
    for (int i = 0; i < 2; i++) {
        int64_t size = sim_model_file(rank->run->job, rank->pending, i, bytes);

        strcpy(m.files[i].name, sim_model_name(i));
        m.files[i].size = (uint64_t)size;
        ak_digest_memory(bytes, (size_t)size, m.files[i].digest);
    }
    rc = ak_state_write(state, rank->pending,
                        sim_format("%s/run/%s.state", rank->run->folder, rank->run->id),
                        &m.state.size, m.state.digest);
    if (rc == AKSSL_OK)
        rc =
            ak_manifest_write(&m, sim_format("%s/run/%s.commit", rank->run->folder, rank->run->id));
    ak_state_free(state);
    return rc;
}

static void commit_alone(sim_rank *rank)
{
    akssl_status rc = write_alone(rank);

    sim_trace("job %" PRId64 ": step %" PRId64 " is committed without akssld: %s", rank->run->job,
              rank->pending, akssl_strstatus(rc));
    rank->alone = true;
    rank->pending = -1;
    sim_rank_leave(rank, rc < 0 ? 1 : 0);
}

// ---- what is pending

static void on_asked(sim_rank *rank, int generation, akssl_status rc, const char *sentence)
{
    if (rc == AKSSL_OK) {
        sim_rank_train(rank);
    } else if (sim_link_passes(rc, false)) {
        if (generation == rank->generation)
            sim_link_drop(rank); // it may be dead without our knowing
        decide(rank);
    } else {
        sim_rank_refused(rank, rc, sim_format("commit: %s", sentence));
    }
}

static void decide(sim_rank *rank)
{
    if (sim_link_alone(rank)) {
        commit_alone(rank);
    } else if (rank->up) {
        sim_rank_ask(rank, on_asked);
    } else {
        rank->held = true;
        sim_rank_train(rank);
    }
}

// A commit waits for the one before it.
static void on_turn(void *ctx)
{
    sim_rank *rank = ctx;

    if (sim_rank_is_gone(rank) || rank->finishing || sim_rank_rests(rank, on_turn, &rank->next))
        return;
    if (rank->pending >= 0 && !sim_link_alone(rank)) {
        sim_after(SIM_WORLD, POLL_MS * SIM_MS, "commit waits", on_turn, rank, &rank->next);
        return;
    }
    rank->pending = rank->committed = rank->step;
    rank->held = false;
    decide(rank);
}

// ---- writing

static int make_folder(const char *path)
{
    int error = sim_disk_refuses(SIM_GROWS);
    sim_node *node;

    if (sim_disk_find(path, &node) == 0)
        return 0;
    return error ? error : sim_disk_make(path, true, &node);
}

static void sync_path(const char *path)
{
    sim_node *node;

    if (sim_disk_find(path, &node) == 0)
        sim_disk_sync(node);
}

static int write_part(const sim_rank *rank)
{
    const char *folder = sim_format("%s/commits/step-%" PRId64, rank->run->folder, rank->step);
    char bytes[SIM_FILE];
    int64_t size = sim_model_file(rank->run->job, rank->step, rank->part, bytes);
    int error = make_folder(sim_format("%s/commits", rank->run->folder));

    if (!error)
        error = make_folder(folder);
    if (!error)
        error = sim_disk_put(sim_format("%s/%s", folder, sim_model_name(rank->part)), bytes, size);
    return error;
}

static void on_part(void *ctx)
{
    sim_rank *rank = ctx;
    int error;

    if (sim_rank_is_gone(rank) || rank->finishing || sim_rank_rests(rank, on_part, &rank->next))
        return;
    if (rank->part == 2) {
        sync_path(sim_format("%s/metrics.jsonl", rank->run->folder));
        sync_path(sim_format("%s/commits", rank->run->folder));
        sync_path(rank->run->folder);
        on_turn(rank);
        return;
    }
    error = write_part(rank);
    if (error) {
        sim_rank_finish(rank, "paused", sim_format("commit: %s", strerror(error)));
        return;
    }
    rank->part++;
    sim_after(SIM_WORLD, sim_range(0, WRITE_MS * SIM_MS), "commit", on_part, rank, &rank->next);
}

void sim_rank_commit(sim_rank *rank)
{
    if (rank->committed == rank->step) {
        sim_rank_train(rank);
        return;
    }
    rank->stage = SIM_COMMITTING;
    rank->part = 0;
    on_part(rank);
}

// ---- the end

static ak_job_state state_of(const char *outcome)
{
    return strcmp(outcome, "succeeded") == 0 ? AK_JOB_SUCCEEDED
           : strcmp(outcome, "failed") == 0  ? AK_JOB_FAILED
           : strcmp(outcome, "paused") == 0  ? AK_JOB_PAUSED
                                             : 0;
}

static void on_tell(void *ctx);

static void on_finished(void *ctx, ak_call *call, akssl_status rc, const char *sentence)
{
    sim_rank *rank = ctx;
    bool again = sim_link_passes(rc, true) && rc != AKSSL_OK &&
                 sim_here->now - rank->finish_at < rank->run->orphan_ms * SIM_MS;

    (void)call, (void)sentence;
    if (sim_rank_is_gone(rank))
        return;
    if (again) {
        sim_after(SIM_WORLD, rank->wait_ms * SIM_MS, "finish again", on_tell, rank, &rank->next);
        rank->wait_ms = rank->wait_ms < 2500 ? rank->wait_ms * 2 + 200 : 5000;
        return;
    }
    if (rc == AKSSL_OK)
        sim_oracle_finished(rank->run, state_of(rank->outcome));
    if (rank->join && rc == AKSSL_OK)
        sim_net_close_send(rank->join);
    sim_rank_leave(rank, rc == AKSSL_OK && strcmp(rank->outcome, "failed") != 0 ? 0 : 1);
}

static void on_tell(void *ctx)
{
    Akssl__V1__FinishRequest request = AKSSL__V1__FINISH_REQUEST__INIT;
    sim_rank *rank = ctx;

    if (sim_rank_is_gone(rank) || sim_rank_rests(rank, on_tell, &rank->next))
        return;
    request.has_job = 1;
    request.job = rank->run->job;
    request.run = rank->run->id;
    request.outcome = (char *)rank->outcome;
    request.reason = (char *)rank->reason;
    request.weights = (char *)"export";
    sim_net_call(AK_RPC_finish, rank->run->secret, rank->run->id, &request.base, FINISH_MS,
                 &(sim_caller){ .ended = on_finished, .ctx = rank, .frozen = sim_rank_frozen });
}

// It tells the end when akssld has all but that; one that failed has nothing to wait for.
static void on_end(void *ctx)
{
    sim_rank *rank = ctx;
    bool failed = strcmp(rank->outcome, "failed") == 0;

    if (sim_rank_is_gone(rank) || sim_rank_rests(rank, on_end, &rank->next))
        return;
    if (!failed && sim_link_alone(rank)) {
        if (rank->pending >= 0)
            commit_alone(rank);
        else
            sim_rank_leave(rank, 0);
    } else if (!failed && (rank->pending >= 0 || !rank->up)) {
        sim_after(SIM_WORLD, POLL_MS * SIM_MS, "end waits", on_end, rank, &rank->next);
    } else {
        rank->finishing = true;
        rank->finish_at = sim_here->now;
        rank->wait_ms = 200;
        on_tell(rank);
    }
}

void sim_rank_finish(sim_rank *rank, const char *outcome, const char *reason)
{
    if (rank->finishing || sim_rank_is_gone(rank))
        return;
    rank->outcome = outcome;
    rank->reason = sim_format("%s", reason);
    sim_cancel(&rank->next);
    on_end(rank);
}
