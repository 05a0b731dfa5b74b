// tests/sim/commit.c -- rank 0: commits and the end.

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proto/format/digest.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/rank.h"

enum { CALL_MS = 120000, WRITE_MS = 40 };

static bool is_gone(const sim_rank *rank)
{
    return !rank->run->rank[0]->alive || rank->stage == SIM_LEAVING;
}

static void go_on(sim_rank *rank)
{
    if (rank->stop)
        sim_rank_finish(rank, "stopped", "");
    else if (rank->step == rank->spec.epochs)
        sim_rank_finish(rank, "succeeded", "");
    else
        sim_rank_train(rank);
}

// ---- asking

static void on_answered(void *ctx, ak_call *call, akssl_status rc, const char *sentence)
{
    sim_rank *rank = ctx;

    (void)call;
    if (is_gone(rank))
        return;
    if (rc == AKSSL_OK) {
        sim_oracle_committed(rank->run, rank->committing);
        rank->committed = rank->committing;
        go_on(rank);
    } else if (rank->join && rc != AKSSL_ERR_UNAVAILABLE && rc != AKSSL_ERR_CANCELLED) {
        sim_rank_finish(rank, "failed", sim_format("commit: %s", sentence));
    } // else the stream is lost, too, or about to be
    else if (rank->join)
        sim_rank_leave(rank, 1);
}

static void ask(sim_rank *rank)
{
    Akssl__V1__CommitRequest request = AKSSL__V1__COMMIT_REQUEST__INIT;
    Akssl__V1__CommitFile files[2], *list[2];
    char bytes[SIM_FILE], digests[2][AK_DIGEST_TEXT];

    request.has_job = request.has_step = 1;
    request.job = rank->run->job;
    request.run = rank->run->id;
    request.step = rank->committing = rank->step;
    request.files = list;
    request.n_files = 2;
    for (int i = 0; i < 2; i++) {
        int64_t size = sim_model_file(rank->run->job, rank->step, i, bytes);

        akssl__v1__commit_file__init(&files[i]);
        ak_digest_memory(bytes, (size_t)size, digests[i]);
        files[i].name = (char *)sim_model_name(i);
        files[i].has_size = 1;
        files[i].size = (uint64_t)size;
        files[i].digest = digests[i];
        list[i] = &files[i];
    }
    sim_net_call(AK_RPC_commit, rank->run->secret, rank->run->id, &request.base, CALL_MS,
                 &(sim_caller){ NULL, on_answered, rank });
}

// ---- writing

static int make_folder(const char *path)
{
    sim_node *node;
    int error = sim_here->disk->full && sim_disk_find(path, &node)
                    ? ENOSPC
                    : sim_disk_make(path, true, &node);

    return error == EEXIST ? 0 : error;
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

    if (is_gone(rank))
        return;
    if (rank->part == 2) {
        sync_path(sim_format("%s/metrics.jsonl", rank->run->folder));
        sync_path(sim_format("%s/commits", rank->run->folder));
        sync_path(rank->run->folder);
        ask(rank);
        return;
    }
    error = write_part(rank);
    if (error) {
        sim_rank_finish(rank, "failed", sim_format("commit: %s", strerror(error)));
        return;
    }
    rank->part++;
    sim_after(SIM_WORLD, sim_range(0, WRITE_MS * SIM_MS), "commit", on_part, rank, &rank->next);
}

void sim_rank_commit(sim_rank *rank)
{
    if (rank->committed == rank->step) {
        go_on(rank);
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

static void on_finished(void *ctx, ak_call *call, akssl_status rc, const char *sentence)
{
    sim_rank *rank = ctx;

    (void)call, (void)sentence;
    if (is_gone(rank))
        return;
    if (rc == AKSSL_OK)
        sim_oracle_finished(rank->run, state_of(rank->outcome));
    if (rank->join && rc == AKSSL_OK)
        sim_net_close_send(rank->join);
    sim_rank_leave(rank, rc == AKSSL_OK && strcmp(rank->outcome, "failed") != 0 ? 0 : 1);
}

void sim_rank_finish(sim_rank *rank, const char *outcome, const char *reason)
{
    Akssl__V1__FinishRequest request = AKSSL__V1__FINISH_REQUEST__INIT;

    rank->finishing = true;
    rank->outcome = outcome;
    rank->reason = reason;
    request.has_job = 1;
    request.job = rank->run->job;
    request.run = rank->run->id;
    request.outcome = (char *)outcome;
    request.reason = (char *)reason;
    request.weights = (char *)"export";
    sim_net_call(AK_RPC_finish, rank->run->secret, rank->run->id, &request.base, 30000,
                 &(sim_caller){ NULL, on_finished, rank });
}
