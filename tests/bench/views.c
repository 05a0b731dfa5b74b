// tests/bench/views.c -- SimCLR views that one core augments in a second.
//
//     build/tests/bench.views HEIGHT WIDTH SIZE [SECONDS]
//
// From a decoded image of HEIGHT x WIDTH in colour to normalised views of SIZE x SIZE, by the
// recipe simclr; views per second of this thread's CPU time, so that other load on the machine
// shows little.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/augment/recipe.h"

enum { ROUND = 16 }; // views between two looks at the clock

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Slopes and edges: no operation's cost depends on what it sees.
static uint8_t *draw(int64_t height, int64_t width)
{
    uint8_t *pixels = ak_alloc((size_t)(height * width), 3);

    for (int64_t i = 0; i < height * width * 3; i++)
        pixels[i] = (uint8_t)((i / 3 % width * 7 + i / 3 / width * 3 + i % 3 * 80) & 255);
    return pixels;
}

static double measure(const ak_recipe *recipe, const ak_image *image, int64_t size, double least)
{
    float *out = ak_alloc((size_t)(size * size), 3 * sizeof *out);
    ak_scratch *scratch = ak_scratch_new();
    double start = seconds();
    uint32_t views = 0;

    do
        for (int i = 0; i < ROUND; i++, views++)
            ak_recipe_view(recipe, image, 1, 0, views / 2, views % 2, scratch, out);
    while (seconds() - start < least);
    ak_scratch_free(scratch);
    free(out);
    return views / (seconds() - start);
}

int main(int argc, char **argv)
{
    int64_t height = argc > 3 ? atoll(argv[1]) : 0, width = argc > 3 ? atoll(argv[2]) : 0;
    int64_t size = argc > 3 ? atoll(argv[3]) : 0;
    ak_spec_pairs none = { 0 };
    ak_recipe *recipe;
    uint8_t *pixels;

    if (height < 1 || width < 1 || height > 8192 || width > 8192) {
        fprintf(stderr, "bench.views: give HEIGHT WIDTH SIZE [SECONDS]\n");
        return 2;
    }
    if (ak_recipe_new(&recipe, &none, size) < 0) {
        fprintf(stderr, "bench.views: %s\n", ak_error_text());
        return 1;
    }
    pixels = draw(height, width);
    printf("%.1f\n",
           measure(recipe,
                   &(ak_image){ .pixels = pixels, .height = height, .width = width, .channels = 3 },
                   size, argc > 4 ? atof(argv[4]) : 3));
    free(pixels);
    ak_recipe_free(recipe);
    return 0;
}
