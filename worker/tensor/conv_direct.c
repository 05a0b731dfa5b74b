// worker/tensor/conv_direct.c -- convolution of any shape by oneDNN's direct kernels.
//
// Weights and their gradient have the blocked layouts that oneDNN asks for.  The first part bridges
// the two C APIs: in 2.x a memory descriptor is a struct and an operation is described before its
// primitive descriptor, in 3.x descriptors are handles made in one call.

#include "worker/tensor/conv_kind.h"

#include <oneapi/dnnl/dnnl.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

extern void omp_set_num_threads(int threads); // of the OpenMP that oneDNN runs on

enum { DIMS = 4 };
enum direction { FORWARD, DATA, WEIGHTS, DIRECTIONS };

// ---- the two APIs

#if DNNL_VERSION_MAJOR >= 3

typedef const_dnnl_memory_desc_t md_ref;
typedef dnnl_memory_desc_t md_own;
typedef dnnl_primitive_desc_t pd_own;
typedef const_dnnl_primitive_desc_t pd_ref;

static dnnl_status_t md_make(md_own *md, const dnnl_dims_t sizes, dnnl_data_type_t type,
                             dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(md, DIMS, sizes, type, tag);
}

static md_ref md_use(const md_own *md)
{
    return *md;
}

static void md_drop(md_own *md)
{
    if (*md)
        dnnl_memory_desc_destroy(*md);
}

static dnnl_status_t conv_pd(pd_own *pd, enum direction d, dnnl_engine_t engine, const md_own *x,
                             const md_own *w, const md_own *y, const dnnl_dims_t stride,
                             const dnnl_dims_t pad, pd_ref hint)
{
    static const dnnl_dims_t dilation = { 0, 0 };

    switch (d) {
    case FORWARD:
        return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_training,
                                                              dnnl_convolution_direct, *x, *w, NULL,
                                                              *y, stride, dilation, pad, pad, NULL);
    case DATA:
        return dnnl_convolution_backward_data_primitive_desc_create(
            pd, engine, dnnl_convolution_direct, *x, *w, *y, stride, dilation, pad, pad, hint,
            NULL);
    default:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            pd, engine, dnnl_convolution_direct, *x, *w, NULL, *y, stride, dilation, pad, pad, hint,
            NULL);
    }
}

static dnnl_status_t reorder_pd(pd_own *pd, md_ref from, md_ref to, dnnl_engine_t engine)
{
    return dnnl_reorder_primitive_desc_create(pd, from, engine, to, engine, NULL);
}

#else

typedef const dnnl_memory_desc_t *md_ref;
typedef dnnl_memory_desc_t md_own;
typedef dnnl_primitive_desc_t pd_own;
typedef const_dnnl_primitive_desc_t pd_ref;

static dnnl_status_t md_make(md_own *md, const dnnl_dims_t sizes, dnnl_data_type_t type,
                             dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(md, DIMS, sizes, type, tag);
}

static md_ref md_use(const md_own *md)
{
    return md;
}

static void md_drop(md_own *md)
{
    (void)md;
}

static dnnl_status_t conv_pd(pd_own *pd, enum direction d, dnnl_engine_t engine, const md_own *x,
                             const md_own *w, const md_own *y, const dnnl_dims_t stride,
                             const dnnl_dims_t pad, pd_ref hint)
{
    dnnl_convolution_desc_t desc;
    dnnl_status_t rc;

    if (d == FORWARD)
        rc = dnnl_convolution_forward_desc_init(
            &desc, dnnl_forward_training, dnnl_convolution_direct, x, w, NULL, y, stride, pad, pad);
    else if (d == DATA)
        rc = dnnl_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, x, w, y,
                                                      stride, pad, pad);
    else
        rc = dnnl_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, x, w, NULL,
                                                         y, stride, pad, pad);
    return rc == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, NULL, engine, hint) : rc;
}

static dnnl_status_t reorder_pd(pd_own *pd, md_ref from, md_ref to, dnnl_engine_t engine)
{
    return dnnl_reorder_primitive_desc_create(pd, from, engine, to, engine, NULL);
}

#endif

// ---- the convolution

typedef struct buffer {
    float *at;
    size_t floats;
} buffer;

struct ak_conv_engine {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
    ak_isa isa;
    buffer room, weights;
};

typedef struct direct {
    ak_conv_engine *engine;
    dnnl_primitive_t run[DIRECTIONS];
    dnnl_primitive_t reorder[DIRECTIONS]; // [out,in,k,k] to the layout; for WEIGHTS, back from it
    dnnl_memory_t plain, x, y, w[DIRECTIONS];
    int64_t gradient_size;
    ak_conv_shape shape;
} direct;

// oneDNN's sets are numbered by what they have, a bit each.
static akssl_status settle(ak_isa isa, bool half)
{
    static const dnnl_cpu_isa_t sets[] = { [AK_ISA_PLAIN] = dnnl_cpu_isa_sse41,
                                           [AK_ISA_AVX2] = dnnl_cpu_isa_avx2,
                                           [AK_ISA_AVX512] = dnnl_cpu_isa_avx512_core };
    dnnl_cpu_isa_t set = half ? dnnl_cpu_isa_avx512_core_bf16 : sets[isa];
    unsigned has, wanted = (unsigned)set, next = (unsigned)sets[AK_ISA_AVX512];

    (void)dnnl_set_max_cpu_isa(set); // fails once it is settled
    has = (unsigned)dnnl_get_effective_cpu_isa();
    if ((has & wanted) == wanted && (isa == AK_ISA_AVX512 || (has & next) != next))
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_STATE,
                   "oneDNN has already computed with another instruction set than %s: compute with "
                   "%s in a process of its own",
                   ak_isa_name(isa), ak_isa_name(isa));
}

akssl_status ak_conv_engine_new(ak_conv_engine **out, int threads, ak_isa isa, bool half)
{
    akssl_status rc = settle(isa, half);
    ak_conv_engine *e;

    if (rc < 0)
        return rc;
    e = ak_alloc(1, sizeof *e);
    omp_set_num_threads(threads);
    e->threads = threads;
    e->isa = isa;
    if (dnnl_engine_create(&e->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&e->stream, e->engine, dnnl_stream_default_flags) != dnnl_success) {
        ak_conv_engine_free(e);
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "oneDNN does not start on this CPU");
    }
    *out = e;
    return AKSSL_OK;
}

void ak_conv_engine_free(ak_conv_engine *e)
{
    if (!e)
        return;
    if (e->stream)
        dnnl_stream_destroy(e->stream);
    if (e->engine)
        dnnl_engine_destroy(e->engine);
    free(e->room.at);
    free(e->weights.at);
    free(e);
}

int ak_conv_threads(const ak_conv_engine *e)
{
    return e->threads;
}

ak_isa ak_conv_isa(const ak_conv_engine *e)
{
    return e->isa;
}

static akssl_status grow(buffer *m, size_t floats)
{
    float *at;

    if (floats <= m->floats)
        return AKSSL_OK;
    at = ak_try_alloc(floats, sizeof *at);
    if (!at)
        return AKSSL_ERR_NO_MEMORY; // ak_try_alloc has said how much
    free(m->at);
    *m = (buffer){ at, floats };
    return AKSSL_OK;
}

akssl_status ak_conv_reserve(ak_conv_engine *e, size_t room, size_t weights)
{
    akssl_status rc = grow(&e->room, room);

    return rc < 0 ? rc : grow(&e->weights, weights);
}

float *ak_conv_room(const ak_conv_engine *e)
{
    return e->room.at;
}

float *ak_conv_weights(const ak_conv_engine *e)
{
    return e->weights.at;
}

typedef struct build {
    direct *conv;
    dnnl_engine_t engine;
    md_own x, y, w_any, dw_any, w_plain;
    dnnl_dims_t stride, pad;
    pd_own forward; // the hint of the gradients
} build;

static dnnl_status_t build_reorder(build *b, enum direction d, md_ref layout)
{
    pd_own pd = NULL;
    dnnl_status_t rc;

    rc = d == WEIGHTS ? reorder_pd(&pd, layout, md_use(&b->w_plain), b->engine)
                      : reorder_pd(&pd, md_use(&b->w_plain), layout, b->engine);
    if (rc == dnnl_success)
        rc = dnnl_primitive_create(&b->conv->reorder[d], pd);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return rc;
}

static dnnl_status_t build_direction(build *b, enum direction d)
{
    direct *c = b->conv;
    pd_own pd = NULL;
    dnnl_status_t rc;
    md_ref layout;
    size_t size;

    rc = conv_pd(&pd, d, b->engine, &b->x, d == WEIGHTS ? &b->dw_any : &b->w_any, &b->y, b->stride,
                 b->pad, b->forward);
    if (rc != dnnl_success)
        return rc;
    rc = dnnl_primitive_create(&c->run[d], pd);
    layout = dnnl_primitive_desc_query_md(
        pd, d == WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    size = dnnl_memory_desc_get_size(layout);
    if (d == WEIGHTS)
        c->gradient_size = (int64_t)(size / sizeof(float));
    else if (ak_conv_reserve(c->engine, 0, (size + sizeof(float) - 1) / sizeof(float)) < 0)
        rc = dnnl_out_of_memory;
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&c->w[d], layout, b->engine, NULL);
    if (rc == dnnl_success)
        rc = build_reorder(b, d, layout);
    if (d == FORWARD)
        b->forward = pd;
    else
        dnnl_primitive_desc_destroy(pd);
    return rc;
}

static dnnl_status_t build_all(build *b, const ak_conv_shape *s, bool training, bool with_data)
{
    dnnl_dims_t x = { s->n, s->in, s->h, s->w };
    dnnl_dims_t w = { s->out, s->in, s->kernel, s->kernel };
    dnnl_dims_t y = { s->n, s->out, ak_conv_out(s->h, s), ak_conv_out(s->w, s) };
    dnnl_data_type_t type = s->half ? dnnl_bf16 : dnnl_f32;
    direct *c = b->conv;
    dnnl_status_t rc;

    b->stride[0] = b->stride[1] = s->stride;
    b->pad[0] = b->pad[1] = s->padding;
    rc = md_make(&b->x, x, type, dnnl_nhwc);
    if (rc == dnnl_success)
        rc = md_make(&b->y, y, type, dnnl_nhwc);
    if (rc == dnnl_success)
        rc = md_make(&b->w_any, w, type, dnnl_format_tag_any);
    if (rc == dnnl_success)
        rc = md_make(&b->dw_any, w, dnnl_f32, dnnl_format_tag_any);
    if (rc == dnnl_success)
        rc = md_make(&b->w_plain, w, dnnl_f32, dnnl_oihw);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&c->x, md_use(&b->x), b->engine, NULL);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&c->y, md_use(&b->y), b->engine, NULL);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&c->plain, md_use(&b->w_plain), b->engine, NULL);
    if (rc == dnnl_success)
        rc = build_direction(b, FORWARD);
    if (rc == dnnl_success && training)
        rc = build_direction(b, WEIGHTS);
    if (rc == dnnl_success && training && with_data)
        rc = build_direction(b, DATA);
    return rc;
}

static void release(void *self);

static akssl_status make(void **out, ak_conv_engine *engine, const ak_conv_shape *s, bool training,
                         bool with_data)
{
    build b;
    dnnl_status_t rc;

    memset(&b, 0, sizeof b);
    b.conv = ak_alloc(1, sizeof *b.conv);
    b.conv->engine = engine;
    b.conv->shape = *s;
    b.engine = engine->engine;
    rc = build_all(&b, s, training, with_data);
    if (b.forward)
        dnnl_primitive_desc_destroy(b.forward);
    md_drop(&b.x);
    md_drop(&b.y);
    md_drop(&b.w_any);
    md_drop(&b.dw_any);
    md_drop(&b.w_plain);
    if (rc != dnnl_success) {
        release(b.conv);
        return ak_fail(AKSSL_ERR_UNSUPPORTED,
                       "oneDNN refuses a convolution of %" PRId64 " images %" PRId64 "x%" PRId64
                       "x%" PRId64 " to %" PRId64 " channels (status %d): try another image size",
                       s->n, s->h, s->w, s->in, s->out, (int)rc);
    }
    *out = b.conv;
    return AKSSL_OK;
}

static void release(void *self)
{
    direct *c = self;

    for (int d = 0; d < DIRECTIONS; d++) {
        if (c->run[d])
            dnnl_primitive_destroy(c->run[d]);
        if (c->reorder[d])
            dnnl_primitive_destroy(c->reorder[d]);
        if (c->w[d])
            dnnl_memory_destroy(c->w[d]);
    }
    if (c->plain)
        dnnl_memory_destroy(c->plain);
    if (c->x)
        dnnl_memory_destroy(c->x);
    if (c->y)
        dnnl_memory_destroy(c->y);
    free(c);
}

static void point(dnnl_memory_t memory, const void *data)
{
    union {
        const void *in;
        void *out;
    } handle = { .in = data }; // oneDNN's handles are not const; inputs are only read

    dnnl_memory_set_data_handle(memory, handle.out);
}

static void execute(direct *c, dnnl_primitive_t primitive, const dnnl_exec_arg_t *args, int count)
{
    if (dnnl_primitive_execute(primitive, c->engine->stream, count, args) != dnnl_success)
        abort(); // arguments are of the shapes that it was built for
    dnnl_stream_wait(c->engine->stream);
}

static void load(void *self, const float *w, bool backward)
{
    direct *c = self;
    enum direction d = backward ? DATA : FORWARD;

    point(c->plain, w);
    point(c->w[d], ak_conv_weights(c->engine));
    execute(c, c->reorder[d],
            (dnnl_exec_arg_t[]){ { DNNL_ARG_FROM, c->plain }, { DNNL_ARG_TO, c->w[d] } }, 2);
}

static void forward(void *self, const void *x, void *y)
{
    direct *c = self;

    point(c->x, x);
    point(c->y, y);
    execute(c, c->run[FORWARD],
            (dnnl_exec_arg_t[]){ { DNNL_ARG_SRC, c->x },
                                 { DNNL_ARG_WEIGHTS, c->w[FORWARD] },
                                 { DNNL_ARG_DST, c->y } },
            3);
}

static void backward_data(void *self, const void *dy, void *dx)
{
    direct *c = self;

    point(c->y, dy);
    point(c->x, dx);
    execute(c, c->run[DATA],
            (dnnl_exec_arg_t[]){ { DNNL_ARG_DIFF_DST, c->y },
                                 { DNNL_ARG_WEIGHTS, c->w[DATA] },
                                 { DNNL_ARG_DIFF_SRC, c->x } },
            3);
}

static void backward_weights(void *self, const void *x, const void *dy, float *gradient)
{
    direct *c = self;

    point(c->x, x);
    point(c->y, dy);
    point(c->w[WEIGHTS], gradient);
    execute(c, c->run[WEIGHTS],
            (dnnl_exec_arg_t[]){ { DNNL_ARG_SRC, c->x },
                                 { DNNL_ARG_DIFF_DST, c->y },
                                 { DNNL_ARG_DIFF_WEIGHTS, c->w[WEIGHTS] } },
            3);
}

static int64_t gradient_size(const void *self)
{
    return ((const direct *)self)->gradient_size;
}

static bool meets(int64_t size, const ak_conv_shape *s, int64_t tap)
{
    for (int64_t o = 0; o < ak_conv_out(size, s); o++)
        if (o * s->stride - s->padding + tap >= 0 && o * s->stride - s->padding + tap < size)
            return true;
    return false;
}

// oneDNN's kernels of bf16 (2.6) leave anything where a tap meets no pixel.
static void clear_unmet(const ak_conv_shape *s, float *dw)
{
    int64_t taps = s->kernel * s->kernel;

    for (int64_t tap = 0; tap < taps; tap++)
        if (!meets(s->h, s, tap / s->kernel) || !meets(s->w, s, tap % s->kernel))
            for (int64_t i = 0; i < s->out * s->in; i++)
                dw[i * taps + tap] = 0;
}

static void unpack(void *self, const float *gradient, float *dw)
{
    direct *c = self;

    point(c->w[WEIGHTS], gradient);
    point(c->plain, dw);
    execute(c, c->reorder[WEIGHTS],
            (dnnl_exec_arg_t[]){ { DNNL_ARG_FROM, c->w[WEIGHTS] }, { DNNL_ARG_TO, c->plain } }, 2);
    if (c->shape.half)
        clear_unmet(&c->shape, dw);
}

static bool fits(const ak_conv_shape *shape)
{
    (void)shape;
    return true;
}

const ak_conv_kind ak_conv_direct = {
    .name = "direct",
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
