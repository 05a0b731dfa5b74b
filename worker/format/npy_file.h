// worker/format/npy_file.h -- NumPy's .npy, version 1.0: an array written from its first row to its
// last.
//
//     "\x93NUMPY" 1 0, header length (u16), header (a Python dict, padded so that the data starts
//     at a multiple of 64), data (little-endian, C order)

#ifndef AK_FORMAT_NPY_FILE_H
#define AK_FORMAT_NPY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"
#include "proto/base/str.h"

typedef enum ak_npy_type { AK_NPY_F32 = 1, AK_NPY_I64 } ak_npy_type;

// ak_npy_header appends what stands before the data of an array of that shape; dims may be 0.
void ak_npy_header(ak_npy_type type, int dims, const int64_t *shape, ak_str *out);

typedef struct ak_npy ak_npy;

// ak_npy_create starts path with an array of 1 or 2 dims.  The file is complete, durable and under
// its name only after ak_npy_commit; until then it is path.tmp.
akssl_status ak_npy_create(ak_npy **out, const char *path, ak_npy_type type, int dims,
                           const int64_t *shape) AKSSL_MUST_CHECK;
akssl_status ak_npy_write(ak_npy *npy, const void *values, int64_t count) AKSSL_MUST_CHECK;

// ak_npy_commit: ERR_STATE when not all values, or too many, have been written.
akssl_status ak_npy_commit(ak_npy *npy) AKSSL_MUST_CHECK;
void ak_npy_free(ak_npy *npy); // NULL-safe; what is not committed is removed

#endif
