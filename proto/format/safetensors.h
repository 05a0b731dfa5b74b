// proto/format/safetensors.h -- a strict reader and a writer of the safetensors format.
//
// The format: u64 LE header length, UTF-8 JSON header ({"name": {"dtype","shape","data_offsets"}},
// "__metadata__": {string: string}), data.  Our writer pads the header with spaces so that data
// starts at a multiple of 64.

#ifndef AK_FORMAT_SAFETENSORS_H
#define AK_FORMAT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"

enum { AK_SAFETENSORS_MAX_DIMS = 8 };

typedef enum ak_dtype {
    AK_F32 = 1,
    AK_I64,
    AK_U8,
    AK_I32,
    AK_F64,
    AK_F16,
    AK_BF16,
    AK_I8,
    AK_I16,
    AK_BOOL,
} ak_dtype;

// ak_dtype_name gives the format's word ("F32"), ak_dtype_size the bytes of an element.
const char *ak_dtype_name(ak_dtype dtype);
size_t ak_dtype_size(ak_dtype dtype);

typedef struct ak_safetensors_entry {
    const char *name;
    ak_dtype dtype;
    int dims;
    int64_t shape[AK_SAFETENSORS_MAX_DIMS];
    size_t offset, size; // bytes, from the start of the data
} ak_safetensors_entry;

typedef struct ak_safetensors ak_safetensors;

// ak_safetensors_open maps a file and checks all of it: header length within the file and under
// 100 MB, JSON, known dtypes, shapes whose product fits, offsets that cover the data exactly
// without holes or overlaps, no duplicate names.  The header may list tensors in any order.
// ERR_CORRUPT (with the path and what is wrong), ERR_NOT_FOUND, ERR_IO.
akssl_status ak_safetensors_open(ak_safetensors **out, const char *path) AKSSL_MUST_CHECK;

// ak_safetensors_load is the same with the file read into memory: a part of it that cannot be read
// is ERR_IO, where that of a mapped file ends the process (proto/base/mapped.h).  One of more than
// `most` bytes is ERR_CORRUPT.  ERR_NO_MEMORY.
akssl_status ak_safetensors_load(ak_safetensors **out, const char *path,
                                 size_t most) AKSSL_MUST_CHECK;
void ak_safetensors_close(ak_safetensors *file); // NULL-safe

int ak_safetensors_count(const ak_safetensors *file);
const ak_safetensors_entry *ak_safetensors_at(const ak_safetensors *file, int index); // by offset
const ak_safetensors_entry *ak_safetensors_find(const ak_safetensors *file, const char *name);

// ak_safetensors_data points into the mapping, valid until close.  Other tools' files align
// nothing: copy with memcpy.
const void *ak_safetensors_data(const ak_safetensors *file, const ak_safetensors_entry *entry);
const char *ak_safetensors_meta(const ak_safetensors *file, const char *key); // or NULL
int64_t ak_safetensors_numel(const ak_safetensors_entry *entry);

// ak_safetensors_read_f32 copies the entry called name into values, which has room for numel
// floats; ERR_NOT_FOUND when it is missing, ERR_INVALID when its dtype is not F32 or its number
// of elements is another; the sentence names file and tensor.
akssl_status ak_safetensors_read_f32(const ak_safetensors *file, const char *name, float *values,
                                     int64_t numel) AKSSL_MUST_CHECK;

// ---- writing: declare every tensor, then write the data in the same order

typedef struct ak_safetensors_writer ak_safetensors_writer;

// ak_safetensors_create starts path.tmp; ak_safetensors_commit makes it path: write, fsync, rename,
// fsync of the folder.  Without commit, ak_safetensors_writer_free removes the .tmp file.  A wrong
// declaration (a name twice, a negative shape) is kept and returned by the first write or commit;
// after a failed write every later call fails with its code.
akssl_status ak_safetensors_create(ak_safetensors_writer **out, const char *path) AKSSL_MUST_CHECK;
void ak_safetensors_set_meta(ak_safetensors_writer *w, const char *key, const char *value);
void ak_safetensors_declare(ak_safetensors_writer *w, const char *name, ak_dtype dtype, int dims,
                            const int64_t *shape);

// ak_safetensors_write appends bytes; the first write settles the header.  Sizes of single writes
// need not match single tensors; their sum must match, or commit fails.  Not buffered: write whole
// tensors or pieces of some KB.
akssl_status ak_safetensors_write(ak_safetensors_writer *w, const void *data,
                                  size_t size) AKSSL_MUST_CHECK;

// Memory in which a file is gathered, from one file to the next.  Zeroed: none yet.
typedef struct ak_safetensors_buffer {
    uint8_t *bytes;
    size_t room;
} ak_safetensors_buffer;

// ak_safetensors_buffer_reserve makes room for a file of so many bytes; ERR_NO_MEMORY.
akssl_status ak_safetensors_buffer_reserve(ak_safetensors_buffer *buffer,
                                           size_t size) AKSSL_MUST_CHECK;
void ak_safetensors_buffer_fini(ak_safetensors_buffer *buffer);

// ak_safetensors_gather, before the first write, has the data gathered in a buffer, which is made
// to hold the whole file, but of `most` bytes at most, and stays the caller's: nobody else may use
// it until the writer is freed.  When it is full, and with commit, it goes to the disk past the
// page cache, where the file system can (O_DIRECT): a commit is not read soon, and the cache's
// pages cost more of the processors' time than the disk does.
void ak_safetensors_gather(ak_safetensors_writer *w, ak_safetensors_buffer *buffer, size_t most);

// ak_safetensors_sync writes and flushes all of the file, which commit does else: of several files
// none gets its name before all are on disk.
akssl_status ak_safetensors_sync(ak_safetensors_writer *w) AKSSL_MUST_CHECK;

// ak_safetensors_commit finishes the file; *size and digest (XXH3-128 of the whole file, 32
// hexadecimal digits and NUL; xxhsum -H2 prints the same) may be NULL.  The writer stays to be
// freed.
akssl_status ak_safetensors_commit(ak_safetensors_writer *w, uint64_t *size,
                                   char digest[33]) AKSSL_MUST_CHECK;
void ak_safetensors_writer_free(ak_safetensors_writer *w); // NULL-safe

#endif
