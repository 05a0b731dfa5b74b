// proto/format/digest.h -- XXH3-128 of files and memory: what commits are checked by.

#ifndef AK_FORMAT_DIGEST_H
#define AK_FORMAT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"

enum { AK_DIGEST_TEXT = 33 }; // 32 hexadecimal digits and NUL

// ak_digest_memory gives the digest of size bytes.
void ak_digest_memory(const void *data, size_t size, char digest[AK_DIGEST_TEXT]);

// ak_digest_file reads a file through; size may be NULL.  `xxhsum -H2 FILE` prints the same.
akssl_status ak_digest_file(const char *path, uint64_t *size,
                            char digest[AK_DIGEST_TEXT]) AKSSL_MUST_CHECK;

// A digest of bytes that come in parts: ak_digest_end prints it and frees the digest.
typedef struct ak_digest ak_digest;
ak_digest *ak_digest_new(void);
void ak_digest_add(ak_digest *digest, const void *data, size_t size);
void ak_digest_end(ak_digest *digest, char text[AK_DIGEST_TEXT]);

// ak_digest_short is XXH3-64, for many small pieces.
uint64_t ak_digest_short(const void *data, size_t size);

#endif
