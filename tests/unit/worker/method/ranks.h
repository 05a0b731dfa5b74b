// tests/unit/worker/method/ranks.h -- steps of a method give the same bytes on 1, 2 and 4 ranks.
//
// By `akssl-worker replay`, whose output holds losses, gradients, parameters and states.

#ifndef AK_TESTS_WORKER_RANKS_H
#define AK_TESTS_WORKER_RANKS_H

#include <sys/wait.h>

#include "proto/format/safetensors.h"
#include "tests/unit/worker/rig.h"

enum { STEPS = 3, BATCH = 8, SIZE = 16, LOCAL = 8, PATHS = 700, ARGUMENTS = 32 };

static inline void ak_ranks_write_views(const char *path, int locals)
{
    ak_safetensors_writer *w = NULL;
    char name[64];

    ak_rig_ok(ak_safetensors_create(&w, path));
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < STEPS * (2 + locals); i++) {
            int view = i % (2 + locals);
            int64_t side = view < 2 ? SIZE : LOCAL, shape[4] = { BATCH, 3, side, side };
            int64_t n = BATCH * 3 * side * side;
            float *values = ak_rig_values(n, (uint32_t)i, 1.7);

            snprintf(name, sizeof name, "step%d.view%d", i / (2 + locals), view);
            if (pass == 0)
                ak_safetensors_declare(w, name, AK_F32, 4, shape);
            else
                ak_rig_ok(ak_safetensors_write(w, values, (size_t)n * sizeof *values));
            free(values);
        }
    ak_rig_ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
}

static inline void ak_ranks_write_spec(const char *path, const char *method, const char *norm,
                                       int locals, const char *options)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fprintf(f,
            "method: %s\nbackbone: resnet18\nbatch-norm: %s\nimage-size: %d\nbatch: %d\nshards: 4\n"
            "optimizer: sgd\nlr: 0.05\nseed: 3\n",
            method, norm, SIZE, BATCH);
    if (locals)
        fprintf(f, "augment:\n  local_size: %d\n", LOCAL);
    fprintf(f, "option:\n%s", options);
    if (locals)
        fprintf(f, "  num_crops: %d\n", locals);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void ak_ranks_replay(int ranks, char *spec, char *views, char *out)
{
    char number[16], steps[16];
    char *argv[ARGUMENTS] = { "timeout", "200" };
    char *const mpirun[] = { "mpirun", "-np", number, "--oversubscribe", "--bind-to", "none" };
    char *const worker[] = { TEST_BIN_DIR "/akssl-worker",
                             "replay",
                             "--spec",
                             spec,
                             "--views",
                             views,
                             "--steps",
                             steps,
                             "--out",
                             out };
    int count = 2, status = 0;
    pid_t child;

    snprintf(number, sizeof number, "%d", ranks);
    snprintf(steps, sizeof steps, "%d", STEPS);
    for (size_t i = 0; ranks > 1 && i < sizeof mpirun / sizeof *mpirun; i++)
        argv[count++] = mpirun[i];
    for (size_t i = 0; i < sizeof worker / sizeof *worker; i++)
        argv[count++] = worker[i];
    child = fork();
    if (child == 0) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d ranks ended with status %d",
                  ranks, status);
}

static inline const void *ak_ranks_bytes_of(const ak_safetensors *file, int i, size_t *size)
{
    const ak_safetensors_entry *e = ak_safetensors_at(file, i);

    *size = (size_t)ak_safetensors_numel(e) * (e->dtype == AK_I64 ? 8 : 4);
    return ak_safetensors_data(file, e);
}

static inline void ak_ranks_same_files(const char *a, const char *b, const char *must_have)
{
    ak_safetensors *x = NULL, *y = NULL;

    ak_rig_ok(ak_safetensors_open(&x, a));
    ak_rig_ok(ak_safetensors_open(&y, b));
    ck_assert_msg(ak_safetensors_find(x, must_have) != NULL, "no %s was written", must_have);
    ck_assert_int_eq(ak_safetensors_count(x), ak_safetensors_count(y));
    for (int i = 0; i < ak_safetensors_count(x); i++) {
        size_t size, other;
        const void *p = ak_ranks_bytes_of(x, i, &size), *q = ak_ranks_bytes_of(y, i, &other);

        ck_assert_uint_eq(size, other);
        ck_assert_msg(memcmp(p, q, size) == 0, "%s has other bytes", ak_safetensors_at(x, i)->name);
    }
    ak_safetensors_close(x);
    ak_safetensors_close(y);
}

// A method on so many local crops, with lines of options; must_have is among what is compared.
static inline void ak_ranks_check(const char *method, const char *norm, int locals,
                                  const char *options, const char *must_have)
{
    char *folder = ak_rig_folder(), spec[PATHS], views[PATHS], out[3][PATHS];

    snprintf(spec, sizeof spec, "%s/spec.yaml", folder);
    snprintf(views, sizeof views, "%s/views.safetensors", folder);
    ak_ranks_write_spec(spec, method, norm, locals, options);
    ak_ranks_write_views(views, locals);
    for (int i = 0; i < 3; i++) {
        snprintf(out[i], sizeof out[i], "%s/out%d.safetensors", folder, i);
        ak_ranks_replay(1 << i, spec, views, out[i]);
        ak_ranks_same_files(out[0], out[i], must_have);
    }
    ak_rig_remove(folder);
}

#endif
