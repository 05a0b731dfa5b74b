// worker/train/update.c -- how a step changes the parameters.
//
//     c = clip / (|g| + 1e-6) if that is under 1      |g| of the tensor, or of all that are updated
//     |g + decay w|^2 = sum g g + 2 decay sum g w + decay^2 sum w w
//     decay(step) = half a cosine from weight_decay to weight_decay_end over the run

#include "worker/train/update.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

static int64_t pieces_in(const ak_param *p, int64_t block)
{
    return (p->offset + p->numel - 1) / block - p->offset / block + 1;
}

static void find_tensors(ak_update *u)
{
    u->tensors = ak_alloc((size_t)u->model->count, sizeof *u->tensors);
    for (int i = 0; i < u->model->count; i++)
        if (u->model->params[i]->role == AK_ROLE_TRAINED && u->model->params[i]->numel)
            u->tensors[u->tensor_count++] = u->model->params[i];
}

static void find_pieces(ak_update *u, int64_t block)
{
    int64_t count = 0, p = 0;

    for (int k = 0; k < u->tensor_count; k++)
        count += pieces_in(u->tensors[k], block);
    u->at = ak_alloc((size_t)count + 1, sizeof *u->at);
    u->piece_of = ak_alloc((size_t)u->tensor_count + 1, sizeof *u->piece_of);
    for (int k = 0; k < u->tensor_count; k++) {
        int64_t at = u->tensors[k]->offset, end = at + u->tensors[k]->numel;

        u->piece_of[k] = p;
        for (; at < end; at = (at / block + 1) * block)
            u->at[p++] = at;
    }
    u->piece_of[u->tensor_count] = p;
    u->at[p] = u->model->trained_size;
}

// The pieces of each rank, in its slice's order.
static void share_pieces(ak_update *u)
{
    const ak_slices *s = u->slices;
    int64_t count = u->piece_of[u->tensor_count], p = 0;
    int64_t *has = ak_alloc((size_t)s->ranks, sizeof *has);
    int *owner = ak_alloc((size_t)count, sizeof *owner);

    u->place = ak_alloc((size_t)count, sizeof *u->place);
    for (int i = 0; i < s->buckets * s->ranks; i++)
        for (; p < count && u->at[p] < s->cut[i + 1]; p++) {
            owner[p] = i % s->ranks;
            u->place[p] = has[owner[p]]++;
        }
    for (int r = 0; r < s->ranks; r++)
        u->most = has[r] > u->most ? has[r] : u->most;
    for (p = 0; p < count; p++)
        u->place[p] += owner[p] * u->most;
    free(has);
    free(owner);
}

void ak_update_init(ak_update *u, const ak_spec *spec, const ak_optim *optim, const ak_model *model,
                    const ak_slices *slices, int64_t block)
{
    *u = (ak_update){
        .measures = optim->norms || spec->clip_grad > 0,
        .optim = optim,
        .lr = spec->lr * ak_rate_scaling(spec->lr_scaling, spec->batch),
        .momentum = spec->momentum,
        .weight_decay = spec->weight_decay,
        .weight_decay_end = spec->weight_decay_end,
        .bias_lr_factor = spec->bias_lr_factor,
        .clip = spec->clip_grad,
        .clip_global = strcmp(spec->clip_mode, "global") == 0,
        .exclude_1d =
            spec->exclude_1d[0] ? strcmp(spec->exclude_1d, "yes") == 0 : optim->exclude_1d,
        .model = model,
        .slices = slices,
    };
    find_tensors(u);
    if (!u->measures)
        return;
    find_pieces(u, block);
    share_pieces(u);
    u->bytes = (size_t)u->most * sizeof *u->mine;
    u->mine = ak_alloc((size_t)u->most, sizeof *u->mine);
    u->all = ak_alloc((size_t)(u->most * slices->ranks), sizeof *u->all);
    u->sums = ak_alloc((size_t)u->tensor_count, sizeof *u->sums);
}

void ak_update_fini(ak_update *u)
{
    free(u->tensors);
    free(u->at);
    free(u->piece_of);
    free(u->place);
    free(u->mine);
    free(u->all);
    free(u->sums);
    memset(u, 0, sizeof *u);
}

void ak_update_measure(ak_update *u, const float *g, int threads)
{
    const int64_t *at = u->at;
    int64_t mine = 0;

    for (int b = 0; b < u->slices->buckets; b++) {
        ak_stretch s = ak_slices_stretch(u->slices, b);
        const int64_t *first;

        while (*at < s.from)
            at++;
        for (first = at; *at < s.to;)
            at++;
        ak_kernel_dots(u->mine + mine, g + s.at, u->model->trained + s.from, first, at - first,
                       threads);
        mine += at - first;
    }
}

// ---- one step

static bool moves(const ak_param *p, int64_t step)
{
    return !p->fixed && step >= p->held;
}

static void add_up(ak_update *u)
{
    memset(u->sums, 0, (size_t)u->tensor_count * sizeof *u->sums);
    for (int k = 0; k < u->tensor_count; k++)
        for (int64_t p = u->piece_of[k]; p < u->piece_of[k + 1]; p++)
            for (int i = 0; i < 3; i++)
                u->sums[k][i] += u->all[u->place[p]][i];
}

// The length of all gradients that are applied, as one vector.
static double whole_norm(const ak_update *u, int64_t step)
{
    double sum = 0;

    for (int k = 0; k < u->tensor_count; k++)
        if (moves(u->tensors[k], step) && !u->tensors[k]->aside)
            sum += u->sums[k][0];
    return sqrt(sum);
}

// At most 1; a gradient that is not finite stays so.
static double coefficient(const ak_update *u, double norm)
{
    double c = u->clip / (norm + 1e-6);

    return c >= 1 ? 1 : c;
}

static double decay_at(const ak_update *u, const ak_when *when)
{
    if (u->weight_decay_end < 0 || when->total <= 0)
        return u->weight_decay;
    return ak_cosine(u->weight_decay, u->weight_decay_end, ak_when_done(when));
}

static void set_norms(ak_optim_step *s, const ak_kernel_sums sums, double c)
{
    double gg = c * c * sums[0], gw = c * sums[1], ww = sums[2], decay = s->weight_decay;

    s->g_norm = sqrt(gg);
    s->w_norm = sqrt(ww);
    s->decayed_norm = sqrt(fmax(gg + 2 * decay * gw + decay * decay * ww, 0));
}

// What of tensor p lies in a stretch of the slice takes its step.
static void step_stretch(const ak_update *u, const ak_param *p, ak_optim_step s, float *g,
                         const ak_stretch *in, double c)
{
    int64_t from = p->offset > in->from ? p->offset : in->from, end = p->offset + p->numel;
    int64_t at = in->at + from - in->from;

    s.n = (end < in->to ? end : in->to) - from;
    if (c != 1)
        ak_kernel_scale(g + at, (float)c, s.n, s.threads);
    s.w = u->model->trained + from;
    s.g = g + at;
    for (int i = 0; i < AK_OPTIM_SLOTS; i++)
        s.slot[i] = s.slot[i] ? s.slot[i] + at : NULL;
    u->optim->step(&s);
}

static void take_step(const ak_update *u, int k, ak_optim_step s, float *g, double whole)
{
    const ak_param *p = u->tensors[k];
    int64_t bucket = u->slices->bucket, last = (p->offset + p->numel - 1) / bucket;
    double c = 1;

    if (u->clip > 0 && !p->aside)
        c = coefficient(u, u->clip_global ? whole : sqrt(u->sums[k][0]));
    if (u->measures)
        set_norms(&s, u->sums[k], c);
    for (int64_t b = p->offset / bucket; b <= last; b++) {
        ak_stretch in = ak_slices_stretch(u->slices, (int)b);

        if (in.from < p->offset + p->numel && in.to > p->offset)
            step_stretch(u, p, s, g, &in, c);
    }
}

void ak_update_apply(ak_update *u, const ak_when *when, double lr, float *g,
                     float *const slots[AK_OPTIM_SLOTS], int threads)
{
    double decay = decay_at(u, when), whole = 0;

    if (u->measures) {
        add_up(u);
        whole = whole_norm(u, when->step);
    }
    for (int k = 0; k < u->tensor_count; k++) {
        const ak_param *p = u->tensors[k];
        bool flat = p->dims <= 1;
        ak_optim_step s = {
            .slot = { slots[0], slots[1] },
            .t = when->step - p->held,
            .lr = (p->constant_rate ? u->lr : lr) * (flat ? u->bias_lr_factor : 1),
            .momentum = u->momentum,
            .weight_decay = p->aside || (flat && u->exclude_1d) ? 0 : decay,
            .plain = p->aside || (flat && u->exclude_1d),
            .threads = threads,
        };

        if (moves(p, when->step))
            take_step(u, k, s, g, whole);
    }
}

// ---- the rate

akssl_status ak_update_rate(ak_rate *rate, const ak_spec *spec, int64_t warmup, int64_t total)
{
    double scaling = ak_rate_scaling(spec->lr_scaling, spec->batch);
    akssl_status rc;

    *rate = (ak_rate){
        .lr = spec->lr * scaling,
        .lr_start = spec->lr_start * scaling,
        .lr_end = spec->lr_end * scaling,
        .gamma = spec->gamma,
        .warmup = warmup,
        .total = total,
    };
    rc = ak_schedule_find(&rate->schedule, spec->schedule);
    return rc < 0 ? rc : ak_rate_milestones(rate, spec->milestones);
}
