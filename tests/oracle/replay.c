// tests/oracle/replay.c -- replays against whole training steps of PyTorch's.
//
// The cases hold the answers alone (tests/golden/replay.py: gradients and weights of two methods;
// steps.py: the losses of all); weights, views and queue are filled here by the same rule.  One
// rank, two and four must agree with them, and write the same bytes.

#include <inttypes.h>

#include "proto/base/alloc.h"
#include "tests/oracle.h"
#include "tests/replays.h"
#include "worker/train/trainer.h"

enum { HEAD = 8 };

typedef struct test {
    ak_safetensors *want;
    char folder[256];
    char spec[300], init[300], views[300], alone[300], ranks[300];
} test;

static test *begin(const char *name)
{
    const char *base = getenv("TMPDIR");
    test *t = ak_alloc(1, sizeof *t);

    t->want = ak_oracle_open(name);
    snprintf(t->folder, sizeof t->folder, "%.200s/akssl-replay-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(t->folder));
    snprintf(t->spec, sizeof t->spec, "%s/spec.yaml", t->folder);
    snprintf(t->init, sizeof t->init, "%s/init.safetensors", t->folder);
    snprintf(t->views, sizeof t->views, "%s/views.safetensors", t->folder);
    snprintf(t->alone, sizeof t->alone, "%s/alone.safetensors", t->folder);
    snprintf(t->ranks, sizeof t->ranks, "%s/ranks.safetensors", t->folder);
    return t;
}

static void end(test *t)
{
    const char *files[] = { t->spec, t->init, t->views, t->alone, t->ranks };

    ak_safetensors_close(t->want);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    ck_assert_int_eq(rmdir(t->folder), 0);
    free(t);
}

// ---- what replay reads

static void write_spec(test *t)
{
    const char *method = ak_safetensors_meta(t->want, "method");
    FILE *f = fopen(t->spec, "w");

    ck_assert_ptr_nonnull(f);
    if (!method) {
        fputs(ak_oracle_text(t->want, "spec"), f);
        ck_assert_int_eq(fclose(f), 0);
        return;
    }
    fprintf(f, "method: %s\nbackbone: resnet18\nbatch-norm: sync\noptimizer: sgd\nshards: 4\n",
            method);
    fprintf(f, "image-size: %s\nbatch: %s\nlr: %s\nmomentum: %s\nweight-decay: %s\n",
            ak_oracle_text(t->want, "image_size"), ak_oracle_text(t->want, "batch"),
            ak_oracle_text(t->want, "lr"), ak_oracle_text(t->want, "momentum"),
            ak_oracle_text(t->want, "weight_decay"));
    fprintf(f, "option:\n  projection_dim: %s\n  temperature: %s\n",
            ak_oracle_text(t->want, "projection_dim"), ak_oracle_text(t->want, "temperature"));
    if (strcmp(method, "moco_v2") == 0)
        fprintf(f, "  K: %s\n  m: %s\n", ak_oracle_text(t->want, "K"),
                ak_oracle_text(t->want, "m"));
    ck_assert_int_eq(fclose(f), 0);
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);

    return n >= k && strcmp(name + n - k, end) == 0;
}

static bool is_trained(const char *name)
{
    static const char *const ends[] = { ".weight",   ".bias",     ".weight_g",
                                        ".weight_v", "cls_token", "pos_embed" };

    if (strncmp(name, "target.", 7) == 0)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

// The start of a parameter or buffer: as replay.py has it.
static float *start_of(const char *name, int dims, const int64_t *shape, int64_t n)
{
    float *values = ak_alloc((size_t)n, sizeof *values), shift;

    name += strncmp(name, "target.", 7) == 0 ? 7 : 0;
    shift = ends_with(name, ".weight") ? 0.5f : ends_with(name, ".bias") ? 1.0f : 0.0f;
    if (ends_with(name, ".weight_g")) {
        for (int64_t i = 0; i < n; i++)
            values[i] = 1;
        return values;
    }
    if (dims >= 2) {
        ak_oracle_fill(values, name, n, sqrt(3.0 / (double)(n / shape[0])));
        return values;
    }
    if (shift > 0)
        ak_oracle_fill(values, name, n, 0.1);
    else
        shift = ends_with(name, "running_var") ? 1.0f : 0.0f;
    for (int64_t i = 0; i < n; i++)
        values[i] += shift;
    return values;
}

// Rows of unit length.
static void fill_queue(float *rows, int64_t length, int64_t width)
{
    ak_oracle_fill(rows, "moco.queue", length * width, 1.0);
    for (int64_t r = 0; r < length; r++) {
        double sum = 0;

        for (int64_t i = 0; i < width; i++)
            sum += (double)rows[r * width + i] * (double)rows[r * width + i];
        for (int64_t i = 0; i < width; i++)
            rows[r * width + i] = (float)((double)rows[r * width + i] / sqrt(sum));
    }
}

static void ok(akssl_status rc)
{
    ck_assert_msg(rc == AKSSL_OK, "%s", ak_error_text());
}

// The networks that the case's spec asks for, without values.
static ak_trainer *networks_of(const test *t, ak_comm *comm)
{
    ak_trainer *trainer = NULL;
    ak_spec spec;

    ak_spec_init(&spec);
    ok(ak_spec_read_file(&spec, t->spec));
    ok(ak_check_spec(&spec));
    ok(ak_trainer_new(&trainer, &spec, comm));
    ak_spec_fini(&spec);
    return trainer;
}

static const ak_state *queue_of(const ak_trainer *t)
{
    for (int i = 0; i < t->state_count; i++)
        if (strcmp(t->states[i]->name, "moco.queue") == 0)
            return t->states[i];
    return NULL;
}

static void write_start(ak_safetensors_writer *w, const ak_param *p)
{
    float *values = start_of(p->name, p->dims, p->shape, p->numel);

    ok(ak_safetensors_write(w, values, (size_t)p->numel * sizeof *values));
    free(values);
}

// Only trained parameters and the queue: buffers and the momentum network are left to replay.
static void write_init(const test *t)
{
    ak_comm *comm = NULL;
    ak_safetensors_writer *w = NULL;
    const ak_state *queue;
    ak_trainer *trainer;

    ok(ak_comm_open(&comm));
    trainer = networks_of(t, comm);
    queue = queue_of(trainer);
    ok(ak_safetensors_create(&w, t->init));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < trainer->model.count; i++) {
            const ak_param *p = trainer->model.params[i];

            if (p->role != AK_ROLE_TRAINED)
                continue;
            ck_assert_msg(is_trained(p->name), "'%s' has no start", p->name);
            if (pass == 0)
                ak_safetensors_declare(w, p->name, AK_F32, p->dims, p->shape);
            else
                write_start(w, p);
        }
        if (queue && pass == 0)
            ak_safetensors_declare(w, queue->name, AK_F32, 2,
                                   (const int64_t[]){ queue->length, queue->width });
    }
    if (queue) {
        size_t bytes = (size_t)(queue->length * queue->width) * sizeof(float);

        fill_queue(queue->rows, queue->length, queue->width);
        ok(ak_safetensors_write(w, queue->rows, bytes));
    }
    ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
    ak_trainer_free(trainer);
    ak_comm_close(comm);
}

static int meta_number(const test *t, const char *key, int otherwise)
{
    return ak_safetensors_meta(t->want, key) ? (int)ak_oracle_number(t->want, key) : otherwise;
}

static void write_views(test *t)
{
    int views = meta_number(t, "views", 2), all = views * meta_number(t, "steps", 0);
    int64_t sides[2] = { meta_number(t, "image_size", 0), meta_number(t, "local_size", 0) };
    const char *variant = ak_safetensors_meta(t->want, "variant");
    ak_safetensors_writer *w = NULL;
    char name[64];

    ok(ak_safetensors_create(&w, t->views));
    for (int i = 0; i < all; i++) {
        int64_t side = sides[i % views >= 2];

        snprintf(name, sizeof name, "step%d.view%d", i / views, i % views);
        ak_safetensors_declare(w, name, AK_F32, 4,
                               (int64_t[]){ meta_number(t, "batch", 0), 3, side, side });
    }
    for (int i = 0; i < all; i++) {
        int64_t side = sides[i % views >= 2], n = meta_number(t, "batch", 0) * 3 * side * side;
        float *values = ak_alloc((size_t)n, sizeof *values);

        snprintf(name, sizeof name, "%s%s%sstep%d.view%d", variant ? "variant" : "",
                 variant ? variant : "", variant ? "." : "", i / views, i % views);
        ak_oracle_fill(values, name, n, 1.7);
        ok(ak_safetensors_write(w, values, (size_t)n * sizeof *values));
        free(values);
    }
    ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
}

// ---- comparing what it wrote

static double norm_of(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (b ? (double)b[i] : 0);

        sum += d * d;
    }
    return sqrt(sum);
}

static double wanted(const test *t, const char *prefix, const char *name, float *head, int64_t n)
{
    char key[256];
    float norm;

    snprintf(key, sizeof key, "%shead.%s", prefix, name);
    ok(ak_safetensors_read_f32(t->want, key, head, n < HEAD ? n : HEAD));
    snprintf(key, sizeof key, "%s%s.%s", prefix, prefix[0] ? "norm" : "moved", name);
    ok(ak_safetensors_read_f32(t->want, key, &norm, 1));
    return (double)norm;
}

// All norms of one kind together: no tensor is held to a stricter measure than a share of it, as
// what a batch norm cancels is rounding alone.
static double total_of(const test *t, const char *prefix)
{
    double sum = 0;
    float norm;

    for (int i = 0; i < ak_safetensors_count(t->want); i++) {
        const ak_safetensors_entry *e = ak_safetensors_at(t->want, i);

        if (strncmp(e->name, prefix, strlen(prefix)) != 0)
            continue;
        ok(ak_safetensors_read_f32(t->want, e->name, &norm, 1));
        sum += (double)norm * (double)norm;
    }
    return sqrt(sum);
}

// Norm within 1e-3, single values within a share of the root mean square.
static void check_tensor(const char *what, double norm, double want, const float *got,
                         const float *head, int64_t n, double floor, double rounding)
{
    double measure = fmax(want, floor);
    double most = fmin(1e-3, 0.05 / sqrt((double)n)) * measure + rounding;

    ck_assert_msg(fabs(norm - want) <= 1e-3 * measure + rounding * sqrt((double)n),
                  "%s: norm %.9g instead of %.9g", what, norm, want);
    for (int64_t i = 0; i < n && i < HEAD; i++)
        ck_assert_msg(fabs((double)got[i] - (double)head[i]) <= most,
                      "%s[%" PRId64 "] is %.9g instead of %.9g (norm %.3g, allowed %.3g)", what, i,
                      (double)got[i], (double)head[i], want, most);
}

static void check_gradient(const test *t, const char *name, const float *got, int64_t n,
                           double total)
{
    float head[HEAD];
    double want = wanted(t, "grad_", name, head, n);

    check_tensor(name, norm_of(got, NULL, n), want, got, head, n, 1e-3 * total, 0);
}

// How far a parameter has come from its start: its size would hide a wrong step.
static void check_moved(const test *t, const ak_safetensors_entry *e, const float *got,
                        double total)
{
    int64_t n = ak_safetensors_numel(e);
    float head[HEAD], *start = start_of(e->name, e->dims, e->shape, n);
    double want = wanted(t, "", e->name, head, n), largest = 0;

    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)got[i]));
    check_tensor(e->name, norm_of(got, start, n), want, got, head, n,
                 is_trained(e->name) ? 1e-3 * total : 0, 2e-7 * largest);
    free(start);
}

static void check_output(const test *t, const char *path)
{
    double gradients = total_of(t, "grad_norm."), moved = total_of(t, "moved.");
    int checked = 0;
    ak_safetensors *out = NULL;
    float *losses;

    ok(ak_safetensors_open(&out, path));
    losses = ak_oracle_f32(out, "loss");
    ak_oracle_check(t->want, "loss", losses, ak_oracle_numel(out, "loss"), 0, 1e-5);
    free(losses);
    for (int i = 0; i < ak_safetensors_count(out); i++) {
        const ak_safetensors_entry *e = ak_safetensors_at(out, i);
        float *got;

        if (e->dtype != AK_F32 || strcmp(e->name, "loss") == 0)
            continue;
        got = ak_oracle_f32(out, e->name);
        if (strcmp(e->name, "moco.queue") == 0)
            ak_oracle_check(t->want, e->name, got, ak_safetensors_numel(e), 0, 2e-5);
        else if (strncmp(e->name, "grad.", 5) == 0)
            check_gradient(t, e->name + 5, got, ak_safetensors_numel(e), gradients);
        else
            check_moved(t, e, got, moved);
        free(got);
        checked++;
    }
    ck_assert_int_gt(checked, 150);
    ak_safetensors_close(out);
}

static void same_bytes(const char *a, const char *b)
{
    char *const argv[] = { "cmp", (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL };

    ak_replays_program(argv);
}

// ---- the cases

static bool given(const char *name)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.safetensors", ak_oracle_folder(), name);
    if (access(path, F_OK) == 0)
        return true;
    printf("skipped: there is no case '%s'\n", path);
    return false;
}

static void check_losses(const test *t, const char *path)
{
    ak_safetensors *out = NULL;
    float *losses;

    ok(ak_safetensors_open(&out, path));
    losses = ak_oracle_f32(out, "loss");
    ak_oracle_check(t->want, "loss", losses, ak_oracle_numel(out, "loss"), 1e-5, 1e-4);
    free(losses);
    ak_safetensors_close(out);
}

// All cases on so many ranks.
static void replay(test *const *cases, int count, int ranks)
{
    char list[300];
    FILE *f;

    snprintf(list, sizeof list, "%s/list", cases[0]->folder);
    f = fopen(list, "w");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < count; i++)
        fprintf(f, "%s\t%s\t%s\t%s\t%s\n", cases[i]->spec, cases[i]->init, cases[i]->views,
                ak_oracle_text(cases[i]->want, "steps"),
                ranks == 1 ? cases[i]->alone : cases[i]->ranks);
    ck_assert_int_eq(fclose(f), 0);
    ak_replays_run(list, ranks);
    ck_assert_int_eq(unlink(list), 0);
}

// The cases called prefix and one of the ends, those that are given.
static void parity(const char *prefix, const char *const ends[2],
                   void (*check)(const test *t, const char *path))
{
    test *cases[2];
    int count = 0;

    for (int i = 0; i < 2 && ends[i]; i++) {
        char name[128];

        snprintf(name, sizeof name, "%s%s", prefix, ends[i]);
        if (!given(name))
            continue;
        cases[count] = begin(name);
        write_spec(cases[count]);
        write_init(cases[count]);
        write_views(cases[count]);
        count++;
    }
    for (int ranks = 1; count && ranks <= 4; ranks *= 2) {
        replay(cases, count, ranks);
        for (int i = 0; i < count; i++)
            if (ranks == 1)
                check(cases[i], cases[i]->alone);
            else
                same_bytes(cases[i]->alone, cases[i]->ranks);
    }
    for (int i = 0; i < count; i++)
        end(cases[i]);
}

START_TEST(simclr)
{
    parity("replay_simclr", (const char *const[2]){ "" }, check_output);
}
END_TEST

START_TEST(moco_v2)
{
    parity("replay_moco_v2", (const char *const[2]){ "" }, check_output);
}
END_TEST

#define STEPS(method)                                                                              \
    START_TEST(steps_##method)                                                                     \
    {                                                                                              \
        parity("steps_" #method, (const char *const[2]){ "_resnet18", "_vit_tiny" },               \
               check_losses);                                                                      \
    }                                                                                              \
    END_TEST

STEPS(barlow_twins)
STEPS(byol)
STEPS(dino)
STEPS(dino_multicrop)
STEPS(moco_v2)
STEPS(moco_v3)
STEPS(simclr)
STEPS(simsiam)
STEPS(swav)

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(simclr),        AK_CASE(moco_v2),       AK_CASE(steps_barlow_twins),
        AK_CASE(steps_byol),    AK_CASE(steps_dino),    AK_CASE(steps_dino_multicrop),
        AK_CASE(steps_moco_v2), AK_CASE(steps_moco_v3), AK_CASE(steps_simclr),
        AK_CASE(steps_simsiam), AK_CASE(steps_swav),    { NULL, NULL }
    };

    if (ak_replays_asked(argc, argv))
        return ak_replays_main(argv);
    return ak_test_run(TEST_NAME, rows, argc, argv);
}
