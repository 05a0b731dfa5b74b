// worker/train/exchange.c -- the sum of all ranks' gradients, bucket by bucket while backward goes
// on.
//
//     final   buckets that no operation of this rank writes to any more; told to the mates
//     added   of those: summed over the node's mates, and with more nodes on their way
//     summed  of those: summed over all ranks
//
// Counts of one step; the buckets are taken in `order`.

#include "worker/train/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/pieces.h"

enum { BUCKET = 1 << 18, BLOCK = 1024, HEAD = 64 }; // floats, floats, bytes

struct ak_exchange {
    const ak_world *world;
    ak_comm *comm;
    ak_model *model;
    ak_slices slices;
    int mates, mate, nodes, node;
    void **trained, **gradients; // of the mates: floats; a count and floats behind HEAD bytes
    void *placed;                // this rank's parameters in shared memory, or NULL
    float *gradient;             // [lanes][trained_size]
    int lanes, buckets;
    int *order;      // [buckets]
    int *behind;     // [ops]: buckets that are final behind the operation
    int64_t *column; // [buckets + 1]: floats of the ranks in this rank's place in each node, before
    float *sent;     // [column][lanes]: node sums of the owners' stretches, by bucket and node
    float *received; // [own][nodes][lanes]
    float *sums;     // [own]
    float *lane;     // a stretch
    const float **from;
    ak_comm_message *messages;
    uint64_t told; // in all steps
    int final, added, summed;
    int64_t quiet; // when the last look at the buckets ended, of those in the air
    bool backward;
    ak_exchange_times times;
};

// ---- making it

static int64_t bucket_of(int64_t size, int ranks)
{
    int64_t most = (size + BLOCK - 1) / BLOCK * BLOCK, least = (int64_t)ranks * BLOCK;

    if (ranks == 1 || most == 0)
        return most > 0 ? most : BLOCK;
    return least > BUCKET ? least : BUCKET;
}

static void stand_alone(ak_exchange *e)
{
    e->mates = 1;
    e->mate = 0;
    e->nodes = e->slices.ranks;
    e->node = e->slices.rank;
}

ak_exchange *ak_exchange_new(const ak_world *world, ak_model *model)
{
    int rank = ak_comm_rank(world->comm), ranks = ak_comm_size(world->comm);
    ak_exchange *e = ak_alloc(1, sizeof *e);

    e->world = world;
    e->comm = world->comm;
    e->model = model;
    ak_slices_init(&e->slices, model->trained_size, rank, ranks,
                   bucket_of(model->trained_size, ranks), BLOCK);
    e->buckets = e->slices.buckets;
    e->mates = ak_comm_mates(e->comm);
    e->nodes = ranks / e->mates;
    e->node = rank / e->mates;
    e->mate = rank % e->mates;
    e->trained = ak_alloc((size_t)e->mates, sizeof *e->trained);
    e->gradients = ak_alloc((size_t)e->mates, sizeof *e->gradients);
    if (e->mates > 1 &&
        ak_comm_share(e->comm, (size_t)model->trained_size * sizeof(float), e->trained)) {
        e->placed = e->trained[e->mate];
        ak_model_place(model, e->placed);
    } else {
        stand_alone(e);
    }
    return e;
}

void ak_exchange_free(ak_exchange *e)
{
    if (!e)
        return;
    if (e->sums != e->gradient)
        free(e->sums);
    if (e->gradients[e->mate])
        ak_comm_unshare(e->comm, e->gradients[e->mate]);
    else
        free(e->gradient);
    if (e->placed)
        ak_comm_unshare(e->comm, e->placed);
    ak_slices_fini(&e->slices);
    free(e->trained);
    free(e->gradients);
    free(e->order);
    free(e->behind);
    free(e->column);
    free(e->sent);
    free(e->received);
    free(e->lane);
    free(e->from);
    free(e->messages);
    free(e);
}

// Which buckets a parameter lies in.
static void touch(const ak_exchange *e, const ak_param *p, int *writers, int change)
{
    for (int64_t b = p->offset / e->slices.bucket;
         p->numel && b <= (p->offset + p->numel - 1) / e->slices.bucket; b++)
        writers[b] += change;
}

// A backward pass on paper: in which order buckets become final.
static void find_order(ak_exchange *e, const ak_graph *g)
{
    int ops = ak_graph_ops(g), count = 0, *writers = ak_alloc((size_t)e->buckets, sizeof *writers);
    const ak_param *p;

    e->order = ak_alloc((size_t)e->buckets, sizeof *e->order);
    e->behind = ak_alloc((size_t)ops, sizeof *e->behind);
    for (int i = 0; i < ops; i++)
        for (int k = 0; (p = ak_graph_trained(g, i, k)); k++)
            touch(e, p, writers, 1);
    for (int b = 0; b < e->buckets; b++)
        if (!writers[b]) {
            e->order[count++] = b;
            writers[b] = -1;
        }
    for (int i = ops - 1; i >= 0; i--) {
        for (int k = 0; (p = ak_graph_trained(g, i, k)); k++)
            touch(e, p, writers, -1);
        for (int b = 0; b < e->buckets && ak_graph_trained(g, i, 0); b++)
            if (!writers[b]) {
                e->order[count++] = b;
                writers[b] = -1;
            }
        e->behind[i] = count;
    }
    free(writers);
}

static int owner(const ak_exchange *e, int node)
{
    return node * e->mates + e->mate;
}

static const int64_t *cut_of(const ak_exchange *e, int bucket, int rank)
{
    return e->slices.cut + bucket * e->slices.ranks + rank;
}

static int64_t stretch_of(const ak_exchange *e, int bucket, int rank)
{
    return cut_of(e, bucket, rank)[1] - cut_of(e, bucket, rank)[0];
}

static bool alone(const ak_exchange *e)
{
    return e->slices.ranks == 1 && e->lanes == 1;
}

static akssl_status make_room(ak_exchange *e)
{
    size_t own = (size_t)ak_slices_own(&e->slices), lanes = (size_t)e->lanes;
    int most = e->mates > e->nodes ? e->mates : e->nodes;

    e->from = ak_alloc((size_t)most, sizeof *e->from);
    e->messages = ak_alloc((size_t)e->nodes, sizeof *e->messages);
    e->column = ak_alloc((size_t)e->buckets + 1, sizeof *e->column);
    for (int b = 0; b < e->buckets; b++) {
        e->column[b + 1] = e->column[b];
        for (int n = 0; n < e->nodes; n++)
            e->column[b + 1] += stretch_of(e, b, owner(e, n));
    }
    e->sums = alone(e) ? e->gradient : ak_try_alloc(own, sizeof(float));
    e->lane = ak_try_alloc(e->lanes > 1 ? (size_t)e->slices.bucket : 1, sizeof(float));
    if (!e->sums || !e->lane)
        return AKSSL_ERR_NO_MEMORY;
    if (e->nodes == 1)
        return AKSSL_OK;
    e->sent = ak_try_alloc((size_t)e->column[e->buckets] * lanes, sizeof(float));
    e->received = ak_try_alloc(own * lanes * (size_t)e->nodes, sizeof(float));
    if (!e->sent || !e->received)
        return AKSSL_ERR_NO_MEMORY;
    return ak_comm_flights(e->comm, e->buckets, e->nodes - 1);
}

static void follow(void *ctx, int op);

akssl_status ak_exchange_follow(ak_exchange *e, ak_graph *g)
{
    size_t bytes;
    akssl_status rc;

    e->lanes = ak_graph_lanes(g);
    bytes = (size_t)e->model->trained_size * (size_t)e->lanes * sizeof(float);
    if (e->mates > 1 && ak_comm_share(e->comm, HEAD + bytes, e->gradients)) {
        e->gradient = (float *)((char *)e->gradients[e->mate] + HEAD);
    } else {
        stand_alone(e);
        e->gradient = ak_try_alloc(1, bytes);
        if (!e->gradient)
            return AKSSL_ERR_NO_MEMORY;
    }
    rc = make_room(e);
    if (rc < 0)
        return rc;
    ak_graph_set_gradient(g, e->gradient, e->model->trained_size);
    find_order(e, g);
    ak_graph_follow(g, follow, e);
    return AKSSL_OK;
}

const ak_slices *ak_exchange_slices(const ak_exchange *e)
{
    return &e->slices;
}

float *ak_exchange_sums(const ak_exchange *e)
{
    return e->sums;
}

ak_exchange_times ak_exchange_spent(const ak_exchange *e)
{
    return e->times;
}

static double since(int64_t ns)
{
    return (double)(ak_clock_ns() - ns) * 1e-9;
}

// ---- sums

static _Atomic uint64_t *count_of(const ak_exchange *e, int mate)
{
    return e->gradients[mate];
}

static void tell(ak_exchange *e, int final)
{
    e->told += (uint64_t)(final - e->final);
    e->final = final;
    if (e->mates > 1)
        atomic_store_explicit(count_of(e, e->mate), e->told, memory_order_release);
}

// Whether all mates are as far as this bucket of the order.
static bool all_there(ak_exchange *e, int place, bool wait)
{
    uint64_t least = e->told - (uint64_t)(e->final - place - 1);

    for (int m = 0; m < e->mates; m++) {
        if (m == e->mate)
            continue;
        if (wait)
            ak_comm_wait(e->comm, count_of(e, m), least);
        else if (atomic_load_explicit(count_of(e, m), memory_order_acquire) < least)
            return false;
    }
    return true;
}

// out = the mates' numbers [from, from + n) of a lane, in their tree.
static void add_mates(ak_exchange *e, float *out, int lane, int64_t from, int64_t n)
{
    int64_t at = lane * e->model->trained_size + from;

    for (int m = 0; m < e->mates; m++)
        e->from[m] =
            e->mates == 1 ? e->gradient + at : (float *)((char *)e->gradients[m] + HEAD) + at;
    ak_tree_sum(out, e->from, e->mates, n, e->world->threads);
}

// The lanes' sums one by one, into a stretch of the slice.
static void add_lane(ak_exchange *e, float *sums, int lane, int64_t n)
{
    if (lane)
        ak_kernel_add(sums, sums, e->lane, n, e->world->threads);
}

static void sum_here(ak_exchange *e, int b)
{
    ak_stretch s = ak_slices_stretch(&e->slices, b);

    for (int lane = 0; lane < e->lanes && e->sums != e->gradient; lane++) {
        add_mates(e, lane ? e->lane : e->sums + s.at, lane, s.from, s.to - s.from);
        add_lane(e, e->sums + s.at, lane, s.to - s.from);
    }
}

// Where a node sum stands that this rank sends, of the owner in that node; and one that came.
static float *sent_to(const ak_exchange *e, int b, int node)
{
    int64_t at = e->column[b];

    for (int n = 0; n < node; n++)
        at += stretch_of(e, b, owner(e, n));
    return e->sent + at * e->lanes;
}

static float *received_from(const ak_exchange *e, int b, int node)
{
    ak_stretch s = ak_slices_stretch(&e->slices, b);

    return e->received + (s.at * e->nodes + node * (s.to - s.from)) * e->lanes;
}

static void send(ak_exchange *e, int b)
{
    int64_t own = stretch_of(e, b, e->slices.rank) * e->lanes;
    int count = 0;

    for (int n = 0; n < e->nodes; n++) {
        const int64_t *cut = cut_of(e, b, owner(e, n));
        int64_t size = cut[1] - cut[0];

        for (int lane = 0; lane < e->lanes; lane++)
            add_mates(e, sent_to(e, b, n) + lane * size, lane, cut[0], size);
        if (n != e->node)
            e->messages[count++] = (ak_comm_message){ .rank = owner(e, n),
                                                      .send = sent_to(e, b, n),
                                                      .receive = received_from(e, b, n),
                                                      .send_count = size * e->lanes,
                                                      .receive_count = own };
    }
    ak_comm_start(e->comm, b, e->messages, count);
}

static void sum_nodes(ak_exchange *e, int b)
{
    ak_stretch s = ak_slices_stretch(&e->slices, b);
    int64_t n = s.to - s.from;

    for (int lane = 0; lane < e->lanes; lane++) {
        for (int i = 0; i < e->nodes; i++)
            e->from[i] = (i == e->node ? sent_to(e, b, i) : received_from(e, b, i)) + lane * n;
        ak_tree_sum(lane ? e->lane : e->sums + s.at, e->from, e->nodes, n, e->world->threads);
        add_lane(e, e->sums + s.at, lane, n);
    }
}

static void count(ak_exchange *e, int b)
{
    int64_t bytes = (cut_of(e, b, e->slices.ranks - 1)[1] - cut_of(e, b, 0)[0]) * e->lanes *
                    (int64_t)sizeof(float);

    e->summed++;
    e->times.bytes += bytes;
    e->times.bytes_within += e->backward ? bytes : 0;
}

static void look(ak_exchange *e, bool wait)
{
    while (e->added < e->final && all_there(e, e->added, wait)) {
        int b = e->order[e->added++];

        if (e->nodes == 1) {
            sum_here(e, b);
            count(e, b);
        } else {
            send(e, b);
        }
    }
    while (e->summed < e->added && (wait || ak_comm_arrived(e->comm, e->order[e->summed]))) {
        int b = e->order[e->summed];

        if (wait)
            ak_comm_arrive(e->comm, b);
        sum_nodes(e, b);
        count(e, b);
    }
}

void ak_exchange_begin(ak_exchange *e)
{
    e->final = e->added = e->summed = 0;
    e->backward = true;
    e->quiet = ak_clock_ns();
}

static void follow(void *ctx, int op)
{
    ak_exchange *e = ctx;
    int64_t start = ak_clock_ns();

    if (e->slices.ranks == 1)
        return;
    if (e->summed < e->final)
        e->times.hidden += (double)(start - e->quiet) * 1e-9;
    if (e->behind[op] > e->final)
        tell(e, e->behind[op]);
    look(e, false);
    e->quiet = ak_clock_ns();
    e->times.within += (double)(e->quiet - start) * 1e-9;
}

void ak_exchange_finish(ak_exchange *e)
{
    int64_t start = ak_clock_ns();

    e->backward = false;
    tell(e, e->buckets);
    look(e, true);
    e->times.behind += since(start);
}

// ---- parameters

static void copy_bucket(const ak_exchange *e, int b, int mate)
{
    const float *from = e->trained[mate];

    for (int n = 0; n < e->nodes; n++) {
        const int64_t *cut = cut_of(e, b, n * e->mates + mate);

        memcpy(e->model->trained + cut[0], from + cut[0],
               (size_t)(cut[1] - cut[0]) * sizeof(float));
    }
}

// The slices of the ranks in this one's place in the other nodes, each in one message.
static void from_other_nodes(ak_exchange *e)
{
    float *trained = e->model->trained, *at = e->sent;
    int count = 0;

    for (int b = 0; b < e->buckets; b++) {
        ak_stretch s = ak_slices_stretch(&e->slices, b);

        memcpy(e->received + s.at, trained + s.from, (size_t)(s.to - s.from) * sizeof(float));
    }
    for (int n = 0; n < e->nodes; n++) {
        ak_comm_message *m = &e->messages[count];

        if (n == e->node)
            continue;
        *m = (ak_comm_message){ .rank = owner(e, n),
                                .send = e->received,
                                .receive = at,
                                .send_count = ak_slices_own(&e->slices) };
        for (int b = 0; b < e->buckets; b++)
            m->receive_count += stretch_of(e, b, owner(e, n));
        at += m->receive_count;
        count++;
    }
    ak_comm_start(e->comm, 0, e->messages, count);
    ak_comm_arrive(e->comm, 0);
    for (int i = 0; i < count; i++) {
        const float *from = e->messages[i].receive;

        for (int b = 0; b < e->buckets; b++) {
            const int64_t *cut = cut_of(e, b, e->messages[i].rank);

            memcpy(trained + cut[0], from, (size_t)(cut[1] - cut[0]) * sizeof(float));
            from += cut[1] - cut[0];
        }
    }
}

void ak_exchange_hand_out(ak_exchange *e)
{
    int64_t start = ak_clock_ns();

    if (e->nodes > 1)
        from_other_nodes(e);
    if (e->mates > 1) {
        ak_comm_barrier(e->comm); // every mate's are there, and its sums are made
        for (int i = 1; i < e->mates; i++)
            PIECES(e->buckets, 1, e->world->threads,
                   copy_bucket(e, (int)lo, (e->mate + i) % e->mates));
        ak_comm_barrier(e->comm); // every mate has them: they may change
    }
    e->times.handout += since(start);
}
