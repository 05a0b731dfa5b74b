// worker/data/dataset.h -- labelled images by index; one file and one row in datasets.def each.
//
// A data set is named by --dataset NAME or NAME:ARGUMENT.

#ifndef AK_DATA_DATASET_H
#define AK_DATA_DATASET_H

#include <stdint.h>

#include "akssl/status.h"
#include "proto/base/str.h"
#include "worker/image/image.h"

typedef struct ak_dataset ak_dataset;

// ak_split says which part: the one to train on, or the held-out one (of evaluations).
typedef enum ak_split { AK_SPLIT_TRAIN = 1, AK_SPLIT_TEST } ak_split;

// ak_dataset_open reads the set into memory and checks all of it: a missing, truncated or damaged
// file is ERR_NOT_FOUND or ERR_CORRUPT with its path.  limit > 0 keeps the first limit images.
akssl_status ak_dataset_open(ak_dataset **out, const char *name, ak_split split,
                             int64_t limit) AKSSL_MUST_CHECK;
void ak_dataset_close(ak_dataset *set); // NULL-safe

int64_t ak_dataset_size(const ak_dataset *set);
ak_image ak_dataset_image(const ak_dataset *set, int64_t index); // borrowed from set
int64_t ak_dataset_label(const ak_dataset *set, int64_t index);  // -1: none
int64_t ak_dataset_classes(const ak_dataset *set);               // labels are 0..classes-1

// ak_datasets_json appends every row as a JSON array (for the catalogue).
void ak_datasets_json(ak_str *text);

#endif
