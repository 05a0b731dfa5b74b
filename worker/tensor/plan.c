// worker/tensor/plan.c -- lifetimes and places of tensors.
//
// Time runs over 2n ticks: operation i computes forward at tick i and backward at tick 2n-1-i.
// A value lives from its operation to its last reader, a gradient from its first writer to the
// backward of its tensor's operation.  Tensors get places in the arena greedily, largest first,
// each at the lowest offset that is free for all of its lifetime.
//
// What backward reads of a map need not be kept: some operations make it again, from what they
// read.  Such a value lives twice, up to its last reader of forward, and for as long as backward
// reads it or makes others from it.  As a rule that is done with what is cheap (batch norms).  To
// recompute (ak_graph_mode) is to do it with all between two joins, the outputs that add a
// shortcut, which are kept; what lies before the last join is needed at once, and so is kept too.

#include "worker/tensor/plan.h"

#include <stdlib.h>

#include "proto/base/alloc.h"

enum { ALIGN = 16 };     // floats
enum { MOST_LINKS = 2 }; // cheap values made one from the other's

// ---- lifetimes

static void lives(int *first, int *last, int tick)
{
    *first = *first < 0 || tick < *first ? tick : *first;
    *last = tick > *last ? tick : *last;
}

// Whether its backward pass reads the value of input k.
static bool reads_back(const ak_op *op, int k)
{
    return op->needs & (k == 0 ? AK_NEEDS_IN | AK_NEEDS_FIRST : AK_NEEDS_IN);
}

static void find_lifetimes(ak_graph *g)
{
    int ticks = 2 * g->op_count;

    for (int i = 0; i < g->op_count; i++) {
        ak_op *op = g->ops[i];
        int back = ticks - 1 - i;
        bool differentiated = op->out->needs_grad && g->loss;

        op->out->value_first = i;
        lives(&op->out->value_first, &op->out->value_last, i);
        for (int k = 0; k < AK_OP_INPUTS && op->in[k]; k++) {
            ak_tensor *in = op->in[k];

            if (in->producer)
                lives(&in->value_first, &in->value_last, i);
            if (differentiated && in->producer && reads_back(op, k))
                lives(&in->back_first, &in->back_last, back);
            if (differentiated && ak_op_differentiates(op, k))
                lives(&in->grad_first, &in->grad_last, back);
        }
        if (differentiated && (op->needs & AK_NEEDS_OUT))
            lives(&op->out->back_first, &op->out->back_last, back);
        if (differentiated)
            lives(&op->out->grad_first, &op->out->grad_last, back);
    }
}

// ---- what is made again

// How many values are made again, one from the other, to have this one in backward.
static int links(const ak_tensor *t)
{
    int count = 0;

    for (; t && t->again; t = t->producer->in[1])
        count++;
    return count;
}

// From what is there: the first input is kept, if it is not cheap itself, and the second is read in
// backward as long as this one, or is made again for that, of few.
static bool cheap(const ak_tensor *t)
{
    const ak_op *op = t->producer, *from = op->in[0]->producer;
    const ak_tensor *other = op->in[1];

    if (!op->kind->cheap || t->back_first < 0 || (from && from->kind->cheap))
        return false;
    return !other || !other->producer ||
           (links(other) < MOST_LINKS && other->back_last >= t->back_last);
}

static bool is_map(const ak_tensor *t)
{
    return t->producer && t->dims >= AK_IMAGE_AXES;
}

static bool is_join(const ak_tensor *t)
{
    return is_map(t) && t->producer->in[1];
}

static void choose(ak_graph *g, const ak_tensor *keep)
{
    int joins = 0; // from here on

    for (int i = 0; i < g->tensor_count; i++)
        joins += is_join(g->tensors[i]);
    for (int i = 0; i < g->tensor_count; i++) {
        ak_tensor *t = g->tensors[i];

        joins -= is_join(t);
        if (is_map(t) && t != keep && t != g->loss && t->producer->kind->again)
            t->again = g->mode.recompute ? !is_join(t) && joins > 1 : cheap(t);
    }
}

// Behind all that reads a value, and may be made from it.
static void find_second_lives(ak_graph *g)
{
    for (int i = g->tensor_count - 1; i >= 0; i--) {
        ak_tensor *t = g->tensors[i], *in;

        if (t->back_first < 0)
            continue;
        if (!t->again) {
            t->value_last = t->back_last;
            continue;
        }
        for (int k = 0; k < AK_OP_INPUTS && (in = t->producer->in[k]); k++)
            if (in->producer) {
                lives(&in->back_first, &in->back_last, t->back_first);
                lives(&in->back_first, &in->back_last, t->back_last);
            }
    }
}

// ---- places

typedef struct span {
    int64_t *at; // where the place goes
    int64_t size;
    int first, last, order;
} span;

static int larger_first(const void *a, const void *b)
{
    const span *x = a, *y = b;

    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->order - y->order;
}

static int lower_first(const void *a, const void *b)
{
    const span *const *x = a, *const *y = b;

    return *(*x)->at < *(*y)->at ? -1 : *(*x)->at > *(*y)->at;
}

static int64_t place(span *spans, int count)
{
    const span **busy = ak_alloc((size_t)count, sizeof *busy);
    int64_t end = 0;

    qsort(spans, (size_t)count, sizeof *spans, larger_first);
    for (int i = 0; i < count; i++) {
        int64_t at = 0;
        int n = 0;

        for (int j = 0; j < i; j++)
            if (spans[j].first <= spans[i].last && spans[i].first <= spans[j].last)
                busy[n++] = &spans[j];
        qsort(busy, (size_t)n, sizeof *busy, lower_first);
        for (int j = 0; j < n; j++) {
            if (at + spans[i].size <= *busy[j]->at)
                break;
            if (*busy[j]->at + busy[j]->size > at)
                at = *busy[j]->at + busy[j]->size;
        }
        *spans[i].at = at;
        end = at + spans[i].size > end ? at + spans[i].size : end;
    }
    free(busy);
    return end;
}

static int64_t padded(int64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

int64_t ak_op_floats(const ak_tensor *t)
{
    return t->half ? (t->numel + 1) / 2 : t->numel;
}

static void find_places(ak_graph *g)
{
    span *spans = ak_alloc((size_t)g->tensor_count * 3, sizeof *spans);
    int count = 0;

    for (int i = 0; i < g->tensor_count; i++) {
        ak_tensor *t = g->tensors[i];
        int64_t size = padded(ak_op_floats(t));

        if (t->producer)
            spans[count] = (span){ &t->value_at, size, t->value_first, t->value_last, count },
            count++;
        if (t->again && t->back_first >= 0)
            spans[count] = (span){ &t->again_at, size, t->back_first, t->back_last, count },
            count++;
        if (t->grad_first >= 0)
            spans[count] = (span){ &t->grad_at, size, t->grad_first, t->grad_last, count }, count++;
    }
    g->arena_size = place(spans, count);
    free(spans);
    for (int i = 0; i < g->tensor_count; i++)
        g->tensors[i]->first_at = g->tensors[i]->value_at;
}

void ak_plan(ak_graph *g, ak_tensor *keep)
{
    find_lifetimes(g);
    if (g->loss) {
        choose(g, keep);
        find_second_lives(g);
        g->loss->value_last = 2 * g->op_count;
    }
    if (keep)
        keep->value_last = 2 * g->op_count;
    find_places(g);
    g->input_size = padded(g->input_size);
}
