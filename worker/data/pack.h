// worker/data/pack.h -- a data set decoded once, as one file that all ranks and jobs of a node map.
//
//     head | pixels of an image, at a multiple of 64 | ... | index
//
// index: for the training and the held-out part: an ak_pack_part, its ak_pack_rows, the images'
// names and the classes' names, each ended by NUL, each block padded to 8 bytes; then the name of
// the data set that was packed.  All numbers are little-endian.  The head has digests of itself and
// of the index, a row one of its pixels, so that no byte is used unchecked: head and index when the
// file is opened, pixels whenever they are read.

#ifndef AK_DATA_PACK_H
#define AK_DATA_PACK_H

#include "worker/data/dataset.h"

#define AK_PACK_MAGIC "akpacked"
enum { AK_PACK_VERSION = 1, AK_PACK_ALIGN = 64, AK_PACK_PARTS = 2 };

typedef struct ak_pack_head {
    char magic[8];
    uint32_t version, parts;
    uint64_t file_size, index_offset;
    uint64_t index_digest; // XXH3-64 of [index_offset, file_size)
    uint64_t head_digest;  // of what is above
} ak_pack_head;

typedef struct ak_pack_part {
    uint64_t count, classes;
    uint64_t names_size, class_names_size; // bytes, before padding; 0: no class names
    uint64_t labelled;                     // 1: rows have labels
} ak_pack_part;

typedef struct ak_pack_row {
    uint64_t offset, digest;
    uint32_t height, width;
    uint32_t channels;
    int32_t label; // -1: none
    uint64_t name; // where it begins in the names
} ak_pack_row;

typedef struct ak_pack_ask {
    ak_dataset_ask train;  // its skip_bad: leave bad images out, or fail
    const char *test_list; // the held-out part is packed if there is one
    int64_t side;          // reduce images whose shorter side is over this to it; 0: never
    // told is handed a sentence about each bad image.  Optional.
    void (*told)(void *ctx, const char *sentence);
    void *ctx;
} ak_pack_ask;

typedef struct ak_pack_count {
    int64_t images[AK_PACK_PARTS], bad;
    uint64_t bytes;
} ak_pack_count;

// ak_pack_write packs a data set into path.  The file appears whole or not at all, and replaces an
// older one; whoever has that mapped keeps it.
akssl_status ak_pack_write(const char *path, const ak_pack_ask *ask,
                           ak_pack_count *count) AKSSL_MUST_CHECK;

#endif
