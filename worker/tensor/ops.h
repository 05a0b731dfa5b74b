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

// y (n,C) = x with columns of mean 0 and variance 1 over the global batch, in any mode; each of
// `groups` equal parts of x (n,C) by itself.  A batch norm without parameters or memory.
ak_tensor *ak_standard_columns(ak_graph *g, ak_tensor *x, int groups);

ak_tensor *ak_max_pool(ak_graph *g, ak_tensor *x);  // 3x3, stride 2, padding 1
ak_tensor *ak_mean_pool(ak_graph *g, ak_tensor *x); // (n,h,w,C) to (n,C)
// y (...,out) = x w^T + bias; x (...,in), w [out,in]; bias may be NULL.
ak_tensor *ak_linear(ak_graph *g, ak_tensor *x, ak_param *w, ak_param *bias);

// ak_dense_of: the same with what stands around it, in one pass: y = (base +) f(x) w^T + bias, f
// the layer norm with norm_w and norm_b (as ak_layer_norm), GELU (as ak_gelu), or x itself; base is
// as y, or NULL.
typedef struct ak_dense_layer {
    ak_param *w, *bias, *norm_w, *norm_b;
    bool gelu;
    ak_tensor *base;
} ak_dense_layer;
ak_tensor *ak_dense_of(ak_graph *g, ak_tensor *x, const ak_dense_layer *layer);

ak_tensor *ak_relu(ak_graph *g, ak_tensor *x);
ak_tensor *ak_l2norm(ak_graph *g, ak_tensor *x); // rows of length 1
// The same with rows shorter than `least` (above 0) only divided by it; ak_l2norm's is 1e-12.
ak_tensor *ak_l2norm_above(ak_graph *g, ak_tensor *x, double least);

// ak_nt_xent: u (2b,d), unit rows, the shard's view 0 above its view 1.  Over the global batch of
// B images, L = 1/(2B) sum_i [-s_ip + log sum_{j != i} exp s_ij], s = u u^T / temperature; the
// gradient flows through every u (SimCLR, arXiv:2002.05709, eq. 1).
ak_tensor *ak_nt_xent(ak_graph *g, ak_tensor *u, double temperature);

// The queue that ak_info_nce_queue compares with: rows of unit length, read at every forward.
typedef struct ak_queue_view {
    const float *rows; // [length][d]; of both views [length][2d]
    int64_t length;
    const uint32_t *order; // view 1 at global position p is of sample order[p]; NULL: of sample p
    bool both;             // q and k are of both views
} ak_queue_view;

// ak_info_nce_queue: q of view 0, k of view 1, both (b,d), unit rows;
// L = 1/B sum_i -log softmax([q_i k_i, q_i queue] / t)_0 (MoCo, arXiv:1911.05722, eq. 1); no
// gradient to k.  With queue->both, q and k are (2b,d), view 0 above view 1, and L is the mean of
// that and of view 1's queries against view 0's keys: a row of the queue holds the keys of a
// sample's two views.  queue is borrowed for the graph's life.
ak_tensor *ak_info_nce_queue(ak_graph *g, ak_tensor *q, ak_tensor *k, const ak_queue_view *queue,
                             double temperature);

// ak_info_nce_batch: q, k (2b,d), unit rows, view 0 above view 1; each query against the keys of
// the other view of the global batch: L = sum over both views of
// 2t/B sum_i -log softmax(q_i k^T / t)_i (MoCo v3, arXiv:2104.02057, algorithm 1); no gradient to
// k.
ak_tensor *ak_info_nce_batch(ak_graph *g, ak_tensor *q, ak_tensor *k, double temperature);

// ak_negative_cosine: p, z (2b,d), unit rows, view 0 above view 1, over the global batch of B;
// L = -1/2B sum_i (p_0i z_1i + p_1i z_0i) (SimSiam, arXiv:2011.10566, eq. 2); stop_gradient holds z
// constant.  ak_byol is 4 + 4 L, z constant (BYOL, arXiv:2006.07733, eq. 2).
ak_tensor *ak_negative_cosine(ak_graph *g, ak_tensor *p, ak_tensor *z, bool stop_gradient);
ak_tensor *ak_byol(ak_graph *g, ak_tensor *p, ak_tensor *z);

// ak_barlow_twins: z (2b,d), a shard's view 0 above its view 1, each with standardised columns
// (ak_standard_columns(g, x, 2)); C = z_0^T z_1 / B over the global batch of B,
// L = scale (sum_i (C_ii - 1)^2 + lambda sum_{i != j} (C_ij - target)^2) (arXiv:2103.03230, eq. 1).
typedef struct ak_barlow {
    double lambda, target, scale;
} ak_barlow;
ak_tensor *ak_barlow_twins(ak_graph *g, ak_tensor *z, const ak_barlow *how);

// y (b,out) = x (b,in) * w^T with rows w_k = gain_k v_k / |v_k|; v [out,in], gain [out,1].
ak_tensor *ak_weight_norm_linear(ak_graph *g, ak_tensor *x, ak_param *v, ak_param *gain);

// y = the rows of a, then those of b; batch norm measures each of `groups` equal parts by itself.
ak_tensor *ak_concat(ak_graph *g, ak_tensor *a, ak_tensor *b, int groups);

// ak_cross_views: s (V b,K), a shard's views one above the other, each predicts the assignments q
// (2b,K) of those of views 0 and 1 that are others than itself:
// L = 1/(2 (V-1) B) sum_{a in {0,1}} sum_{v != a} sum_i -q_ai . log softmax(s_vi / temperature).
// No gradient to q.
ak_tensor *ak_cross_views(ak_graph *g, ak_tensor *s, ak_tensor *q, double temperature);

// What ak_dino_targets reads at every forward, and what it leaves.
typedef struct ak_dino_teacher {
    const float *center; // [K]
    double temperature;
    const double *batch_center; // left: [K], the mean of s over the global batch
    double entropy, usage;      // left: see ak_health
} ak_dino_teacher;

// ak_dino_targets: q = softmax((s - center) / temperature), s (2b,K) the teacher's; no gradient.
// teacher is borrowed for the graph's life.
ak_tensor *ak_dino_targets(ak_graph *g, ak_tensor *s, ak_dino_teacher *teacher);

// What ak_swav_codes reads at every forward, and what it leaves.
typedef struct ak_swav_queue {
    const ak_param *prototypes; // [K,d]: scores are of them
    double epsilon;
    int64_t iterations;    // at least 1
    const float *rows;     // [length][2][d]: embeddings of earlier samples, view 0's and view 1's
    int64_t length;        // 0: no queue
    bool used;             // rows are assigned with the batch
    double entropy, usage; // left: see ak_health
} ak_swav_queue;

// ak_swav_codes: q (2b,K), the codes of views 0 and 1, s (V b,K) scores of a shard's `images` b, by
// Sinkhorn-Knopp over the global batch and the queue (SwAV, arXiv:2006.09882); no gradient.  queue
// is borrowed for the graph's life.
ak_tensor *ak_swav_codes(ak_graph *g, ak_tensor *s, int64_t images, ak_swav_queue *queue);

// ak_cross_entropy: z (b,C); L = 1/B sum_i -log softmax(z_i)_labels[i].  labels [B], of the global
// batch, each in 0..C-1, are borrowed for the graph's life and read at every forward and backward.
ak_tensor *ak_cross_entropy(ak_graph *g, ak_tensor *z, const int32_t *labels);

// ak_detach: y = x, and no gradient to x.  ak_add_losses: the sum of two losses.
ak_tensor *ak_detach(ak_graph *g, ak_tensor *x);
ak_tensor *ak_add_losses(ak_graph *g, ak_tensor *a, ak_tensor *b);

// ak_observe gathers the first rows of each shard's x (n,d), n if fewer, for ak_gathered to give
// [shards][rows][d] (ak_observed_rows in all); no part of the loss, no gradient.
ak_tensor *ak_observe(ak_graph *g, ak_tensor *x, int64_t rows);
int64_t ak_observed_rows(const ak_graph *g, const ak_tensor *observed);

// ak_gathered gives what the loss operation that made t gathered in the last forward, in sample
// order: nt_xent's u [shards][2b][d] or info_nce_queue's keys [B][d], of both views [B][2d].
const float *ak_gathered(const ak_tensor *t);

// ---- vision transformers: tokens are (n,tokens,D)

// Images (n,S,S,3) to their patches' embeddings (n,grid*grid,D), in rows; grid = S / patch, w
// [D,3,patch,patch].  Pixels that fill no patch are left out.
ak_tensor *ak_patch_embed(ak_graph *g, ak_tensor *x, ak_param *w, ak_param *bias);

// y (n,1+m,D): row 0 is cls + pos[0], row 1+i is x[i] + pos[1+i]; x (n,m,D), cls [1,1,D], pos
// [1,1+grid*grid,D].  When m is another square, pos is interpolated to it as DINO does.
ak_tensor *ak_tokens(ak_graph *g, ak_tensor *x, ak_param *cls, ak_param *pos);

ak_tensor *ak_first_token(ak_graph *g, ak_tensor *x); // (n,tokens,D) to (n,D)
ak_tensor *ak_layer_norm(ak_graph *g, ak_tensor *x, ak_param *w, ak_param *bias); // eps 1e-6

// y (n,tokens,D) = the heads' softmax(Q K^T / sqrt(d)) V, side by side; qkv (n,tokens,3D).
ak_tensor *ak_attention(ak_graph *g, ak_tensor *qkv, int64_t heads);

ak_tensor *ak_gelu(ak_graph *g, ak_tensor *x); // x Phi(x), the exact form

// y = x + branch.  In training a sample loses its branch with probability drop, and the others'
// are divided by 1 - drop.
ak_tensor *ak_residual(ak_graph *g, ak_tensor *x, ak_tensor *branch, double drop);

#endif
