// worker/image/resample.h -- cuts a box out of an image of bytes and resizes it.

#ifndef AK_IMAGE_RESAMPLE_H
#define AK_IMAGE_RESAMPLE_H

#include "worker/image/image.h"

typedef enum ak_filter { AK_BILINEAR, AK_BICUBIC } ak_filter;

typedef struct ak_box {
    int64_t top, left, height, width;
} ak_box;

// Memory of a thread that resamples; {0} to begin with, grown as needed and kept.
typedef struct ak_resample_room {
    float *floats;
    int64_t *starts;
    int64_t floats_room, starts_room;
} ak_resample_room;

void ak_resample_room_fini(ak_resample_room *room);

// ak_resample writes the box, which lies within the image, to three planes of height x width
// values in [0,1].  With antialias, as PIL and torchvision's antialias=True: a filter as wide as
// the reduction, nothing beyond the box seen.  Bilinear is a triangle, bicubic is Keys's kernel
// (a = -1/2), whose overshoot is cut off.  A gray image gives three equal planes.
void ak_resample(const ak_image *image, ak_box box, ak_filter filter, ak_resample_room *room,
                 float *const plane[3], int64_t height, int64_t width);

// ak_resample_part writes only this part of the height x width values, and computes no others:
// planes of part.height x part.width.
void ak_resample_part(const ak_image *image, ak_box box, ak_filter filter, ak_resample_room *room,
                      float *const plane[3], int64_t height, int64_t width, ak_box part);

#endif
