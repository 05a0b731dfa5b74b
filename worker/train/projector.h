// worker/train/projector.h -- embeddings of images for TensorBoard's projector, in one folder:
//
//     tensors.tsv            an image's embedding a line
//     metadata.tsv           label, class and number in its set of each, below a line of headings
//     projector_config.pbtxt what names them and the sprite, a PNG of thumbnails in rows; the last
//                            to be written
//
// Source: TensorBoard's projector_config.proto, as text.

#ifndef AK_TRAIN_PROJECTOR_H
#define AK_TRAIN_PROJECTOR_H

#include "worker/data/dataset.h"

typedef struct ak_projection {
    const char *name;       // of the embedding, as people see it: letters, digits, _ and -
    const float *features;  // [count][width]
    const ak_dataset *set;  // whose images they are
    const uint32_t *images; // [count]: their numbers in it
    int64_t count, width;
    const char *sprite; // path of the picture, from the folder
    int64_t side;       // of a thumbnail in it
} ak_projection;

// ak_projector_write replaces the three files.  tensors.tsv has 12 bytes a number at most.
akssl_status ak_projector_write(const ak_projection *projection,
                                const char *folder) AKSSL_MUST_CHECK;

#endif
