// worker/command/bench.c -- `akssl-worker bench`: images a second of a training step, alone or
// under mpirun; the last line is JSON.

#include <jansson.h>

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/command/command.h"
#include "worker/command/trace.h"
#include "worker/rng/rng.h"
#include "worker/tensor/dense.h"
#include "worker/tensor/peak.h"
#include "worker/train/check.h"
#include "worker/train/agree.h"
#include "worker/train/loader.h"

enum { TRACED = 3 }; // steps of a profile

typedef struct bench {
    char *method, *backbone, *dataset, *batch_norm, *option, *augment, *convolution, *instructions,
        *precision, *profile;
    int64_t image_size, batch, shards, threads_per_shard;
    double seconds;
    bool ready_views, recompute;
} bench;

static const ak_option options[] = {
    AK_OPTION_STRING(bench, method, "simclr", NULL, "self-supervised method"),
    AK_OPTION_STRING(bench, backbone, "resnet18", NULL, "network"),
    AK_OPTION_STRING(bench, dataset, "fashion-mnist", NULL, "images to augment"),
    AK_OPTION_STRING(bench, batch_norm, "", "|sync|shard",
                     "batch statistics (default: the method's)"),
    AK_OPTION_STRING(bench, option, "", NULL, "the method's options, key=value,key=value"),
    AK_OPTION_STRING(bench, augment, "", NULL, "the augmentation's options, key=value,key=value"),
    AK_OPTION_STRING(bench, convolution, "winograd", "winograd|exact", "as in a job's spec"),
    AK_OPTION_STRING(bench, instructions, "", "|avx512|avx2|plain", "as in a job's spec"),
    AK_OPTION_STRING(bench, precision, "fp32", "fp32|bf16", "as in a job's spec"),
    AK_OPTION_INT(bench, image_size, 32, 8, 1024, "side of a view in pixels"),
    AK_OPTION_INT(bench, batch, 256, 2, 1048576, "images a step, over all ranks"),
    AK_OPTION_INT(bench, shards, 0, 0, 4096, "parts of the batch (0: one a rank)"),
    AK_OPTION_INT(bench, threads_per_shard, 0, 0, 256,
                  "threads of a shard (0: the cores, divided among the ranks)"),
    AK_OPTION_FLOAT(bench, seconds, 10, 0.1, 86400, "how long to measure"),
    AK_OPTION_BOOL(bench, recompute, false, "as in a job's spec"),
    AK_OPTION_BOOL(bench, ready_views, false,
                   "random views made beforehand: no data, no augmentation"),
    AK_OPTION_STRING(bench, profile, "", NULL,
                     "file for a Chrome trace of three more steps, each operation (of rank 0)"),
    AK_OPTION_END,
};

static akssl_status make_spec(const bench *b, ak_spec *spec, int ranks)
{
    cpu_set_t cpus;
    int64_t cores = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    akssl_status rc = ak_spec_set(spec, "method", b->method);

    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "backbone", b->backbone);
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "dataset", b->dataset);
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "batch_norm", b->batch_norm);
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "convolution", b->convolution);
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "instructions", b->instructions);
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "precision", b->precision);
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "recompute", b->recompute ? "yes" : "no");
    if (rc == AKSSL_OK && b->option[0])
        rc = ak_spec_set(spec, "option", b->option);
    if (rc == AKSSL_OK && b->augment[0])
        rc = ak_spec_set(spec, "augment", b->augment);
    spec->image_size = b->image_size;
    spec->batch = b->batch;
    spec->shards = b->shards ? b->shards : ranks;
    spec->threads_per_shard = b->threads_per_shard ? b->threads_per_shard
                              : cores > ranks      ? cores / ranks
                                                   : 1;
    return rc == AKSSL_OK ? ak_check_spec(spec) : rc;
}

static void random_views(ak_trainer *t)
{
    for (int v = 0; v < t->view_count; v++)
        for (int s = 0; s < t->world.local; s++)
            for (int64_t i = 0; i < t->per_shard; i++) {
                ak_rng rng = ak_rng_at(0, AK_RNG_BENCH, (uint32_t)(t->world.first + s), (uint32_t)i,
                                       (uint32_t)v);
                int64_t n = ak_trainer_size(t, v) * ak_trainer_size(t, v) * 3;
                float *x = ak_trainer_view(t, v, s, i);

                for (int64_t k = 0; k < n; k++)
                    x[k] = (float)ak_rng_normal(&rng);
            }
}

static akssl_status one_step(ak_trainer *t, ak_loader *loader, int64_t *step)
{
    akssl_status rc = AKSSL_OK;
    double loss;

    ak_trainer_begin(t);
    if (loader)
        rc = ak_agree(t->world.comm, ak_loader_fill(loader, t, *step));
    if (rc == AKSSL_OK)
        rc = ak_trainer_compute(t, &loss);
    if (rc == AKSSL_OK)
        ak_trainer_update(t, 1e-3);
    ++*step;
    return rc;
}

typedef struct measured {
    int64_t steps, all_steps; // without and with those that warm up
    double seconds, all_seconds;
    double peak;   // of all ranks, 1e9 operations a second
    int64_t grown; // KiB
} measured;

static json_t *table(const ak_trainer *t, const ak_loader *loader, double seconds)
{
    ak_exchange_times spent = ak_exchange_spent(t->exchange);
    double rest = seconds, exposed = spent.within + spent.behind + spent.handout;
    json_t *rows = json_object();

    for (int i = 0; ak_graph_kind(t->graph, i); i++) {
        const char *kind = ak_graph_kind(t->graph, i);
        double share = ak_graph_seconds(t->graph, kind);

        json_object_set_new(rows, kind, json_real(share));
        rest -= share;
    }
    json_object_set_new(rows, "augmentation", json_real(loader ? ak_loader_seconds(loader) : 0));
    json_object_set_new(rows, "exchange", json_real(exposed));
    json_object_set_new(rows, "optimizer", json_real(t->update_seconds));
    rest -= (loader ? ak_loader_seconds(loader) : 0) + exposed + t->update_seconds;
    json_object_set_new(rows, "rest", json_real(rest));
    return rows;
}

// What of the exchange between ranks stood in the way of other work (exposed), by part, and what
// did not (hidden: gradients were on their way beside backward's operations).  gathers: of
// operations over the whole batch, which wait there for the other ranks; their rows of the table
// have that.
static json_t *exchange(const ak_trainer *t)
{
    ak_exchange_times spent = ak_exchange_spent(t->exchange);
    ak_comm_gathers gathers = ak_comm_gathered(t->world.comm);

    return json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f, s:f}", "buckets",
                     t->slices->buckets, "mib", (double)spent.bytes / 1048576,
                     "mib_within_backward", (double)spent.bytes_within / 1048576, "hidden",
                     spent.hidden, "exposed", spent.within + spent.behind + spent.handout,
                     "exposed_within_backward", spent.within, "exposed_behind_backward",
                     spent.behind, "exposed_parameters", spent.handout, "gathers",
                     (json_int_t)gathers.count, "gathers_mib", (double)gathers.bytes / 1048576,
                     "gathers_seconds", gathers.seconds);
}

static int64_t resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long total = 0, resident = 0;

    if (file && fscanf(file, "%ld %ld", &total, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return (int64_t)resident * 4;
}

// Operations of the layers' products, and how near they come to what the CPU can do.  By kind: of
// this rank, while it computes them.
static json_t *operations(const ak_trainer *t, const measured *m)
{
    const ak_graph *g = t->graph;
    double step = ak_graph_gflop(g, NULL) / (double)m->all_steps * t->world.shards / t->world.local,
           rate = step * (double)m->steps / m->seconds;
    json_t *kinds = json_object();

    for (int i = 0; ak_graph_kind(g, i); i++) {
        const char *kind = ak_graph_kind(g, i);
        double gflop = ak_graph_gflop(g, kind);

        if (gflop > 0)
            json_object_set_new(kinds, kind, json_real(gflop / ak_graph_seconds(g, kind)));
    }
    return json_pack("{s:f, s:f, s:f, s:f, s:o}", "gflop_per_step", step, "gflop_per_s", rate,
                     "peak_gflop_per_s", m->peak, "share_of_peak", rate / m->peak,
                     "gflop_per_s_by_kind", kinds);
}

static void print(const ak_trainer *t, const ak_loader *loader, const ak_spec *spec,
                  const measured *m)
{
    json_t *line = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:i, s:I, s:s, s:s, s:b, s:I, s:f, s:f}", "method",
        t->method->name, "backbone", t->backbone->name, "image_size", (json_int_t)t->image_size,
        "batch", (json_int_t)t->batch, "shards", (json_int_t)t->world.shards, "ranks",
        ak_comm_size(t->world.comm), "threads_per_shard", (json_int_t)spec->threads_per_shard,
        "precision", t->world.bf16 ? "bf16" : "fp32", "instructions", ak_isa_name(t->world.isa),
        "ready_views", loader == NULL, "steps", (json_int_t)m->steps, "seconds", m->seconds,
        "images_per_s", (double)(m->steps * t->batch) / m->seconds);

    json_object_update_new(line, operations(t, m));
    json_object_set_new(line, "activations_mib",
                        json_real((double)ak_graph_bytes(t->graph) / 1048576));
    json_object_set_new(line, "resident_growth_kib", json_integer(m->grown));
    json_object_set_new(line, "seconds_by_kind", table(t, loader, m->all_seconds));
    json_object_set_new(line, "seconds_idle_for_images",
                        json_real(loader ? ak_loader_idle(loader) : 0));
    json_object_set_new(line, "exchange", exchange(t));
    json_dumpf(line, stdout, JSON_REAL_PRECISION(6));
    puts("");
    json_decref(line);
}

// Some more steps, with the times of each operation of rank 0.
static akssl_status trace_steps(const bench *b, ak_trainer *t, ak_loader *loader, int64_t *step)
{
    akssl_status rc = AKSSL_OK, closed;
    ak_trace *trace = NULL;

    if (ak_comm_rank(t->world.comm) == 0)
        rc = ak_trace_open(&trace, b->profile);
    rc = ak_agree(t->world.comm, rc);
    if (trace)
        ak_graph_watch(t->graph, ak_trace_op, trace);
    for (int i = 0; i < TRACED && rc == AKSSL_OK; i++) {
        int64_t from = ak_clock_ns();

        rc = one_step(t, loader, step);
        if (trace)
            ak_trace_add(trace, "step", "step", NULL, from, ak_clock_ns());
    }
    ak_graph_watch(t->graph, NULL, NULL);
    closed = ak_trace_close(trace);
    return rc == AKSSL_OK ? closed : rc;
}

// The peak of all ranks, each measuring at the same time.
static double peak_of(const ak_trainer *t)
{
    const ak_dense_kernels *kernels = ak_dense_kernels_of(t->world.isa, t->world.bf16);

    ak_comm_barrier(t->world.comm);
    return ak_peak_gflop_per_s(kernels, t->world.threads) * ak_comm_size(t->world.comm);
}

// Two steps warm up; their time counts in the tables, not in the rates.
static akssl_status measure(const bench *b, ak_trainer *t, ak_loader *loader, const ak_spec *spec)
{
    measured m = { .peak = peak_of(t) };
    int64_t first, start = ak_clock_ns(), from, resident;
    akssl_status rc = AKSSL_OK;
    bool done = false;

    while (m.all_steps < 2 && rc == AKSSL_OK)
        rc = one_step(t, loader, &m.all_steps);
    first = m.all_steps;
    resident = resident_kib();
    from = ak_clock_ns();
    while (rc == AKSSL_OK && !done) {
        rc = one_step(t, loader, &m.all_steps);
        m.seconds = (double)(ak_clock_ns() - from) * 1e-9;
        done = ak_comm_agree(t->world.comm, m.seconds >= b->seconds);
    }
    m.steps = m.all_steps - first;
    m.all_seconds = (double)(ak_clock_ns() - start) * 1e-9;
    m.grown = resident_kib() - resident;
    if (rc == AKSSL_OK && ak_comm_rank(t->world.comm) == 0)
        print(t, loader, spec, &m);
    if (rc == AKSSL_OK && b->profile[0])
        rc = trace_steps(b, t, loader, &m.all_steps);
    return rc;
}

static akssl_status bench_on(const bench *b, ak_spec *spec, ak_comm *comm)
{
    ak_trainer *trainer = NULL;
    ak_loader *loader = NULL;
    akssl_status rc = make_spec(b, spec, ak_comm_size(comm));

    if (rc == AKSSL_OK)
        rc = ak_trainer_new(&trainer, spec, comm);
    if (rc == AKSSL_OK)
        ak_trainer_seed(trainer);
    if (rc == AKSSL_OK && b->ready_views)
        random_views(trainer);
    else if (rc == AKSSL_OK)
        rc = ak_loader_open(&loader, spec, trainer->world.threads);
    if (rc == AKSSL_OK)
        rc = measure(b, trainer, loader, spec);
    ak_loader_close(loader);
    ak_trainer_free(trainer);
    return rc;
}

static int run(void *self)
{
    ak_comm *comm = NULL;
    akssl_status rc;
    ak_spec spec;

    ak_spec_init(&spec);
    rc = ak_comm_open(&comm);
    if (rc == AKSSL_OK)
        rc = bench_on(self, &spec, comm);
    ak_spec_fini(&spec);
    return ak_command_end(rc, comm);
}

const ak_command ak_command_bench = {
    .name = "bench",
    .help = "measure images a second of a training step",
    .options = options,
    .self_size = sizeof(bench),
    .run = run,
};
