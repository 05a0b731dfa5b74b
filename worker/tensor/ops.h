// worker/tensor/ops.h -- the operations, as methods and networks record them.
//
// Each call adds one operation to the graph and returns its output (see graph.h: recording is
// sticky).  Shapes are of one shard.

#ifndef AK_TENSOR_OPS_H
#define AK_TENSOR_OPS_H

#include "worker/tensor/graph.h"

// y (n,h',w',out) = x (n,h,w,in) * w [out,in,k,k], no bias.
ak_tensor *ak_conv2d(ak_graph *g, ak_tensor *x, ak_param *w, int64_t stride, int64_t padding);

// The parameters of a batch norm; weight and bias may be NULL (not affine).
typedef struct ak_norm {
    ak_param *weight, *bias, *mean, *var, *count;
} ak_norm;

// y = relu?(norm(x) + add); add may be NULL.  x (..., C): all axes but the last are samples; each
// of x->groups equal parts of the first axis is measured by itself.
ak_tensor *ak_batch_norm(ak_graph *g, ak_tensor *x, const ak_norm *norm, ak_tensor *add, bool relu);

ak_tensor *ak_max_pool(ak_graph *g, ak_tensor *x);  // 3x3, stride 2, padding 1
ak_tensor *ak_mean_pool(ak_graph *g, ak_tensor *x); // (n,h,w,C) to (n,C)
ak_tensor *ak_linear(ak_graph *g, ak_tensor *x, ak_param *w, ak_param *bias); // w [out,in]
ak_tensor *ak_relu(ak_graph *g, ak_tensor *x);
ak_tensor *ak_l2norm(ak_graph *g, ak_tensor *x); // rows of length 1

// ak_nt_xent: u (2b,d), unit rows, the shard's view 0 above its view 1.  Over the global batch of
// B images, L = 1/(2B) sum_i [-s_ip + log sum_{j != i} exp s_ij], s = u u^T / temperature; the
// gradient flows through every u (SimCLR, arXiv:2002.05709, eq. 1).
ak_tensor *ak_nt_xent(ak_graph *g, ak_tensor *u, double temperature);

// The queue that ak_info_nce_queue compares with: rows of unit length, read at every forward.
typedef struct ak_queue_view {
    const float *rows; // [length][d]
    int64_t length;
    const uint32_t *order; // key at global position p is of sample order[p]; NULL: of sample p
} ak_queue_view;

// ak_info_nce_queue: q, k (b,d), unit rows; L = 1/B sum_i -log softmax([q_i k_i, q_i queue] / t)_0
// (MoCo, arXiv:1911.05722, eq. 1); no gradient to k.  queue is borrowed for the graph's life.
ak_tensor *ak_info_nce_queue(ak_graph *g, ak_tensor *q, ak_tensor *k, const ak_queue_view *queue,
                             double temperature);

// ak_observe gathers the first rows of each shard's x (n,d), n if fewer, for ak_gathered to give
// [shards][rows][d] (ak_observed_rows in all); no part of the loss, no gradient.
ak_tensor *ak_observe(ak_graph *g, ak_tensor *x, int64_t rows);
int64_t ak_observed_rows(const ak_graph *g, const ak_tensor *observed);

// ak_gathered gives what the loss operation that made t gathered in the last forward, in sample
// order: nt_xent's u [shards][2b][d] or info_nce_queue's keys [B][d].
const float *ak_gathered(const ak_tensor *t);

#endif
