// proto/base/alloc.c -- checked allocation.

#include "proto/base/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"

static void *checked(void *p, size_t size)
{
    if (p)
        return p;
    fprintf(stderr, "out of memory for %zu bytes: end other programs or ask for less\n", size);
    abort();
}

void *ak_alloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1), size);
}

char *ak_strdup(const char *text)
{
    return text ? checked(strdup(text), strlen(text)) : NULL;
}

void *ak_realloc(void *old, size_t count, size_t size)
{
    return checked(reallocarray(old, count ? count : 1, size ? size : 1), size);
}

void *ak_try_alloc(size_t count, size_t size)
{
    size_t bytes;
    void *p = NULL;

    if (!__builtin_mul_overflow(count, size, &bytes) && bytes <= SIZE_MAX - 64)
        p = aligned_alloc(64, (bytes + 63) / 64 * 64 + (bytes ? 0 : 64));
    if (!p) {
        (void)ak_fail(AKSSL_ERR_NO_MEMORY,
                      "no memory for %zu x %zu bytes: lower the batch or free memory", count, size);
        return NULL;
    }
    return memset(p, 0, bytes);
}
