// worker/tensor/conv_taps.c -- convolution of small maps, as products over the taps that meet the
// image.
//
// On a small map most taps of a padded kernel fall beside the image: of 3x3 on one pixel, all but
// the centre.  So each output position, over all images at once, is a sum of a few products: a row
// of the window that lies in the image is contiguous in nhwc, and its taps are contiguous here,
// where weights are kept as [tap row][tap column][in][out].  The gradient of the input is the same
// from the side of an input position, with taps in the order in which their outputs follow each
// other: falling, each residue of the stride by itself.  No product with a zero of the padding is
// made, so sums are those of the definition.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/conv_kind.h"
#include "worker/tensor/conv_taps_half.h"
#include "worker/tensor/gemm.h"

enum { MAX_KERNEL = 3, MAX_MAP = 64, LEAST_CHANNELS = 16 };

typedef ak_taps_step step;
typedef ak_taps_steps steps;

// The taps of one dimension.
typedef struct axis {
    int64_t size, out;         // of the map: in, out
    int64_t first, used;       // taps first .. first + used - 1 meet the image somewhere
    int64_t place[MAX_KERNEL]; // of each used tap, in the order of the data's gradient
} axis;

typedef struct taps {
    ak_conv_shape shape;
    axis rows, columns;
    steps forward, data;
    int64_t packed; // floats of the weights as products of bf16 read them, either way
    ak_conv_engine *engine;
} taps;

static bool fits(const ak_conv_shape *s)
{
    int64_t h = ak_conv_out(s->h, s), w = ak_conv_out(s->w, s);

    if (s->half && (s->in % 2 || s->out % 2))
        return false; // pairs would begin in one pixel and end in the next
    return s->in >= LEAST_CHANNELS && s->out >= LEAST_CHANNELS && s->kernel <= MAX_KERNEL &&
           s->padding < s->kernel && s->h * s->w <= MAX_MAP && h * w <= MAX_MAP / 4;
}

static axis axis_of(int64_t size, const ak_conv_shape *s)
{
    axis a = { .size = size, .out = ak_conv_out(size, s), .first = s->kernel };
    int64_t last = -1, place = 0;

    for (int64_t tap = 0; tap < s->kernel; tap++)
        for (int64_t o = 0; o < a.out; o++) {
            int64_t i = o * s->stride - s->padding + tap;

            if (i < 0 || i >= size)
                continue;
            a.first = tap < a.first ? tap : a.first;
            last = tap;
        }
    a.used = last - a.first + 1;
    for (int64_t residue = 0; residue < s->stride; residue++)
        for (int64_t tap = last; tap >= a.first; tap--)
            if (tap % s->stride == residue)
                a.place[tap - a.first] = place++;
    return a;
}

// A run of neighbours that one position meets: `from` is the first one's place in its map, `tap`
// its tap's place among the weights.
typedef struct run {
    int64_t from, tap, count;
} run;

static run outputs_run(const axis *a, const ak_conv_shape *s, int64_t o)
{
    int64_t start = o * s->stride - s->padding;
    int64_t lo = start < 0 ? -start : 0, hi = a->size - start;

    hi = hi < s->kernel ? hi : s->kernel;
    return (run){ .from = start + lo, .tap = lo - a->first, .count = hi - lo };
}

static run inputs_run(const axis *a, const ak_conv_shape *s, int64_t i)
{
    run r = { 0 };

    for (int64_t o = 0; o < a->out; o++) {
        int64_t tap = i + s->padding - o * s->stride;

        if (tap < 0 || tap >= s->kernel)
            continue;
        if (r.count++ == 0)
            r = (run){ .from = o, .tap = a->place[tap - a->first], .count = 1 };
    }
    return r;
}

// push adds a product, or makes the last one longer where it goes on.
static void push(steps *list, step s, int64_t channels)
{
    step *last = list->count ? &list->at[list->count - 1] : NULL;

    if (last && !s.first && s.source == last->source + last->k &&
        s.weights == last->weights + last->k * channels) {
        last->k += s.k;
        return;
    }
    list->at[list->count++] = s;
}

// The products of the position (i, j) of a map that is `width` wide and `to` channels deep, from
// rows and columns of one that is `source_width` wide and `from` deep.
typedef struct place {
    int64_t i, j, width, to, source_width, from, columns;
} place;

static void steps_of(steps *list, const place *p, run rows, run columns)
{
    int64_t target = (p->i * p->width + p->j) * p->to;

    if (rows.count == 0 || columns.count == 0) {
        push(list, (step){ .target = target, .first = true }, p->to);
        return;
    }
    for (int64_t r = 0; r < rows.count; r++)
        push(list,
             (step){ .source = ((rows.from + r) * p->source_width + columns.from) * p->from,
                     .weights = ((rows.tap + r) * p->columns + columns.tap) * p->from * p->to,
                     .target = target,
                     .k = columns.count * p->from,
                     .first = r == 0 },
             p->to);
}

static steps steps_new(const taps *t, bool data)
{
    const ak_conv_shape *s = &t->shape;
    const axis *rows = &t->rows, *columns = &t->columns;
    int64_t height = data ? s->h : rows->out, width = data ? s->w : columns->out;
    steps list = { ak_alloc((size_t)(height * width * s->kernel), sizeof *list.at), 0 };
    place p = { .width = width,
                .to = data ? s->in : s->out,
                .source_width = data ? columns->out : s->w,
                .from = data ? s->out : s->in,
                .columns = columns->used };
    run (*met)(const axis *, const ak_conv_shape *, int64_t) = data ? inputs_run : outputs_run;

    for (p.i = 0; p.i < height; p.i++)
        for (p.j = 0; p.j < width; p.j++)
            steps_of(&list, &p, met(rows, s, p.i), met(columns, s, p.j));
    return list;
}

static int64_t gradient_size(const void *self)
{
    const taps *t = self;

    return t->rows.used * t->columns.used * t->shape.in * t->shape.out;
}

static void release(void *self)
{
    taps *t = self;

    free(t->forward.at);
    free(t->data.at);
    free(t);
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t in_size(const taps *t)
{
    return t->shape.h * t->shape.w * t->shape.in;
}

static int64_t out_size(const taps *t)
{
    return t->rows.out * t->columns.out * t->shape.out;
}

// Of bf16: from x to y (and over both), or from dy to dx.
static ak_taps_pass pass_of(const taps *t, bool data)
{
    const ak_conv_shape *s = &t->shape;

    return (ak_taps_pass){ .steps = data ? &t->data : &t->forward,
                           .images = s->n,
                           .from = data ? s->out : s->in,
                           .to = data ? s->in : s->out,
                           .source_size = data ? out_size(t) : in_size(t),
                           .target_size = data ? in_size(t) : out_size(t),
                           .threads = ak_conv_threads(t->engine) };
}

static akssl_status reserve(taps *t)
{
    ak_taps_pass forth = pass_of(t, false), back = pass_of(t, true);
    int64_t all = t->rows.used * t->columns.used, room = 0;

    if (t->shape.half) {
        t->packed = most(ak_taps_half_packed(&forth, all), ak_taps_half_packed(&back, all));
        room = most(ak_taps_half_room(&forth), ak_taps_half_room(&back));
    }
    return ak_conv_reserve(t->engine, (size_t)room, (size_t)(t->packed + gradient_size(t)));
}

static akssl_status make(void **out, ak_conv_engine *engine, const ak_conv_shape *shape,
                         bool training, bool with_data)
{
    taps *t = ak_alloc(1, sizeof *t);
    akssl_status rc;

    t->engine = engine;
    t->shape = *shape;
    t->rows = axis_of(shape->h, shape);
    t->columns = axis_of(shape->w, shape);
    t->forward = steps_new(t, false);
    if (training && with_data)
        t->data = steps_new(t, true);
    rc = reserve(t);
    if (rc < 0) {
        release(t);
        return rc;
    }
    *out = t;
    return AKSSL_OK;
}

// tap_offset says where a tap's weights are in [out, in, k, k].
static int64_t tap_offset(const taps *t, int64_t row, int64_t column)
{
    return (t->rows.first + row) * t->shape.kernel + t->columns.first + column;
}

// Weights change their layout in tiles of TILE x TILE channels, all taps of a tile while it is in
// the nearest cache.
enum { TILE = 16 };

typedef struct tile {
    int64_t o0, o1, i0, i1, in, out, apart; // channels from .. to, of all, floats between taps' own
} tile;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// next_tile moves on, or begins where o1 is 0; false behind the last.
static bool next_tile(tile *t)
{
    if (t->o1 == 0) {
        t->i0 = t->o0 = 0;
    } else if (t->i1 < t->in) {
        t->i0 = t->i1;
    } else {
        t->i0 = 0;
        t->o0 = t->o1;
    }
    t->i1 = least(t->i0 + TILE, t->in);
    t->o1 = least(t->o0 + TILE, t->out);
    return t->o0 < t->out;
}

static tile first_tile(const ak_conv_shape *s)
{
    return (tile){ .in = s->in, .out = s->out, .apart = s->kernel * s->kernel };
}

// to[in][out] = from[out][in]
static void load_turned(const tile *t, float *to, const float *from)
{
    for (int64_t i = t->i0; i < t->i1; i++)
        for (int64_t o = t->o0; o < t->o1; o++)
            to[i * t->out + o] = from[(o * t->in + i) * t->apart];
}

// to[out][in] = from[out][in]
static void load_straight(const tile *t, float *to, const float *from)
{
    for (int64_t o = t->o0; o < t->o1; o++)
        for (int64_t i = t->i0; i < t->i1; i++)
            to[o * t->in + i] = from[(o * t->in + i) * t->apart];
}

static void unload_turned(const tile *t, float *to, const float *from)
{
    for (int64_t o = t->o0; o < t->o1; o++)
        for (int64_t i = t->i0; i < t->i1; i++)
            to[(o * t->in + i) * t->apart] = from[i * t->out + o];
}

// The weights that were loaded last, as floats: forward [used row][used column][in][out], for the
// data's gradient [placed row][placed column][out][in].  Those of bf16 lie before them, packed.
static float *floats_of(const taps *t)
{
    return ak_conv_weights(t->engine) + t->packed;
}

static void load_floats(const taps *t, const float *w, bool backward)
{
    int64_t size = t->shape.in * t->shape.out, columns = t->columns.used;
    float *to = floats_of(t);

    for (tile at = first_tile(&t->shape); next_tile(&at);)
        for (int64_t r = 0; r < t->rows.used; r++)
            for (int64_t c = 0; c < columns; c++) {
                const float *from = w + tap_offset(t, r, c);

                if (backward)
                    load_straight(
                        &at, to + (t->rows.place[r] * columns + t->columns.place[c]) * size, from);
                else
                    load_turned(&at, to + (r * columns + c) * size, from);
            }
}

static void load(void *self, const float *w, bool backward)
{
    taps *t = self;
    ak_taps_pass pass = pass_of(t, backward);

    load_floats(t, w, backward);
    if (t->shape.half)
        ak_taps_half_pack(&pass, ak_conv_weights(t->engine), floats_of(t),
                          t->rows.used * t->columns.used);
}

static void clear(float *at, int64_t images, int64_t channels, int64_t apart)
{
    for (int64_t n = 0; n < images; n++)
        memset(at + n * apart, 0, (size_t)channels * sizeof *at);
}

// Each target's sum of products; images of the source and of the target lie `from` and `to` floats
// apart.
static void run_steps(const steps *list, int64_t images, float *target, int64_t to,
                      int64_t channels, const float *source, int64_t from, const float *weights)
{
    for (int i = 0; i < list->count; i++) {
        const step *s = &list->at[i];

        if (s->k == 0)
            clear(target + s->target, images, channels, to);
        else
            ak_gemm_run(&(ak_gemm_product){ .c = target + s->target,
                                            .a = source + s->source,
                                            .b = weights + s->weights,
                                            .m = images,
                                            .n = channels,
                                            .k = s->k,
                                            .lda = from,
                                            .ldb = channels,
                                            .ldc = to,
                                            .scale = 1,
                                            .keep = s->first ? 0 : 1 });
    }
}

static void forward(void *self, const void *x, void *y)
{
    taps *t = self;
    ak_taps_pass pass = pass_of(t, false);

    if (t->shape.half)
        ak_taps_half_run(&pass, y, x, ak_conv_weights(t->engine), ak_conv_room(t->engine));
    else
        run_steps(&t->forward, t->shape.n, y, out_size(t), t->shape.out, x, in_size(t),
                  floats_of(t));
}

static void backward_data(void *self, const void *dy, void *dx)
{
    taps *t = self;
    ak_taps_pass pass = pass_of(t, true);

    if (t->shape.half)
        ak_taps_half_run(&pass, dx, dy, ak_conv_weights(t->engine), ak_conv_room(t->engine));
    else
        run_steps(&t->data, t->shape.n, dx, in_size(t), t->shape.in, dy, out_size(t), floats_of(t));
}

static void weights_of_floats(const taps *t, const float *x, const float *dy, float *gradient)
{
    bool once = t->forward.count == 1; // then its product is all there is

    if (!once)
        memset(gradient, 0, (size_t)gradient_size(t) * sizeof *gradient);
    for (int i = 0; i < t->forward.count; i++) {
        const step *s = &t->forward.at[i];

        ak_gemm_run(&(ak_gemm_product){ .c = gradient + s->weights,
                                        .a = x + s->source,
                                        .b = dy + s->target,
                                        .m = s->k,
                                        .n = t->shape.out,
                                        .k = t->shape.n,
                                        .lda = in_size(t),
                                        .ldb = out_size(t),
                                        .ldc = t->shape.out,
                                        .a_transposed = true,
                                        .scale = 1,
                                        .keep = once ? 0 : 1 });
    }
}

static void backward_weights(void *self, const void *x, const void *dy, float *gradient)
{
    taps *t = self;
    ak_taps_pass pass = pass_of(t, false);

    if (t->shape.half)
        ak_taps_half_weights(&pass, gradient, t->rows.used * t->columns.used, x, dy,
                             ak_conv_room(t->engine));
    else
        weights_of_floats(t, x, dy, gradient);
}

static void unpack(void *self, const float *gradient, float *dw)
{
    taps *t = self;
    int64_t size = t->shape.in * t->shape.out, all = t->shape.kernel * t->shape.kernel;

    if (t->rows.used * t->columns.used < all)
        memset(dw, 0, (size_t)(size * all) * sizeof *dw);
    for (tile at = first_tile(&t->shape); next_tile(&at);)
        for (int64_t r = 0; r < t->rows.used; r++)
            for (int64_t c = 0; c < t->columns.used; c++)
                unload_turned(&at, dw + tap_offset(t, r, c),
                              gradient + (r * t->columns.used + c) * size);
}

const ak_conv_kind ak_conv_taps = {
    .name = "taps",
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
