// tests/oracle/replay.c -- `akssl-worker replay` against whole training steps of PyTorch's.
//
// The cases hold the answers alone (tests/golden/replay.py: gradients and weights of two methods;
// steps.py: the losses of all); weights, views and queue are filled here by the same rule.  One
// rank, two and four must agree with them, and write the same bytes.

#include <inttypes.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/str.h"
#include "tests/oracle.h"

extern char **environ;

enum { ARGUMENTS = 40, HEAD = 8 };

typedef struct test {
    ak_safetensors *want;
    char folder[256];
    char spec[300], seeded[300], init[300], views[300], alone[300], ranks[300];
} test;

// ---- programs, and a folder

static void run_program(char *const argv[])
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s %s ended with status %d",
                  argv[0], argv[1], status);
}

// replay alone, or under mpirun when ranks > 1; further arguments end with NULL.
static void replay(test *t, int ranks, char *out, char *const more[])
{
    char *const worker[] = {
        TEST_BIN_DIR "/akssl-worker", "replay", "--spec", t->spec, "--out", out, NULL
    };
    char *const alone[] = { "timeout", "200", NULL };
    char number[16];
    char *const mpirun[] = { "timeout",         "200",       "mpirun", "-np", number,
                             "--oversubscribe", "--bind-to", "none",   NULL };
    char *argv[ARGUMENTS];
    char *const *lists[] = { ranks > 1 ? mpirun : alone, worker, more };
    int count = 0;

    snprintf(number, sizeof number, "%d", ranks);
    for (int i = 0; i < 3; i++)
        for (char *const *a = lists[i]; *a; a++)
            argv[count++] = *a;
    argv[count] = NULL;
    run_program(argv);
}

static void begin(test *t, const char *name)
{
    const char *base = getenv("TMPDIR");

    t->want = ak_oracle_open(name);
    snprintf(t->folder, sizeof t->folder, "%.200s/akssl-replay-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(t->folder));
    snprintf(t->spec, sizeof t->spec, "%s/spec.yaml", t->folder);
    snprintf(t->seeded, sizeof t->seeded, "%s/seeded.safetensors", t->folder);
    snprintf(t->init, sizeof t->init, "%s/init.safetensors", t->folder);
    snprintf(t->views, sizeof t->views, "%s/views.safetensors", t->folder);
    snprintf(t->alone, sizeof t->alone, "%s/alone.safetensors", t->folder);
    snprintf(t->ranks, sizeof t->ranks, "%s/ranks.safetensors", t->folder);
}

static void end(test *t)
{
    const char *files[] = { t->spec, t->seeded, t->init, t->views, t->alone, t->ranks };

    ak_safetensors_close(t->want);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    ck_assert_int_eq(rmdir(t->folder), 0);
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
static float *start_of(const char *name, const ak_safetensors_entry *e)
{
    int64_t n = ak_safetensors_numel(e);
    float *values = ak_alloc((size_t)n, sizeof *values), shift;

    name += strncmp(name, "target.", 7) == 0 ? 7 : 0;
    shift = ends_with(name, ".weight") ? 0.5f : ends_with(name, ".bias") ? 1.0f : 0.0f;
    if (ends_with(name, ".weight_g")) {
        for (int64_t i = 0; i < n; i++)
            values[i] = 1;
        return values;
    }
    if (e->dims >= 2) {
        ak_oracle_fill(values, name, n, sqrt(3.0 / (double)(n / e->shape[0])));
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

// Only trained parameters and the queue: buffers and the momentum network are left to replay.
static void write_init(test *t)
{
    ak_safetensors *seeded = NULL;
    ak_safetensors_writer *w = NULL;

    ok(ak_safetensors_open(&seeded, t->seeded));
    ok(ak_safetensors_create(&w, t->init));
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < ak_safetensors_count(seeded); i++) {
            const ak_safetensors_entry *e = ak_safetensors_at(seeded, i);
            int64_t n = ak_safetensors_numel(e);
            bool queue = strcmp(e->name, "moco.queue") == 0;
            float *values;

            if (!queue && !is_trained(e->name))
                continue;
            if (pass == 0) {
                ak_safetensors_declare(w, e->name, AK_F32, e->dims, e->shape);
                continue;
            }
            values = start_of(e->name, e);
            if (queue)
                fill_queue(values, e->shape[0], e->shape[1]);
            ok(ak_safetensors_write(w, values, (size_t)n * sizeof *values));
            free(values);
        }
    ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
    ak_safetensors_close(seeded);
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
    float head[HEAD], *start = start_of(e->name, e);
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

    run_program(argv);
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

static void parity(const char *name, void (*check)(const test *t, const char *path))
{
    test t;
    char *views[] = { "--init", t.init, "--views", t.views, "--steps", NULL, NULL };
    char *nothing[] = { "--steps", "0", NULL };
    char steps[16];

    if (!given(name))
        return;
    begin(&t, name);
    snprintf(steps, sizeof steps, "%d", (int)ak_oracle_number(t.want, "steps"));
    views[5] = steps;
    write_spec(&t);
    replay(&t, 1, t.seeded, nothing);
    write_init(&t);
    write_views(&t);
    replay(&t, 1, t.alone, views);
    check(&t, t.alone);
    for (int ranks = 2; ranks <= 4; ranks *= 2) {
        replay(&t, ranks, t.ranks, views);
        same_bytes(t.alone, t.ranks);
    }
    end(&t);
}

START_TEST(simclr)
{
    parity("replay_simclr", check_output);
}
END_TEST

START_TEST(moco_v2)
{
    parity("replay_moco_v2", check_output);
}
END_TEST

#define STEPS(method)                                                                              \
    START_TEST(steps_##method)                                                                     \
    {                                                                                              \
        parity("steps_" #method "_resnet18", check_losses);                                        \
        parity("steps_" #method "_vit_tiny", check_losses);                                        \
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

    // mpirun on one machine: as root too, and without a remote shell
    setenv("OMPI_MCA_plm_rsh_agent", "/bin/false", 1);
    setenv("PRTE_MCA_plm_ssh_agent", "/bin/false", 1);
    if (geteuid() == 0) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
        setenv("PRTE_ALLOW_RUN_AS_ROOT", "1", 1);
        setenv("PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    }
    return ak_test_run(TEST_NAME, rows, argc, argv);
}
