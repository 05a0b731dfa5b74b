// proto/format/names.h -- what networks call their tensors, and tables that turn one tool's names
// into another's.

#ifndef AK_FORMAT_NAMES_H
#define AK_FORMAT_NAMES_H

#include <stdbool.h>

#include "proto/base/str.h"

// A part of a name in two tools' words.  One that starts with '.' stands anywhere in a name, any
// other at its start.
typedef struct ak_names_pair {
    const char *ours, *theirs;
} ak_names_pair;

// timm's names of a vision transformer, and those of torchvision's VisionTransformer.  Ends with
// NULL.
extern const ak_names_pair ak_names_torchvision_vit[];

// ak_names_map puts name into *out (cleared first) with each pair's first occurrence replaced, in
// the table's order: ours by theirs, or with back theirs by ours.
void ak_names_map(const ak_names_pair *pairs, bool back, const char *name, ak_str *out);

#endif
