// tests/sim/rank.c -- rank 0: its first moment, its steps, its last.

#include "tests/sim/rank.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"

enum { JOIN_MS = 1000, LEAVE_MS = 300 };

bool sim_rank_is_gone(const sim_rank *rank)
{
    return !rank->run->rank[0]->alive || rank->stage == SIM_LEAVING;
}

int64_t sim_rank_frozen(void *ctx)
{
    const sim_rank *rank = ctx;

    return rank->run->rank[0]->alive ? rank->frozen_until : 0;
}

bool sim_rank_rests(sim_rank *rank, sim_action action, sim_event **holder)
{
    int64_t left = sim_rank_frozen(rank) - sim_here->now;

    if (left > 0)
        sim_after(SIM_WORLD, left, "thaws", action, rank, holder);
    return left > 0;
}

// ---- the end

static void on_leave(void *ctx)
{
    sim_rank *rank = ctx;

    sim_procs_exit(rank->run->rank[0], rank->code, 0);
}

// The other ranks leave with rank 0 when all is well; else mpirun ends them.
static void on_all_leave(void *ctx)
{
    sim_rank *rank = ctx;

    for (int i = 1; i < rank->run->ranks && i < 64; i++)
        if (rank->run->rank[i] && rank->run->rank[i]->alive)
            sim_procs_exit(rank->run->rank[i], 0, 0);
    on_leave(rank);
}

void sim_rank_leave(sim_rank *rank, int code)
{
    if (rank->stage == SIM_LEAVING)
        return;
    rank->stage = SIM_LEAVING;
    rank->code = code;
    sim_cancel(&rank->next);
    sim_cancel(&rank->link);
    sim_after(SIM_WORLD, sim_range(0, LEAVE_MS * SIM_MS), "rank 0 leaves",
              code ? on_leave : on_all_leave, rank, &rank->next);
}

void sim_rank_gone(sim_run *run)
{
    sim_rank *rank = run->model;

    if (!rank)
        return;
    sim_cancel(&rank->next);
    sim_cancel(&rank->link);
    if (rank->join)
        sim_net_drop(rank->join);
    rank->join = NULL;
    rank->stage = SIM_LEAVING;
    if (rank->has_spec)
        ak_spec_fini(&rank->spec);
    rank->has_spec = false;
}

// ---- the beginning

static void on_begin(void *ctx)
{
    sim_rank *rank = ctx;
    sim_node *node;

    if (sim_rank_is_gone(rank) || sim_rank_rests(rank, on_begin, &rank->next))
        return;
    if (sim_disk_find(rank->run->secret_file, &node)) {
        sim_rank_leave(rank, 1);
        return;
    }
    rank->run->secret = sim_alloc((size_t)node->size + 1);
    sim_disk_read(node, 0, rank->run->secret, node->size);
    sim_link_open(rank);
}

void sim_rank_start(sim_run *run)
{
    sim_rank *rank = sim_alloc(sizeof *rank);

    rank->run = run;
    rank->stage = SIM_JOINING;
    rank->committed = rank->pending = -1;
    run->model = rank;
    sim_after(SIM_WORLD, sim_range(0, JOIN_MS * SIM_MS), "rank 0 begins", on_begin, rank,
              &rank->next);
}

// ---- metrics.jsonl

// Figures of steps after the commit are cut off; those up to it are there once each.
static void cut_metrics(const sim_rank *rank)
{
    const char *path = sim_format("%s/metrics.jsonl", rank->run->folder);
    sim_node *node;
    int64_t at = 0;

    if (sim_disk_find(path, &node) && sim_disk_make(path, false, &node))
        return; // the folder is gone: the first commit says so
    for (int64_t step = 1; step <= rank->step; step++) {
        const char *line = sim_model_line(step);
        int64_t n = (int64_t)strlen(line);

        if (at + n > node->size || memcmp(node->data + at, line, (size_t)n) != 0)
            sim_broken("job %" PRId64 ": metrics.jsonl has no step %" PRId64 " of %" PRId64
                       ", or has one twice",
                       rank->run->job, step, rank->step);
        at += n;
    }
    sim_disk_truncate(node, at);
}

// can_write ends a run that cannot write its metrics.
static bool can_write(sim_rank *rank)
{
    int error = sim_disk_refuses(SIM_CHANGES);

    if (error)
        sim_rank_finish(rank, "paused", sim_format("metrics: %s", strerror(error)));
    return !error;
}

static void write_metrics(const sim_rank *rank)
{
    const char *path = sim_format("%s/metrics.jsonl", rank->run->folder);
    const char *line = sim_model_line(rank->step);
    sim_node *node;

    if (sim_disk_find(path, &node) == 0)
        sim_disk_write(node, node->size, line, (int64_t)strlen(line));
}

// ---- steps

static void on_reported(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    sim_rank *rank = ctx;

    (void)call;
    if (!sim_rank_is_gone(rank) && ((const Akssl__V1__ReportReply *)message)->stop)
        rank->stop = true;
}

static void report(sim_rank *rank)
{
    Akssl__V1__ReportRequest request = AKSSL__V1__REPORT_REQUEST__INIT;
    Akssl__V1__Progress progress = AKSSL__V1__PROGRESS__INIT;

    progress.has_step = progress.has_total_steps = 1;
    progress.step = rank->step;
    progress.total_steps = rank->spec.epochs;
    request.has_job = 1;
    request.job = rank->run->job;
    request.run = rank->run->id;
    request.progress = &progress;
    sim_net_call(AK_RPC_report, rank->run->secret, rank->run->id, &request.base, 5000,
                 &(sim_caller){ .message = on_reported, .ctx = rank, .frozen = sim_rank_frozen });
}

static void on_step(void *ctx)
{
    sim_rank *rank = ctx;
    int64_t every = rank->spec.commit_every ? rank->spec.commit_every : rank->spec.epochs;

    if (sim_rank_is_gone(rank) || sim_rank_rests(rank, on_step, &rank->next))
        return;
    if (rank->step < rank->spec.epochs) {
        rank->step++;
        if (!can_write(rank))
            return;
        write_metrics(rank);
        sim_link_step(rank);
        if (sim_chance(30))
            report(rank);
    }
    if (rank->stop || rank->step % every == 0 || rank->step == rank->spec.epochs)
        sim_rank_commit(rank);
    else
        sim_rank_train(rank);
}

void sim_rank_refused(sim_rank *rank, akssl_status rc, const char *sentence)
{
    sim_rank_finish(rank, ak_is_unwritten(rc) ? "paused" : "failed", sentence);
}

void sim_rank_train(sim_rank *rank)
{
    if (rank->committed == rank->step && rank->stop) {
        sim_rank_finish(rank, "stopped", "");
    } else if (rank->committed == rank->step && rank->step == rank->spec.epochs) {
        sim_rank_finish(rank, "succeeded", "");
    } else {
        rank->stage = SIM_TRAINING;
        sim_after(SIM_WORLD, sim_range(SIM_MS, sim_here->plan.step_ms * SIM_MS), "step", on_step,
                  rank, &rank->next);
    }
}

void sim_rank_begin(sim_rank *rank)
{
    sim_oracle_welcomed(rank->run, rank->step);
    rank->began = true;
    rank->committed = rank->step ? rank->step : -1;
    rank->stage = SIM_TRAINING;
    if (!can_write(rank))
        return;
    cut_metrics(rank);
    sim_after(SIM_WORLD, sim_range(0, sim_here->plan.step_ms * SIM_MS), "step", on_step, rank,
              &rank->next);
}
