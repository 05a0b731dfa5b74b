// worker/tensor/contrast.h -- for losses over the whole batch: its rows, gathered, and a query's
// logits against many of them.
//
// Not an operation: what worker/tensor/op's info_nce_queue, info_nce_batch and barlow_twins share.

#ifndef AK_TENSOR_CONTRAST_H
#define AK_TENSOR_CONTRAST_H

#include "worker/tensor/op.h"

// The rows of a tensor (views x b, d) of all shards, by sample.
typedef struct ak_batch_rows {
    int views;
    int64_t rows, d, all; // of a view in a shard; floats of a row; samples of the batch
    float *local, *mixed; // [local][views][rows][d]; the same of all shards
    float *by_sample;     // [all][views][d]
} ak_batch_rows;

akssl_status ak_batch_rows_init(ak_batch_rows *b, const ak_graph *g, const ak_tensor *t,
                                int views) AKSSL_MUST_CHECK;
void ak_batch_rows_fini(ak_batch_rows *b); // of zeros too

// ak_batch_rows_gather collects t's values.  The last view stands in another order: position p of
// the batch is of sample order[p]; NULL: of sample p, as in all others.
void ak_batch_rows_gather(ak_batch_rows *b, ak_graph *g, const ak_tensor *t, const uint32_t *order);

// A query's logits: against its own key, and against others.
typedef struct ak_contrast {
    const float *keys, *others;        // that of sample i starts at keys + i * key_stride
    int64_t key_stride, count, stride; // count others, `stride` floats apart
    bool among;                        // the others are the keys: the own one is among them
    const uint32_t *order;             // query r is of sample order[first + r]; NULL: first + r
    int64_t first;
    double temperature;
} ak_contrast;

// ak_contrast_rows gives the sum over q's rows (rows,d) of -log p of the own key, p = softmax of
// the logits, and writes dq = sum_j p_j k_j - k over all candidates, unless NULL.  logits: room
// for rows * count floats.
double ak_contrast_rows(const ak_contrast *c, const float *q, int64_t rows, int64_t d,
                        float *logits, float *dq);

// ak_contrast_backward adds scale * dq, [local][numel], to the gradient of the first input.
void ak_contrast_backward(ak_op *op, ak_graph *g, const float *dq, double scale);

#endif
