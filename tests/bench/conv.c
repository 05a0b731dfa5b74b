// tests/bench/conv.c -- speed of each convolution algorithm on the layers of the usual networks.
//
//     build/tests/bench.conv [IMAGES [THREADS [bf16]]]
//
// For each layer and each algorithm that fits it: GFLOP/s of the definition's products (taps in the
// padding counted) forward, of the data's and of the weights' gradient, and the greatest
// difference of each from the direct algorithm's, as a share of its greatest value; then what the
// weights' layouts take, which a step pays once whatever its images.  Time is CPU
// time of all threads, so that other load on the machine shows little.

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/error.h"
#include "worker/tensor/conv_kind.h"
#include "worker/tensor/half.h"

enum { FORWARD, DATA, WEIGHTS, DIRECTIONS };

typedef struct layer {
    const char *network;
    int64_t map, in, out, kernel, stride, images; // images: in a hundred of those asked for
} layer;

static const layer layers[] = {
    { "resnet18@32 stem", 32, 3, 64, 7, 2, 100 }, { "resnet18@32", 8, 64, 64, 3, 1, 100 },
    { "resnet18@32", 8, 64, 128, 3, 2, 100 },     { "resnet18@32", 4, 128, 128, 3, 1, 100 },
    { "resnet18@32", 4, 128, 256, 3, 2, 100 },    { "resnet18@32", 2, 256, 256, 3, 1, 100 },
    { "resnet18@32", 2, 256, 512, 3, 2, 100 },    { "resnet18@32", 1, 512, 512, 3, 1, 100 },
    { "cifar stem", 32, 64, 64, 3, 1, 25 },       { "cifar stem", 16, 128, 128, 3, 1, 25 },
    { "cifar stem", 8, 256, 256, 3, 1, 25 },      { "cifar stem", 4, 512, 512, 3, 1, 25 },
    { "resnet50@224", 56, 64, 64, 3, 1, 6 },      { "resnet50@224", 28, 128, 128, 3, 1, 6 },
    { "resnet50@224", 14, 256, 256, 3, 1, 6 },    { "resnet50@224", 7, 512, 512, 3, 1, 6 },
    { "resnet50@224", 56, 64, 256, 1, 1, 6 },     { "resnet50@224", 14, 1024, 256, 1, 1, 6 },
};

static const ak_conv_kind *const kinds[] = { &ak_conv_direct, &ak_conv_taps, &ak_conv_winograd,
                                             &ak_conv_pointwise };

// What a convolution reads, and what it makes; x, dy, y and dx are bf16 for bf16.
typedef struct inputs {
    float *x, *w, *dy;
} inputs;

typedef struct results {
    float *y, *dx, *dw;
} results;

typedef struct sizes {
    int64_t x, w, y;
} sizes;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float *numbers(int64_t count)
{
    float *at = aligned_alloc(64, ((size_t)count * sizeof *at + 63) / 64 * 64);

    if (!at)
        exit(1);
    for (int64_t i = 0; i < count; i++)
        at[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    return at;
}

static void compute(const ak_conv_kind *kind, void *conv, const inputs *in, const results *out,
                    float *gradient, int direction)
{
    if (direction == FORWARD)
        kind->forward(conv, in->x, out->y);
    else if (direction == DATA)
        kind->backward_data(conv, in->dy, out->dx);
    else
        kind->backward_weights(conv, in->x, in->dy, gradient);
}

// Gives the GFLOP/s of each direction and fills out.
static void run(const ak_conv_kind *kind, void *conv, const inputs *in, const results *out,
                double flops, double *speed)
{
    float *gradient = numbers(kind->gradient_size(conv));

    for (int d = 0; d < DIRECTIONS; d++) {
        double start, spent;
        int rounds = 0;

        kind->load(conv, in->w, d == DATA);
        compute(kind, conv, in, out, gradient, d);
        start = seconds();
        do {
            compute(kind, conv, in, out, gradient, d);
            rounds++;
            spent = seconds() - start;
        } while (spent < 0.1);
        speed[d] = flops * rounds / spent / 1e9;
    }
    kind->unpack(conv, gradient, out->dw);
    free(gradient);
}

// In place: numbers of which the first half of the memory holds bf16, or floats as they are.
static void widen(float *numbers, int64_t count, bool half)
{
    ak_half *copy;

    if (!half)
        return;
    copy = malloc((size_t)count * sizeof *copy);
    if (!copy)
        exit(1);
    memcpy(copy, numbers, (size_t)count * sizeof *copy);
    ak_half_widen(numbers, copy, count);
    free(copy);
}

static float *map(int64_t count, bool half)
{
    float *at = numbers(count);

    if (half)
        ak_half_narrow((ak_half *)(void *)at, at, count, 1);
    return at;
}

// Milliseconds of laying the weights out, for forward and for the data's gradient, and of the
// weights' gradient's way back.
static void measure_layouts(const ak_conv_kind *kind, void *conv, const float *w, float *dw)
{
    float *gradient = numbers(kind->gradient_size(conv));

    printf("   ");
    for (int d = 0; d < DIRECTIONS; d++) {
        double start = seconds(), spent;
        int rounds = 0;

        do {
            if (d == WEIGHTS)
                kind->unpack(conv, gradient, dw);
            else
                kind->load(conv, w, d == DATA);
            rounds++;
            spent = seconds() - start;
        } while (spent < 0.05);
        printf(" %.2f", spent / rounds * 1e3);
    }
    printf(" ms");
    free(gradient);
}

static double difference(const float *a, const float *b, int64_t count)
{
    double most = 0, scale = 0;

    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        scale = fmax(scale, fabs((double)b[i]));
    }
    return most / scale;
}

static results room_for(sizes n)
{
    return (results){ .y = numbers(n.y), .dx = numbers(n.x), .dw = numbers(n.w) };
}

static void drop(results r)
{
    free(r.y);
    free(r.dx);
    free(r.dw);
}

static void measure(const ak_conv_shape *s, ak_conv_engine *engine)
{
    sizes n = { .x = s->n * s->h * s->w * s->in,
                .w = s->in * s->out * s->kernel * s->kernel,
                .y = s->n * ak_conv_out(s->h, s) * ak_conv_out(s->w, s) * s->out };
    double flops = 2.0 * (double)n.y * (double)(n.w / s->out), speed[DIRECTIONS];
    inputs in = { .x = map(n.x, s->half), .w = numbers(n.w), .dy = map(n.y, s->half) };
    results direct = room_for(n), out = room_for(n);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        void *conv;

        if (!kinds[i]->fits(s))
            continue;
        if (kinds[i]->make(&conv, engine, s, true, true) < 0) {
            fprintf(stderr, "%s\n", ak_error_text());
            exit(1);
        }
        run(kinds[i], conv, &in, i ? &out : &direct, flops, speed);
        widen(i ? out.y : direct.y, n.y, s->half);
        widen(i ? out.dx : direct.dx, n.x, s->half);
        printf("    %-9s %6.0f %6.0f %6.0f", kinds[i]->name, speed[FORWARD], speed[DATA],
               speed[WEIGHTS]);
        if (i)
            printf("   %.1e %.1e %.1e", difference(out.y, direct.y, n.y),
                   difference(out.dx, direct.dx, n.x), difference(out.dw, direct.dw, n.w));
        measure_layouts(kinds[i], conv, in.w, out.dw);
        printf("\n");
        kinds[i]->release(conv);
    }
    free(in.x);
    free(in.w);
    free(in.dy);
    drop(direct);
    drop(out);
}

int main(int argc, char **argv)
{
    int64_t images = argc > 1 ? atoi(argv[1]) : 256;
    bool half = argc > 3 && strcmp(argv[3], "bf16") == 0;
    ak_conv_engine *engine;

    if (ak_conv_engine_new(&engine, argc > 2 ? atoi(argv[2]) : 1, ak_isa_of_cpu(), half) < 0) {
        fprintf(stderr, "%s\n", ak_error_text());
        return 1;
    }
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        const layer *l = &layers[i];
        ak_conv_shape s = { .n = (images * l->images + 99) / 100,
                            .h = l->map,
                            .w = l->map,
                            .in = l->in,
                            .out = l->out,
                            .kernel = l->kernel,
                            .stride = l->stride,
                            .padding = l->kernel / 2,
                            .half = half };

        printf("%-16s %3" PRId64 "x%-3" PRId64 " %4" PRId64 " -> %-4" PRId64 " %" PRId64 "x%" PRId64
               "/%" PRId64 ", %" PRId64 " images\n",
               l->network, s.h, s.w, s.in, s.out, s.kernel, s.kernel, s.stride, s.n);
        measure(&s, engine);
    }
    ak_conv_engine_free(engine);
    return 0;
}
