// tests/oracle.h -- reference values: cases of tests/golden, or of the folder $AKSSL_ORACLE_DIR.
//
// A case that is missing or lacks a tensor fails the test: nothing is passed over in silence.

#ifndef AK_TESTS_ORACLE_H
#define AK_TESTS_ORACLE_H

#include <math.h>
#include <stdio.h>

#include "proto/base/error.h"
#include "proto/format/safetensors.h"
#include "tests/check.h"
#include "worker/image/image.h"

// The folder of the cases.
static inline const char *ak_oracle_folder(void)
{
    const char *folder = getenv("AKSSL_ORACLE_DIR");

    return folder && *folder ? folder : TEST_SOURCE_DIR "/golden";
}

// Opens a case by its name ("loss_nt_xent_t0.5"); close it with ak_safetensors_close.
static inline ak_safetensors *ak_oracle_open(const char *name)
{
    ak_safetensors *file = NULL;
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.safetensors", ak_oracle_folder(), name);
    ck_assert_msg(ak_safetensors_open(&file, path) == AKSSL_OK, "%s", ak_error_text());
    return file;
}

// The same of a case that generate.py does not make: a set of another seed may lack it, and then
// tests/golden has it.
static inline ak_safetensors *ak_oracle_open_own(const char *name)
{
    ak_safetensors *file = NULL;
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.safetensors", ak_oracle_folder(), name);
    if (ak_safetensors_open(&file, path) == AKSSL_OK)
        return file;
    printf("%s has no case '%s': taken from tests/golden\n", ak_oracle_folder(), name);
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/golden/%s.safetensors", name);
    ck_assert_msg(ak_safetensors_open(&file, path) == AKSSL_OK, "%s", ak_error_text());
    return file;
}

// An image of a case, which has it as channels x height x width; free its pixels.
static inline ak_image ak_oracle_image(const ak_safetensors *file, const char *name)
{
    const ak_safetensors_entry *e = ak_safetensors_find(file, name);
    const uint8_t *chw;
    uint8_t *pixels;
    int64_t n;

    ck_assert_msg(e && e->dtype == AK_U8 && e->dims == 3, "the case has no image '%s'", name);
    chw = ak_safetensors_data(file, e);
    n = e->shape[1] * e->shape[2];
    pixels = malloc((size_t)(n * e->shape[0]));
    ck_assert_ptr_nonnull(pixels);
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < e->shape[0]; c++)
            pixels[e->shape[0] * i + c] = chw[c * n + i];
    return (ak_image){ pixels, e->shape[1], e->shape[2], (int)e->shape[0] };
}

static inline int64_t ak_oracle_numel(const ak_safetensors *file, const char *name)
{
    const ak_safetensors_entry *e = ak_safetensors_find(file, name);

    ck_assert_msg(e != NULL, "the case has no tensor '%s'", name);
    return ak_safetensors_numel(e);
}

// Axis `axis` of a tensor's shape.
static inline int64_t ak_oracle_dim(const ak_safetensors *file, const char *name, int axis)
{
    const ak_safetensors_entry *e = ak_safetensors_find(file, name);

    ck_assert_msg(e && axis < e->dims, "the case has no tensor '%s' with axis %d", name, axis);
    return e->shape[axis];
}

// A copy of an F32 tensor; free it.
static inline float *ak_oracle_f32(const ak_safetensors *file, const char *name)
{
    int64_t numel = ak_oracle_numel(file, name);
    float *values = malloc((size_t)(numel ? numel : 1) * sizeof *values);

    ck_assert_ptr_nonnull(values);
    ck_assert_msg(ak_safetensors_read_f32(file, name, values, numel) == AKSSL_OK, "%s",
                  ak_error_text());
    return values;
}

// A parameter of the case, as text.
static inline const char *ak_oracle_text(const ak_safetensors *file, const char *key)
{
    const char *text = ak_safetensors_meta(file, key);

    ck_assert_msg(text != NULL, "the case has no parameter '%s'", key);
    return text;
}

// A parameter of the case that is a number.
static inline double ak_oracle_number(const ak_safetensors *file, const char *key)
{
    const char *text = ak_oracle_text(file, key);
    char *end;
    double value = strtod(text, &end);

    ck_assert_msg(end != text && !*end, "parameter '%s' is '%s', not a number", key, text);
    return value;
}

// Fails unless every |got - want| <= absolute + of_largest * max|want|; NaN never passes.
static inline void ak_oracle_compare(const char *what, const float *got, const float *want,
                                     int64_t numel, double absolute, double of_largest)
{
    double largest = 0, worst = -1, tolerance;
    int64_t at = 0;

    for (int64_t i = 0; i < numel; i++)
        largest = fmax(largest, fabs((double)want[i]));
    tolerance = absolute + of_largest * largest;
    for (int64_t i = 0; i < numel; i++) {
        double error = fabs((double)got[i] - (double)want[i]);

        if (!(error <= worst)) { // also when it is NaN
            worst = isnan(error) ? INFINITY : error;
            at = i;
        }
    }
    ck_assert_msg(numel > 0, "%s: nothing to compare", what);
    ck_assert_msg(worst <= tolerance,
                  "%s: element %lld of %lld is %.9g instead of %.9g: off by %.3g, allowed %.3g",
                  what, (long long)at, (long long)numel, (double)got[at], (double)want[at], worst,
                  tolerance);
}

// The reference's deterministic numbers: see tests/golden/README.md.
static inline void ak_oracle_fill(float *out, const char *name, int64_t n, double bound)
{
    const uint64_t golden = 0x9E3779B97F4A7C15u;
    uint64_t seed = 0xcbf29ce484222325u;

    for (; *name; name++)
        seed = (seed ^ (unsigned char)*name) * 0x100000001b3u;
    for (int64_t i = 0; i < n; i++) {
        uint64_t z = seed + (uint64_t)i * golden + golden;

        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        out[i] = (float)((2 * ((double)(z >> 40) / 16777216.0) - 1) * bound);
    }
}

// ak_oracle_compare with a tensor of the case.
static inline void ak_oracle_check(const ak_safetensors *file, const char *name, const float *got,
                                   int64_t numel, double absolute, double of_largest)
{
    float *want = ak_oracle_f32(file, name);

    ck_assert_msg(ak_oracle_numel(file, name) == numel, "%s: %lld elements instead of %lld", name,
                  (long long)numel, (long long)ak_oracle_numel(file, name));
    ak_oracle_compare(name, got, want, numel, absolute, of_largest);
    free(want);
}

#endif
