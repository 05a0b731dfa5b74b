// worker/augment/canvas.c -- memory of the view being made.

#include "worker/augment/canvas.h"

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/image/hot.h"

void ak_canvas_resize(ak_canvas *x, int64_t height, int64_t width)
{
    int64_t size = height * width, need = 4 * size + 3 * width;

    if (need > x->room) {
        x->memory = ak_realloc(x->memory, (size_t)need, sizeof *x->memory);
        x->room = need;
    }
    x->height = height;
    x->width = width;
    for (int c = 0; c < 3; c++)
        x->plane[c] = x->memory + c * size;
    x->spare = x->memory + 3 * size;
    x->row = x->memory + 4 * size;
}

void ak_canvas_fini(ak_canvas *x)
{
    free(x->memory);
    ak_resample_room_fini(&x->resample);
}

AK_HOT static void interleave(float *restrict out, const float *restrict r, const float *restrict g,
                              const float *restrict b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        out[3 * i] = r[i];
        out[3 * i + 1] = g[i];
        out[3 * i + 2] = b[i];
    }
}

void ak_canvas_store(const ak_canvas *x, float *out)
{
    interleave(out, x->plane[0], x->plane[1], x->plane[2], x->height * x->width);
}
