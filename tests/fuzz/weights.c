// tests/fuzz/weights.c -- what the worker reads into a network: --init-backbone's file, weights of
// a job, and the two files of a commit to resume from.
//
// An input: the length of the first file, two bytes, the first file, the second.

#include <sys/stat.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"
#include "worker/train/commit.h"
#include "worker/train/init.h"

// What the network says of itself, which files may contradict.
typedef struct network {
    int64_t heads, depth;
} network;

static const ak_option options[] = {
    AK_OPTION_INT(network, heads, 3, 1, 64, "attention heads"),
    AK_OPTION_INT(network, depth, 2, 1, 64, "blocks"),
    AK_OPTION_END,
};
static const ak_backbone row = { .name = "network", .options = options };

static ak_encoder *encoder_of(void *self)
{
    return self;
}

static const ak_method method = { .encoder = encoder_of };

static void add_network(ak_model *m, const char *prefix)
{
    const int64_t kernel[4] = { 2, 1, 2, 2 }, width[1] = { 2 };

    ak_model_param(m, prefix, "conv1.weight", AK_ROLE_TRAINED, 4, kernel, AK_INIT_NORMAL, 0.1);
    ak_model_param(m, prefix, "bn1.weight", AK_ROLE_TRAINED, 1, width, AK_INIT_ONE, 0);
    ak_model_param(m, prefix, "bn1.running_mean", AK_ROLE_BUFFER, 1, width, AK_INIT_ZERO, 0);
    ak_model_param(m, prefix, "bn1.num_batches_tracked", AK_ROLE_COUNT, 0, NULL, AK_INIT_ZERO, 0);
}

// A network of three layers with its momentum copy, as large trainers have them.
static void start(ak_trainer *t, ak_encoder *encoder, ak_slices *slices, ak_comm *comm)
{
    static network self = { 3, 2 };
    ak_model *m = &t->model;

    memset(t, 0, sizeof *t);
    *encoder = (ak_encoder){ .backbone = &row, .self = &self };
    t->method = &method;
    t->self = encoder;
    t->world.comm = comm;
    ak_model_init(m);
    add_network(m, "backbone");
    m->building_target = true;
    add_network(m, "backbone");
    m->building_target = false;
    FUZZ_CHECK(ak_model_allocate(m) == AKSSL_OK);
    ak_model_seed(m, 1);
    FUZZ_CHECK(ak_optim_find(&t->optim, "adam") == AKSSL_OK);
    ak_slices_init(slices, m->trained_size, 0, 1, m->trained_size, m->trained_size);
    t->slices = slices;
    for (int slot = 0; slot < AK_OPTIM_SLOTS && t->optim->slots[slot]; slot++)
        t->slots[slot] = ak_alloc((size_t)m->trained_size, sizeof(float));
}

static void end(ak_trainer *t)
{
    for (int slot = 0; slot < AK_OPTIM_SLOTS; slot++)
        free(t->slots[slot]);
    ak_model_fini(&t->model);
    ak_str_fini(&t->watch);
}

static void read_one(ak_trainer *t, const char *path)
{
    ak_safetensors *file;

    if (ak_init_backbone(t, path) < 0)
        FUZZ_CHECK(ak_error_text()[0]);
    if (ak_safetensors_open(&file, path) < 0)
        return;
    (void)!ak_model_read(&t->model, file, true, "");
    (void)!ak_model_read(&t->model, file, false, "");
    (void)!ak_model_read(&t->model, file, false, "backbone.");
    ak_safetensors_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size }, model = fuzz_part(&input);
    char path[400], folder[300];
    ak_results results = { 0 };
    ak_comm *comm;
    ak_slices slices;
    ak_encoder encoder;
    ak_trainer t;

    snprintf(folder, sizeof folder, "%s/step-1", fuzz_folder());
    mkdir(folder, 0700);
    FUZZ_CHECK(ak_comm_open(&comm) == AKSSL_OK);
    start(&t, &encoder, &slices, comm);
    snprintf(path, sizeof path, "%s/optimizer.safetensors", folder);
    fuzz_write(path, input.at, input.left);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    fuzz_write(path, model.at, model.left);
    read_one(&t, path);
    if (ak_commit_read(&t, &results, folder, 1) < 0)
        FUZZ_CHECK(ak_error_text()[0]);
    FUZZ_CHECK(results.count <= AK_RESULTS);
    end(&t);
    ak_slices_fini(&slices);
    ak_comm_close(comm);
    return 0;
}
