// proto/format/manifest.h -- a commit that a worker made durable by itself, for a coordinator that
// comes later.
//
//     akssl-commit 1
//     job 5
//     run 0123456789abcdef0123456789abcdef
//     step 12
//     file model.safetensors 1234 <XXH3-128, 32 hexadecimal digits>
//     ...
//     state 456 <digest>
//     end
//
// Text, in this order; files are those of commits/step-N, and state is the worker's replica of what
// the coordinator held at that step, beside the manifest.

#ifndef AK_FORMAT_MANIFEST_H
#define AK_FORMAT_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"
#include "proto/base/str.h"
#include "proto/format/digest.h"

enum { AK_MANIFEST_FILES = 15, AK_MANIFEST_NAME = 65, AK_MANIFEST_MAX = 8192 };

typedef struct ak_manifest_file {
    char name[AK_MANIFEST_NAME];
    uint64_t size;
    char digest[AK_DIGEST_TEXT];
} ak_manifest_file;

typedef struct ak_manifest {
    int64_t job, step;
    char run[33];
    int count;
    ak_manifest_file files[AK_MANIFEST_FILES];
    ak_manifest_file state; // its name is not written
} ak_manifest;

// ak_manifest_print appends the text.
void ak_manifest_print(const ak_manifest *manifest, ak_str *text);

// ak_manifest_parse reads it; what is not exactly of that form is ERR_CORRUPT.
akssl_status ak_manifest_parse(ak_manifest *manifest, const char *text,
                               size_t size) AKSSL_MUST_CHECK;

// ak_manifest_write makes path hold it: write, fsync, rename, fsync of the folder.
akssl_status ak_manifest_write(const ak_manifest *manifest, const char *path) AKSSL_MUST_CHECK;

// ak_manifest_read reads path; ERR_NOT_FOUND when there is none.
akssl_status ak_manifest_read(ak_manifest *manifest, const char *path) AKSSL_MUST_CHECK;

#endif
