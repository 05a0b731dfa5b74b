// client/lib/convert.c -- the backbone of another tool's checkpoint, by names that we read.
//
// A row of sources.c fits when each tensor of the file is the backbone's or known not to be;
// without
// --from the first that fits is taken.  When none does, the first that has some backbone's tensor
// says which tensor it has no place for.

#include "akssl/convert.h"

#include <stdlib.h>
#include <string.h>

#include "client/lib/sources.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/option.h"
#include "proto/format/safetensors.h"

enum { PIECE = 16384 }; // numbers converted at once

typedef struct fit {
    const ak_source *source;
    const char *prefix;
    const char *lost; // the first tensor without a place; NULL: none
    int64_t kept, left_out;
} fit;

// ---- which row

static bool has(const ak_safetensors *file, const ak_source *source, const char *prefix)
{
    ak_str place = AK_STR_INIT;
    bool found = false;

    for (int i = 0; i < ak_safetensors_count(file) && !found; i++)
        found = ak_source_place(source, prefix, ak_safetensors_at(file, i)->name, &place) &&
                place.length > 0;
    ak_str_fini(&place);
    return found;
}

static fit try(const ak_safetensors *file, const ak_source *source)
{
    fit f = { .source = source };
    ak_str place = AK_STR_INIT;

    for (const char *const *p = source->prefixes; *p && !f.prefix; p++)
        if (has(file, source, *p))
            f.prefix = *p;
    for (int i = 0; f.prefix && !f.lost && i < ak_safetensors_count(file); i++) {
        const char *name = ak_safetensors_at(file, i)->name;

        if (!ak_source_place(source, f.prefix, name, &place))
            f.lost = name;
        else if (place.length > 0)
            f.kept++;
        else
            f.left_out++;
    }
    ak_str_fini(&place);
    return f;
}

static akssl_status unknown(const char *from)
{
    ak_str known = AK_STR_INIT;
    akssl_status rc;

    for (size_t i = 0; akssl_convert_source(i); i++)
        ak_str_format(&known, "%s%s", i ? ", " : "", akssl_convert_source(i));
    rc = ak_fail(AKSSL_ERR_NOT_FOUND, "'%.64s': there is no such source; there are %s", from,
                 known.text);
    ak_str_fini(&known);
    return rc;
}

static akssl_status choose(const ak_safetensors *file, const char *from, fit *out)
{
    fit best = { 0 };
    bool known = false;

    for (size_t i = 0; ak_source_at(i); i++) {
        fit f;

        if (from && !ak_option_same_name(from, ak_source_at(i)->name))
            continue;
        known = true;
        f = try(file, ak_source_at(i));
        if (f.prefix && (!best.prefix || !f.lost))
            best = f;
        if (best.prefix && !best.lost)
            break;
    }
    if (!known)
        return unknown(from);
    if (!best.prefix)
        return ak_fail(AKSSL_ERR_INVALID,
                       "no tensor is one of a ResNet or a vision transformer by any name of %s: "
                       "save the model's state_dict() as safetensors",
                       from ? from : "a source that we know");
    if (best.lost)
        return ak_fail(AKSSL_ERR_INVALID,
                       "'%.128s' has no place in a backbone, read as a checkpoint of %s: remove "
                       "it, or say whose checkpoint it is with --from",
                       best.lost, best.source->name);
    *out = best;
    return AKSSL_OK;
}

// ---- the numbers

static float of_half(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31;
    uint32_t fraction = bits & 0x3ff, made;
    float value;

    if (exponent == 0) { // subnormal: fraction 2^-24
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    made = sign | (exponent == 31 ? 255u << 23 : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &made, sizeof value);
    return value;
}

static float number(ak_dtype dtype, const char *at)
{
    uint16_t half;
    uint32_t bits;
    double wide;
    float value;

    if (dtype == AK_F64) {
        memcpy(&wide, at, sizeof wide);
        return (float)wide;
    }
    memcpy(&half, at, sizeof half);
    if (dtype == AK_F16)
        return of_half(half);
    bits = (uint32_t)half << 16; // bfloat16
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool is_count(const ak_safetensors_entry *e)
{
    return e->dtype == AK_I64;
}

static akssl_status put(ak_safetensors_writer *w, const ak_safetensors *file,
                        const ak_safetensors_entry *e)
{
    const char *bytes = ak_safetensors_data(file, e);
    int64_t count = ak_safetensors_numel(e);
    akssl_status rc = AKSSL_OK;
    float *piece;

    if (e->dtype == AK_F32 || is_count(e))
        return ak_safetensors_write(w, bytes, e->size);
    piece = ak_alloc(PIECE, sizeof *piece);
    for (int64_t done = 0; done < count && rc == AKSSL_OK;) {
        int64_t n = count - done < PIECE ? count - done : PIECE;

        for (int64_t i = 0; i < n; i++, bytes += ak_dtype_size(e->dtype))
            piece[i] = number(e->dtype, bytes);
        rc = ak_safetensors_write(w, piece, (size_t)n * sizeof *piece);
        done += n;
    }
    free(piece);
    return rc;
}

static akssl_status check_type(const ak_safetensors_entry *e, const char *place)
{
    const char *count = strstr(place, ".num_batches_tracked");

    if (count
            ? is_count(e)
            : e->dtype == AK_F32 || e->dtype == AK_F16 || e->dtype == AK_BF16 || e->dtype == AK_F64)
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_INVALID, "'%.128s' is of type %s: save it as %s", e->name,
                   ak_dtype_name(e->dtype), count ? "int64" : "float32");
}

// pass 0 declares the tensors, pass 1 writes them.
static akssl_status walk(const ak_safetensors *file, const fit *f, ak_safetensors_writer *w,
                         int pass)
{
    ak_str place = AK_STR_INIT;
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < ak_safetensors_count(file) && rc == AKSSL_OK; i++) {
        const ak_safetensors_entry *e = ak_safetensors_at(file, i);

        if (!ak_source_place(f->source, f->prefix, e->name, &place) || place.length == 0)
            continue;
        if (pass == 1) {
            rc = put(w, file, e);
            continue;
        }
        rc = check_type(e, place.text);
        ak_safetensors_declare(w, place.text, is_count(e) ? AK_I64 : AK_F32, e->dims, e->shape);
    }
    ak_str_fini(&place);
    return rc;
}

static akssl_status save(const ak_safetensors *file, const fit *f, const char *out)
{
    ak_safetensors_writer *w;
    akssl_status rc = ak_safetensors_create(&w, out);

    if (rc < 0)
        return rc;
    ak_safetensors_set_meta(w, "format", "pt");
    ak_safetensors_set_meta(w, "converted_from", f->source->name);
    rc = walk(file, f, w, 0);
    if (rc == AKSSL_OK)
        rc = walk(file, f, w, 1);
    if (rc == AKSSL_OK)
        rc = ak_safetensors_commit(w, NULL, NULL);
    ak_safetensors_writer_free(w);
    return rc;
}

// ---- the calls

const char *akssl_convert_source(size_t index)
{
    const char *last = "";

    for (size_t i = 0; ak_source_at(i); i++) {
        if (strcmp(ak_source_at(i)->name, last) == 0)
            continue; // rows of one tool stand together
        last = ak_source_at(i)->name;
        if (index-- == 0)
            return last;
    }
    return NULL;
}

akssl_status akssl_convert(const char *in, const char *out, const char *from,
                           akssl_converted *result)
{
    ak_safetensors *file;
    fit f;
    akssl_status rc = ak_safetensors_open(&file, in);

    if (rc < 0)
        return rc;
    rc = choose(file, from, &f);
    if (rc < 0)
        rc = ak_wrap(rc, "'%s'", in);
    else
        rc = save(file, &f, out);
    ak_safetensors_close(file);
    if (rc == AKSSL_OK && result)
        *result = (akssl_converted){ f.source->name, f.kept, f.left_out };
    return rc;
}
