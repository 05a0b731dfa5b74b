// worker/format/format.h -- a trained backbone as a file that other tools read: one file and one
// row in formats.def each.

#ifndef AK_FORMAT_FORMAT_H
#define AK_FORMAT_FORMAT_H

#include "proto/format/safetensors.h"
#include "proto/spec/spec.h"
#include "worker/backbone/backbone.h"
#include "worker/nn/model.h"

// What is written; borrowed.
typedef struct ak_network {
    const ak_model *model; // what it has besides "backbone." is left out
    const ak_backbone *backbone;
    const void *self;      // the backbone's instance
    const ak_world *world; // to record the graph in
    int64_t image_size;
    const ak_spec_pairs *about; // metadata
    int64_t zero_head;          // classes of a layer of zeros behind the backbone; 0: none
} ak_network;

typedef struct ak_format {
    const char *name;      // as users type it; equals the file name
    const char *title;     // one line for the catalogue
    const char *extension; // of its files' names: ".onnx"

    // write makes path: whole and flushed, or not at all.  ERR_UNSUPPORTED: the format has no words
    // for this network.
    akssl_status (*write)(const ak_network *network, const char *path);
} ak_format;

// ak_format_find gives the row called name ('-' and '_' are one); ERR_NOT_FOUND lists them all.
akssl_status ak_format_find(const ak_format **out, const char *name) AKSSL_MUST_CHECK;
const ak_format *ak_format_at(int index); // NULL behind the last

// A tensor as a file has it.
typedef struct ak_leaf {
    char *name;
    ak_dtype dtype; // F32 or I64
    int dims;
    int64_t shape[4];
    const void *data; // NULL: zeros
    size_t size;      // bytes
} ak_leaf;

// ak_leaves gives the backbone's tensors without "backbone.", in the model's order, behind them the
// zero head's.  Free with ak_leaves_free.
ak_leaf *ak_leaves(const ak_network *network, int *count);
void ak_leaves_free(ak_leaf *leaves, int count);

// ak_leaf_write hands the bytes of a leaf to write, zeros in pieces.
typedef akssl_status ak_leaf_take(void *ctx, const void *bytes, size_t size);
akssl_status ak_leaf_write(const ak_leaf *leaf, ak_leaf_take *take, void *ctx) AKSSL_MUST_CHECK;

// ak_leaves_save writes leaves and metadata as a safetensors file.
akssl_status ak_leaves_save(const ak_network *network, const ak_leaf *leaves, int count,
                            const char *path) AKSSL_MUST_CHECK;

#endif
