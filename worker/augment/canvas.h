// worker/augment/canvas.h -- the view being made: three planes of floats in [0,1].

#ifndef AK_AUGMENT_CANVAS_H
#define AK_AUGMENT_CANVAS_H

#include "worker/image/image.h"
#include "worker/image/resample.h"

// One per thread; its memory grows to the largest view and stays.
typedef struct ak_canvas {
    const ak_image *image; // what the view is cut from; borrowed for the view
    int64_t height, width;
    float *plane[3]; // red, green, blue: height x width
    float *spare;    // height x width
    float *row;      // at least 3 x width
    float *memory;
    int64_t room;
    ak_resample_room resample;
} ak_canvas;

// ak_canvas_resize gives planes of this size; their contents are undefined.
void ak_canvas_resize(ak_canvas *x, int64_t height, int64_t width);
void ak_canvas_fini(ak_canvas *x);

// ak_canvas_store writes the planes interleaved: height x width x 3.
void ak_canvas_store(const ak_canvas *x, float *out);

#endif
