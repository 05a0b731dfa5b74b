// worker/backbone/backbone.h -- the network that is kept: images in, features out.
//
// One file and one row in backbones.def each; a file may hold a family (resnet.c).

#ifndef AK_BACKBONE_BACKBONE_H
#define AK_BACKBONE_BACKBONE_H

#include "proto/base/option.h"
#include "worker/nn/layer.h"

typedef struct ak_backbone {
    const char *name;         // as users type it
    const char *title;        // one line for the catalogue
    const ak_option *options; // behind the name: "NAME:key=value,..."; may be NULL
    size_t self_size;         // one instance's options and parameters
    int64_t width;            // of a feature
    const char *head;         // what torchvision or timm call the classifier behind it
    int64_t least_size;       // smallest image side

    // check refuses an image side, or options that contradict one another.  Optional.
    akssl_status (*check)(const void *self, int64_t image_size);

    // build registers the instance's parameters under prefix, by torchvision's or timm's names.
    // image_size is the side of a global view; apply may be given other sizes too.
    void (*build)(void *self, ak_model *model, const char *prefix, int64_t image_size);

    // apply records the network: x (n,h,w,3) normalised images, result (n,width).
    ak_tensor *(*apply)(const void *self, ak_graph *g, ak_tensor *x);
} ak_backbone;

// ak_backbone_find gives the row called name ('-' and '_' are one), what follows a ':' aside;
// ERR_NOT_FOUND lists them all.
akssl_status ak_backbone_find(const ak_backbone **out, const char *name) AKSSL_MUST_CHECK;
const ak_backbone *ak_backbone_at(int index); // NULL behind the last

// ak_backbone_bind makes an instance's self with the options of text, "NAME" or
// "NAME:key=value,..."; free it with ak_backbone_unbind (NULL-safe).
akssl_status ak_backbone_bind(void **self, const ak_backbone *row,
                              const char *text) AKSSL_MUST_CHECK;
void ak_backbone_unbind(void *self, const ak_backbone *row);

#endif
