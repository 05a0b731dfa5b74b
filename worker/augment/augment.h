// worker/augment/augment.h -- an operation on a view: one file, one row in augments.def.
//
// Semantics are torchvision's on float tensors in [0,1]: a result is clamped where torchvision
// clamps.  Each operation is a plain function of its numbers (below), and a row whose settings say
// from what range the numbers are drawn.  Any thread; one canvas per thread.

#ifndef AK_AUGMENT_AUGMENT_H
#define AK_AUGMENT_AUGMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/augment/canvas.h"
#include "worker/rng/rng.h"

typedef struct ak_augment {
    const char *name; // equals the file name
    const char *title;
    size_t self_size; // of its settings

    // apply draws what it needs from rng and changes x.
    void (*apply)(const void *self, ak_rng *rng, ak_canvas *x);
} ak_augment;

// ak_augment_table gives all rows; ends with NULL.
const ak_augment *const *ak_augment_table(void);

#define AK_AUGMENT(name) extern const ak_augment ak_augment_##name;
#include "worker/augment/augments.def"
#undef AK_AUGMENT

// ---- settings of the rows

// Whose plain view it is (plain.c).
typedef struct ak_plain {
    int64_t image_size; // side of what the network takes
    double share;       // of an image's shorter side, what of a photograph is seen
} ak_plain;

typedef struct ak_crop {
    int64_t size;                // side of the result
    double min_scale, max_scale; // share of the image's area
    bool plain;                  // nothing random: as `as` has it
    ak_plain as;
    ak_filter filter;
} ak_crop;

typedef struct ak_flip {
    char none;
} ak_flip;

typedef struct ak_jitter {
    double brightness, contrast, saturation; // factors from max(0, 1 - v) to 1 + v
    double hue;                              // turns from -v to v, at most 1/2
} ak_jitter;

typedef struct ak_grayscale {
    char none;
} ak_grayscale;

typedef struct ak_blur {
    int64_t kernel; // odd; 0: as wide as sigma asks for
    double min_sigma, max_sigma;
} ak_blur;

typedef struct ak_solarize {
    double threshold;
} ak_solarize;

typedef struct ak_normalize {
    double mean[3], std[3];
} ak_normalize;

// ImageNet's mean and standard deviation.
#define AK_NORMALIZE_IMAGENET                                                                      \
    {                                                                                              \
        { 0.485, 0.456, 0.406 },                                                                   \
        {                                                                                          \
            0.229, 0.224, 0.225                                                                    \
        }                                                                                          \
    }

// What the papers see of a photograph: 224 of 256.
#define AK_PLAIN_SHARE 0.875

// ---- the operations by their numbers

// ak_crop_box draws the box of a random resized crop: share of the area from [min, max), aspect
// from 3/4 to 4/3, at most 10 tries, else the largest box in the middle.
ak_box ak_crop_box(ak_rng *rng, int64_t height, int64_t width, double min_scale, double max_scale);
void ak_resized_crop(ak_canvas *x, ak_box box, ak_filter filter, int64_t height,
                     int64_t width); // from x->image

// ak_plain_crop makes the plain view, size x size, from x->image; size is plain's image_size, or
// less for a picture of what is seen.  ak_plain_side is what it resizes an image's shorter side to:
// a decoder may reduce an image to that.
void ak_plain_crop(ak_canvas *x, const ak_plain *plain, ak_filter filter, int64_t size);
int64_t ak_plain_side(const ak_plain *plain, int64_t size);
void ak_mirror(ak_canvas *x);
void ak_brightness(ak_canvas *x, float factor);
void ak_contrast(ak_canvas *x, float factor);
void ak_saturation(ak_canvas *x, float factor);
void ak_hue(ak_canvas *x, float turns);
void ak_gray(ak_canvas *x);

// ak_gaussian_blur needs an odd kernel whose half is less than height and width.
// ak_blur_kernel gives the one that holds 3 sigma, or the largest that height and width allow.
void ak_gaussian_blur(ak_canvas *x, int64_t kernel, double sigma);
int64_t ak_blur_kernel(const ak_canvas *x, double sigma);
void ak_invert_from(ak_canvas *x, float threshold); // solarize: values >= threshold
void ak_standardize(ak_canvas *x, const ak_normalize *by);

#endif
