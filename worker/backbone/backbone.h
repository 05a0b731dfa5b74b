// worker/backbone/backbone.h -- the network that is kept: images in, features out.
//
// One file and one row in backbones.def each; a file may hold a family (resnet.c).

#ifndef AK_BACKBONE_BACKBONE_H
#define AK_BACKBONE_BACKBONE_H

#include "proto/base/str.h"
#include "worker/nn/layer.h"

typedef struct ak_backbone {
    const char *name;   // as users type it
    const char *title;  // one line for the catalogue
    size_t self_size;   // one instance's parameters
    int64_t width;      // of a feature
    int64_t least_size; // smallest image side

    // build registers the instance's parameters under prefix, by torchvision's names.
    void (*build)(void *self, ak_model *model, const char *prefix);

    // apply records the network: x (n,h,w,3) normalised images, result (n,width).
    ak_tensor *(*apply)(const void *self, ak_graph *g, ak_tensor *x);
} ak_backbone;

// ak_backbone_find gives the row called name ('-' and '_' are one); ERR_NOT_FOUND lists them all.
akssl_status ak_backbone_find(const ak_backbone **out, const char *name) AKSSL_MUST_CHECK;
const ak_backbone *ak_backbone_at(int index); // NULL behind the last

#endif
