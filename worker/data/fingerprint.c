// worker/data/fingerprint.c -- is this still the data set that a job began on?

#include <inttypes.h>

#include "proto/base/error.h"
#include "worker/data/kind.h"

enum { BYTES = 1 << 28, FILES = 50000 }; // that are read, about

static void add_number(ak_digest *d, int64_t number)
{
    uint8_t bytes[8]; // the same on every machine

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)number >> 8 * i);
    ak_digest_add(d, bytes, sizeof bytes);
}

static int64_t at(const ak_dataset *set, int64_t index)
{
    return set->chosen ? set->chosen[index] : index;
}

// Of a large set the bytes of every n-th image are read.
static int64_t stride_of(const ak_dataset *set)
{
    int64_t bytes = 0, stride, files = set->size / FILES + 1;

    for (int64_t i = 0; i < set->size; i++)
        bytes += set->source->size(set->self, at(set, i));
    stride = bytes / BYTES + 1;
    return stride > files ? stride : files;
}

static akssl_status add_stored(ak_digest *d, const ak_dataset *set, int64_t index,
                               ak_reading *reading)
{
    ak_stored stored = { .reading = reading };
    akssl_status rc = set->source->load(set->self, at(set, index), &stored);

    if (rc == AKSSL_OK)
        ak_digest_add(d, stored.bytes, stored.size);
    return rc;
}

static akssl_status add_source(ak_digest *d, const ak_dataset *set)
{
    int64_t stride = stride_of(set);
    ak_reading reading = { 0 };
    ak_str name = AK_STR_INIT;
    akssl_status rc = AKSSL_OK;

    for (int64_t i = 0; rc == AKSSL_OK && i < set->size; i++) {
        ak_str_clear(&name);
        ak_dataset_name(set, i, &name);
        ak_digest_add(d, name.text, name.length + 1);
        add_number(d, set->source->size(set->self, at(set, i)));
        if (i % stride == 0)
            rc = add_stored(d, set, i, &reading);
    }
    ak_str_fini(&name);
    ak_reading_fini(&reading);
    return rc;
}

static void add_pixels(ak_digest *d, const ak_dataset *set)
{
    size_t one = (size_t)(set->height * set->width * set->channels);

    for (int64_t i = 0; i < set->size; i++)
        ak_digest_add(d, set->pixels + (size_t)at(set, i) * one, one);
}

akssl_status ak_dataset_fingerprint(const ak_dataset *set, char digest[AK_DIGEST_TEXT])
{
    ak_digest *d;
    akssl_status rc = AKSSL_OK;

    digest[0] = '\0';
    if (set->passing)
        return AKSSL_OK;
    d = ak_digest_new();
    add_number(d, set->size);
    add_number(d, set->classes);
    for (int64_t i = 0; i < set->size; i++)
        add_number(d, ak_dataset_label(set, i));
    add_number(d, set->height);
    add_number(d, set->width);
    add_number(d, set->channels);
    if (set->pixels)
        add_pixels(d, set);
    else
        rc = add_source(d, set);
    ak_digest_end(d, digest); // frees it, so in any case
    return rc < 0 ? ak_wrap(rc, "fingerprint of the data set") : rc;
}
