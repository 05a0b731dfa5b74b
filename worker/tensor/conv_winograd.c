// worker/tensor/conv_winograd.c -- 3x3 convolution of stride 1 and padding 1 by Winograd's
// algorithm.
//
// A block of tiles is taken to points, where a convolution is one product of matrices a point, and
// back: see winograd/winograd.h for the forms.  The data's gradient is the same convolution of dy
// with the taps turned round and the channels exchanged.  For the weights' gradient the points of x
// and of dy are multiplied over the tiles, cut in two parts that are added in order: parts,
// blocks and order depend on the shape alone, so the number of threads does not show in the result.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/conv_kind.h"
#include "worker/tensor/half.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/pieces.h"
#include "worker/tensor/winograd/winograd.h"

enum {
    PANEL = AK_WINOGRAD_PANEL,
    ROWS = AK_WINOGRAD_ROWS,
    COLUMNS = AK_WINOGRAD_COLUMNS,
    TAPS = AK_WINOGRAD_TAPS,
    PIXELS = AK_WINOGRAD_MOST_PIXELS,
    LEAST_BLOCK = 32,
    MOST_BLOCK = 128,
    LONG_BLOCK = 128,
    PARTS = 2, // each costs a pass over sums that no near cache holds
    SKEW = 16, // floats between points beyond their own, or they would meet in one set of a cache
};

typedef struct winograd {
    ak_conv_shape shape;
    ak_conv_engine *engine;
    const ak_winograd_kernels *kernels;
    const ak_winograd_form *form;
    int64_t across, down, tiles, points; // points of a tile
    int64_t block, long_block;           // tiles at a time; for the weights' gradient
    int64_t pair;  // numbers that stand in the place of a float where products read them
    int64_t parts; // of the tiles, that have sums of their own in the weights' gradient
    float *zeros;  // what lies beside the image
} winograd;

static const ak_winograd_kernels *kernels_of(ak_isa isa, bool half)
{
#ifdef __x86_64__
    if (half)
        return &ak_winograd_bf16;
    if (isa == AK_ISA_AVX512)
        return &ak_winograd_avx512;
    if (isa == AK_ISA_AVX2)
        return &ak_winograd_avx2;
#endif
    (void)isa;
    (void)half;
    return &ak_winograd_plain;
}

static int64_t up(int64_t value, int64_t to)
{
    return (value + to - 1) / to * to;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// Floats from one point of `rows` rows to the next.
static int64_t apart(int64_t rows, int64_t channels)
{
    return rows * channels + SKEW;
}

// Places that so many numbers take.
static int64_t places(const winograd *w, int64_t numbers)
{
    return (numbers + w->pair - 1) / w->pair;
}

static ak_winograd_place place_of(int64_t index)
{
    return index % 2 ? AK_WINOGRAD_SECOND : AK_WINOGRAD_FIRST;
}

static int64_t gradient_size(const void *self)
{
    const winograd *w = self;

    return TAPS * w->shape.in * w->shape.out;
}

// Floats of a part: points of x, points of dy, sums.
static int64_t part_size(const winograd *w)
{
    int64_t in = w->shape.in, out = w->shape.out;

    int64_t rows = places(w, w->long_block);

    return w->points * (apart(rows, in) + apart(rows, out) + in * out);
}

// Floats of a thread: points of what is read, and of what is written.
static int64_t each_room(const winograd *w, int64_t from, int64_t to)
{
    return w->points * (apart(w->block, places(w, from)) + apart(w->block, to));
}

static size_t room_of(const winograd *w)
{
    const ak_conv_shape *s = &w->shape;
    int64_t one = each_room(w, s->in, s->out), back = each_room(w, s->out, s->in);
    int64_t weights = w->parts * part_size(w);

    one = (one > back ? one : back) * ak_conv_threads(w->engine);
    return (size_t)(one > weights ? one : weights);
}

static size_t weights_size(const winograd *w)
{
    return (size_t)(w->points * places(w, w->shape.in) * w->shape.out);
}

static void release(void *self)
{
    winograd *w = self;

    free(w->zeros);
    free(w);
}

static void plan(winograd *w, ak_isa isa)
{
    const ak_conv_shape *s = &w->shape;
    int64_t block = (s->in + s->out) / 4;

    w->kernels = kernels_of(isa, s->half);
    w->pair = w->kernels->pair;
    w->form = s->h == 2 && s->w == 2 ? &w->kernels->whole2 : &w->kernels->tile4;
    w->points = w->form->points * w->form->points;
    w->down = (s->h + w->form->out - 1) / w->form->out;
    w->across = (s->w + w->form->out - 1) / w->form->out;
    w->tiles = s->n * w->down * w->across;
    block = block < LEAST_BLOCK ? LEAST_BLOCK : least(up(block, ROWS), MOST_BLOCK);
    w->block = least(up(w->tiles, ROWS), block);
    w->parts = PARTS;
    w->long_block = least((w->tiles + w->parts - 1) / w->parts, LONG_BLOCK);
}

// Where it makes at most two thirds of the products of the taps that meet the image; the rest is
// for the way to the points and back.
static bool fits(const ak_conv_shape *s)
{
    winograd w = { .shape = *s };

    if (s->exact || s->kernel != 3 || s->stride != 1 || s->padding != 1 || s->in % COLUMNS != 0 ||
        s->out % COLUMNS != 0)
        return false;
    plan(&w, AK_ISA_PLAIN); // tiles are the same in all
    return 3 * w.points * w.down * w.across <= 2 * (3 * s->h - 2) * (3 * s->w - 2);
}

static akssl_status make(void **out, ak_conv_engine *engine, const ak_conv_shape *shape,
                         bool training, bool with_data)
{
    winograd *w = ak_alloc(1, sizeof *w);
    akssl_status rc;

    (void)training;
    (void)with_data;
    w->engine = engine;
    w->shape = *shape;
    plan(w, ak_conv_isa(engine));
    w->zeros =
        ak_alloc((size_t)(shape->in > shape->out ? shape->in : shape->out), sizeof *w->zeros);
    rc = ak_conv_reserve(engine, room_of(w), weights_size(w));
    if (rc < 0) {
        release(w);
        return rc;
    }
    *out = w;
    return AKSSL_OK;
}

// ---- weights

// The points of w [out, in, 3, 3] as [point][out / PANEL][in][PANEL], for PANEL channels o.. of the
// output and each of the input.
static void expand(const winograd *w, float *u, const float *taps, int64_t o)
{
    int64_t in = w->shape.in, out = w->shape.out;
    float lanes[TAPS * PANEL];

    for (int64_t i = 0; i < in; i++) {
        for (int64_t l = 0; l < PANEL; l++)
            for (int64_t tap = 0; tap < TAPS; tap++)
                lanes[tap * PANEL + l] = taps[((o + l) * in + i) * TAPS + tap];
        w->form->expand(lanes, PANEL, u + o * in / w->pair + i / w->pair * PANEL,
                        in * out / w->pair, PANEL, place_of(i));
    }
}

// The same of the turned taps, from out to in.
static void expand_turned(const winograd *w, float *u, const float *taps, int64_t i)
{
    int64_t in = w->shape.in, out = w->shape.out;
    float lanes[TAPS * PANEL];

    for (int64_t o = 0; o < out; o++) {
        for (int64_t l = 0; l < PANEL; l++)
            for (int64_t tap = 0; tap < TAPS; tap++)
                lanes[(TAPS - 1 - tap) * PANEL + l] = taps[(o * in + i + l) * TAPS + tap];
        w->form->expand(lanes, PANEL, u + i * out / w->pair + o / w->pair * PANEL,
                        in * out / w->pair, PANEL, place_of(o));
    }
}

static void load(void *self, const float *taps, bool backward)
{
    winograd *w = self;
    int threads = ak_conv_threads(w->engine);
    float *u = ak_conv_weights(w->engine);

    if (backward)
        PIECES(w->shape.in, PANEL, threads, expand_turned(w, u, taps, lo));
    else
        PIECES(w->shape.out, PANEL, threads, expand(w, u, taps, lo));
}

static void unpack_some(const winograd *w, const float *gradient, float *dw, int64_t lo, int64_t hi)
{
    int64_t in = w->shape.in, out = w->shape.out;

    for (int64_t i0 = 0; i0 < in; i0 += PANEL)
        for (int64_t o = lo; o < hi; o++)
            for (int64_t i = i0; i < i0 + PANEL; i++)
                for (int64_t tap = 0; tap < TAPS; tap++)
                    dw[(o * in + i) * TAPS + tap] = gradient[(tap * in + i) * out + o];
}

static void unpack(void *self, const float *gradient, float *dw)
{
    winograd *w = self;
    int threads = ak_conv_threads(w->engine);

    PIECES(w->shape.out, PANEL, threads, unpack_some(w, gradient, dw, lo, hi));
}

// ---- tiles

// Where a tile's pixels are: `side` x `side` of the map of `channels` channels, from `before` rows
// and columns before its own; `beside` for those that are not on the map.
static void pixels(const winograd *w, int64_t tile, int side, int before, const void *map,
                   int64_t channels, const void *beside, const void **at)
{
    const ak_conv_shape *s = &w->shape;
    int64_t size = channels * (int64_t)(s->half ? sizeof(ak_half) : sizeof(float));
    int64_t n = tile / (w->down * w->across), in_image = tile % (w->down * w->across);
    int64_t top = in_image / w->across * w->form->out - before,
            left = in_image % w->across * w->form->out - before;

    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            int64_t row = top + i, column = left + j;
            bool on = row >= 0 && row < s->h && column >= 0 && column < s->w;

            at[i * side + j] =
                on ? (const char *)map + ((n * s->h + row) * s->w + column) * size : beside;
        }
}

static void take(const winograd *w, const void *x, int64_t channels, int64_t tile, float *v,
                 int64_t v_apart, ak_winograd_place place)
{
    const void *at[PIXELS];

    pixels(w, tile, w->form->reach, w->form->before, x, channels, w->zeros, at);
    w->form->take(at, v, v_apart, channels, place);
}

static void spread(const winograd *w, const void *dy, int64_t channels, int64_t tile, float *d,
                   int64_t d_apart, ak_winograd_place place)
{
    const void *at[PIXELS];

    pixels(w, tile, w->form->out, 0, dy, channels, w->zeros, at);
    w->form->spread(at, d, d_apart, channels, place);
}

static void give(const winograd *w, void *y, int64_t channels, int64_t tile, const float *m,
                 int64_t m_apart)
{
    const void *at[PIXELS];
    void *to[PIXELS];

    pixels(w, tile, w->form->out, 0, y, channels, NULL, at);
    for (int i = 0; i < w->form->out * w->form->out; i++)
        to[i] = at[i] ? (char *)y + ((const char *)at[i] - (const char *)y) : NULL;
    w->form->give(m, m_apart, to, channels);
}

// ---- forward, and the gradient of the data

typedef struct pass {
    const void *x;
    void *y;
    int64_t from, to; // channels
} pass;

static void convolve_block(const winograd *w, const pass *p, int64_t first, float *v)
{
    const float *u = ak_conv_weights(w->engine);
    int64_t k = places(w, p->from), v_apart = apart(w->block, k), m_apart = apart(w->block, p->to);
    int64_t count = least(w->block, w->tiles - first);
    float *m = v + w->points * v_apart;

    for (int64_t t = 0; t < count; t++)
        take(w, p->x, p->from, first + t, v + t * k, v_apart, AK_WINOGRAD_ROW);
    for (int64_t i = 0; i < w->points; i++)
        w->kernels->product(m + i * m_apart, v + i * v_apart, u + i * k * p->to, up(count, ROWS),
                            p->to, k);
    for (int64_t t = 0; t < count; t++)
        give(w, p->y, p->to, first + t, m + t * p->to, m_apart);
}

static void convolve(const winograd *w, pass p)
{
    int threads = ak_conv_threads(w->engine);
    int64_t each = each_room(w, p.from, p.to);
    float *room = ak_conv_room(w->engine);

#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++)
        for (int64_t first = t * w->block; first < w->tiles; first += threads * w->block)
            convolve_block(w, &p, first, room + t * each);
}

static void forward(void *self, const void *x, void *y)
{
    winograd *w = self;

    convolve(w, (pass){ .x = x, .y = y, .from = w->shape.in, .to = w->shape.out });
}

static void backward_data(void *self, const void *dy, void *dx)
{
    winograd *w = self;

    convolve(w, (pass){ .x = dy, .y = dx, .from = w->shape.out, .to = w->shape.in });
}

// ---- the gradient of the weights

typedef struct sums {
    const void *x, *dy;
    float *gradient, *room;
} sums;

static float *part_sums(const winograd *w, const sums *s, int64_t part)
{
    return s->room + (part + 1) * part_size(w) - w->points * w->shape.in * w->shape.out;
}

static void add_block(const winograd *w, const sums *s, int64_t part, int64_t first, int64_t count)
{
    int64_t in = w->shape.in, out = w->shape.out;
    int64_t rows = places(w, w->long_block), k = places(w, count);
    int64_t v_apart = apart(rows, in), d_apart = apart(rows, out);
    float *v = s->room + part * part_size(w), *d = v + w->points * v_apart,
          *du = part_sums(w, s, part);

    for (int64_t t = 0; t < count; t++) {
        take(w, s->x, in, first + t, v + t / w->pair * in, v_apart, place_of(t));
        spread(w, s->dy, out, first + t, d + t / w->pair * out, d_apart, place_of(t));
    }
    for (int64_t i = 0; i < w->points; i++)
        w->kernels->gather(du + i * in * out, out, v + i * v_apart, in, d + i * d_apart, out, in,
                           out, k);
}

static void add_part(const winograd *w, const sums *s, int64_t part)
{
    int64_t first = w->tiles * part / w->parts, end = w->tiles * (part + 1) / w->parts;

    memset(part_sums(w, s, part), 0,
           (size_t)(w->points * w->shape.in * w->shape.out) * sizeof(float));
    for (; first < end; first += w->long_block)
        add_block(w, s, part, first, least(w->long_block, end - first));
}

// Elements [lo, hi) of in * out: the parts' sums in order, then the taps.
static void fold(const winograd *w, const sums *s, int64_t lo, int64_t hi)
{
    int64_t size = w->shape.in * w->shape.out;
    float *total = part_sums(w, s, 0);

    for (int64_t part = 1; part < w->parts; part++)
        for (int64_t k = 0; k < w->points; k++)
            ak_kernel_add(total + k * size + lo, total + k * size + lo,
                          part_sums(w, s, part) + k * size + lo, hi - lo, 1);
    w->form->fold(total + lo, size, s->gradient + lo, size, hi - lo);
}

static void backward_weights(void *self, const void *x, const void *dy, float *gradient)
{
    winograd *w = self;
    int threads = ak_conv_threads(w->engine);
    sums s = { .x = x, .dy = dy, .gradient = gradient, .room = ak_conv_room(w->engine) };

    PIECES(w->parts, 1, threads, add_part(w, &s, lo));
    PIECES(w->shape.in * w->shape.out, COLUMNS * COLUMNS, threads, fold(w, &s, lo, hi));
}

const ak_conv_kind ak_conv_winograd = {
    .name = "winograd",
    .fits = fits,
    .make = make,
    .release = release,
    .load = load,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
    .gradient_size = gradient_size,
    .unpack = unpack,
};
