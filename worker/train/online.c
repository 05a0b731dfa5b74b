// worker/train/online.c -- a linear layer that learns the labels beside pretraining.

#include "worker/train/online.h"

#include <stdlib.h>

#include "proto/base/alloc.h"

static const char prefix[] = "online_probe";

void ak_online_build(ak_online *o, ak_model *model, int64_t width, int64_t classes)
{
    o->classes = classes;
    o->weight = ak_model_param(model, prefix, "weight", AK_ROLE_TRAINED, 2,
                               (const int64_t[]){ classes, width }, AK_INIT_NORMAL, 0.01);
    o->bias = ak_model_param(model, prefix, "bias", AK_ROLE_TRAINED, 1, &classes, AK_INIT_ZERO, 0);
    o->weight->aside = o->bias->aside = true;
}

ak_tensor *ak_online_record(ak_online *o, ak_graph *g, ak_tensor *features, ak_tensor *loss)
{
    const ak_world *world = ak_graph_world(g);

    o->labels = ak_alloc((size_t)(world->shards * features->shape[0]), sizeof *o->labels);
    o->parts = ak_alloc((size_t)(world->local + ak_comm_size(world->comm)), sizeof *o->parts);
    o->logits = ak_linear(g, ak_detach(g, features), o->weight, o->bias);
    o->loss = ak_cross_entropy(g, o->logits, o->labels);
    return ak_add_losses(g, loss, o->loss);
}

void ak_online_label(ak_online *o, int s, int64_t r, int32_t label)
{
    o->labels[s * o->logits->shape[0] + r] = label;
}

static int64_t hits(const ak_online *o, const float *logits, const int32_t *labels, int64_t rows)
{
    int64_t count = 0;

    for (int64_t r = 0; r < rows; r++) {
        const float *row = logits + r * o->classes;
        int64_t best = 0;

        for (int64_t c = 1; c < o->classes; c++)
            best = row[c] > row[best] ? c : best;
        count += best == labels[r];
    }
    return count;
}

void ak_online_count(ak_online *o, ak_graph *g)
{
    const ak_world *world = ak_graph_world(g);
    int64_t rows = o->logits->shape[0];
    int64_t labelled = 0;
    double sum;

    for (int64_t i = 0; i < rows * world->shards; i++)
        labelled += o->labels[i] >= 0;
    for (int s = 0; s < world->local; s++)
        o->parts[s] =
            (double)hits(o, ak_value(g, o->logits, s), o->labels + (world->first + s) * rows, rows);
    ak_world_sum(world, o->parts, 1, o->parts + world->local, &sum);
    o->top1 = labelled ? 100 * sum / (double)labelled : 0;
}

void ak_online_fini(ak_online *o)
{
    free(o->labels);
    free(o->parts);
}
