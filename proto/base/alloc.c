// proto/base/alloc.c -- checked allocation.

#include "proto/base/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/base/error.h"

enum { HUGE_PAGE = 2 << 20, HUGE_LEAST = 8 << 20 }; // what lies on pages of 2 MiB, if it can

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

static void *try_aligned(size_t count, size_t size, size_t unit)
{
    size_t bytes;
    void *p = NULL;

    if (!__builtin_mul_overflow(count, size, &bytes) && bytes <= SIZE_MAX - HUGE_PAGE) {
        unit = bytes >= HUGE_LEAST ? HUGE_PAGE : unit;
        p = aligned_alloc(unit, (bytes + unit - 1) / unit * unit + (bytes ? 0 : unit));
    }
    if (!p) {
        (void)ak_fail(AKSSL_ERR_NO_MEMORY,
                      "no memory for %zu x %zu bytes: lower the batch or free memory", count, size);
        return NULL;
    }
    if (unit == HUGE_PAGE)
        (void)madvise(p, bytes, MADV_HUGEPAGE); // a hint: fewer faults and misses where it is taken
    return memset(p, 0, bytes);
}

void *ak_try_alloc(size_t count, size_t size)
{
    return try_aligned(count, size, 64);
}

void *ak_try_pages(size_t size)
{
    return try_aligned(size, 1, AK_PAGE);
}
