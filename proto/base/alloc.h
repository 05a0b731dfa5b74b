// proto/base/alloc.h -- checked allocation.

#ifndef AK_BASE_ALLOC_H
#define AK_BASE_ALLOC_H

#include <stddef.h>

// ak_alloc returns count*size zeroed bytes, never NULL: for small things whose size the program
// itself fixes; it ends the process with a sentence when memory is out.
void *ak_alloc(size_t count, size_t size) __attribute__((returns_nonnull, malloc));

// ak_strdup copies a string as ak_alloc does; NULL gives NULL.
char *ak_strdup(const char *text);

// ak_realloc grows an array to count elements of size bytes; new bytes are not zeroed.
void *ak_realloc(void *old, size_t count, size_t size) __attribute__((returns_nonnull));

// ak_try_alloc is for sizes that come from outside: NULL, with the sentence stored, when
// count*size overflows or memory is out.  64-byte aligned, what is large on huge pages where the
// system gives them, zeroed; free with free().
void *ak_try_alloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

enum { AK_PAGE = 4096 }; // what a disk's blocks and their memory are aligned to

// ak_try_pages is ak_try_alloc for a multiple of AK_PAGE bytes, aligned to as much.
void *ak_try_pages(size_t size) __attribute__((malloc, warn_unused_result));

#endif
