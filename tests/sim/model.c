// tests/sim/model.c -- what is trained: files and tensors as functions of job and step.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/rank.h"

static float value(int64_t job, int64_t step, int64_t what)
{
    uint64_t h = sim_hash(sim_hash((uint64_t)job, (uint64_t)step), (uint64_t)what);

    return (float)(h % 100000) / 1000.0f;
}

void sim_model_rows(int64_t job, int64_t step, float rows[SIM_PUSH * SIM_WIDTH])
{
    for (int i = 0; i < SIM_PUSH * SIM_WIDTH; i++)
        rows[i] = value(job, step, i);
}

// The ring at a step holds the last rows that were pushed, each where the position was.
static void fill_ring(sim_tensor *t, int64_t job, int64_t step)
{
    int64_t pushed = step * SIM_PUSH, from = pushed > SIM_RING ? pushed - SIM_RING : 0;
    float rows[SIM_PUSH * SIM_WIDTH];

    for (int64_t i = from; i < pushed; i++) {
        sim_model_rows(job, i / SIM_PUSH + 1, rows);
        memcpy(t->values + i % SIM_RING * SIM_WIDTH, rows + i % SIM_PUSH * SIM_WIDTH,
               SIM_WIDTH * sizeof(float));
    }
    t->position = pushed % SIM_RING;
    t->filled = pushed < SIM_RING ? pushed : SIM_RING;
}

int sim_model_tensors(const char *method, int64_t job, int64_t step,
                      sim_tensor tensors[SIM_TENSORS])
{
    bool ring = strcmp(method, "moco_v2") == 0 || strcmp(method, "swav") == 0;
    bool whole = strcmp(method, "dino") == 0 || strcmp(method, "swav") == 0;
    int count = 0;

    memset(tensors, 0, SIM_TENSORS * sizeof *tensors);
    if (ring) {
        tensors[0] = (sim_tensor){ .name = "queue", .ring = true, .rows = SIM_RING };
        fill_ring(&tensors[count++], job, step);
    }
    if (whole) {
        tensors[count] = (sim_tensor){ .name = "center", .rows = 2 };
        for (int i = 0; i < 2 * SIM_WIDTH; i++)
            tensors[count].values[i] = value(job, step, 100 + i);
        count++;
    }
    for (int i = 0; i < count; i++)
        tensors[i].version = step;
    return count;
}

const char *sim_model_line(int64_t step)
{
    return sim_format("{\"step\": %" PRId64 "}\n", step);
}

const char *sim_model_name(int which)
{
    return which ? "optimizer.safetensors" : "model.safetensors";
}

int64_t sim_model_file(int64_t job, int64_t step, int which, char bytes[SIM_FILE])
{
    uint64_t h = sim_hash(sim_hash((uint64_t)job, (uint64_t)step), (uint64_t)which + 7);
    int64_t size = 600 + (int64_t)(h % 800);
    int n = snprintf(bytes, SIM_FILE, "job %" PRId64 " step %" PRId64 " %s\n", job, step,
                     sim_model_name(which));

    for (int64_t i = n; i < size; i++)
        bytes[i] = (char)sim_hash(h, (uint64_t)i);
    return size;
}
