// akssl/convert.h -- other tools' checkpoints, saved as safetensors, as files that --init-backbone
// reads.  No daemon is asked.

#ifndef AKSSL_CONVERT_H
#define AKSSL_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include <akssl/status.h>

#ifdef __cplusplus
extern "C" {
#endif

// akssl_converted tells of a file that was made.
typedef struct akssl_converted {
    const char *from; // whose checkpoint it was: a name of akssl_convert_source
    int64_t tensors;  // of the backbone, written
    int64_t left_out; // heads, queues, other copies of the backbone
} akssl_converted;

// akssl_convert reads the backbone of the checkpoint at in and writes it to out, by torchvision's
// names (ResNet) or timm's (vision transformer), as float32; out is there whole or not at all.
// from: whose checkpoint it is, or NULL to find out by its names.  result may be NULL.
// ERR_NOT_FOUND: no such file, or no source of that name; ERR_CORRUPT: no safetensors; ERR_INVALID:
// a tensor has no place (the first is named), or an element type that is none of a weight's;
// ERR_IO, ERR_NO_SPACE: of out.  Any thread.
AKSSL_API akssl_status akssl_convert(const char *in, const char *out, const char *from,
                                     akssl_converted *result) AKSSL_MUST_CHECK;

// akssl_convert_source gives the names that `from` takes, by index; NULL behind the last.
AKSSL_API const char *akssl_convert_source(size_t index);

#ifdef __cplusplus
}
#endif

#endif
