// daemon/state/state.h -- the named tensors that the coordinator holds for one running job.
//
// A tensor is float32 and a ring along its first axis: RingPush writes rows at `position`, which
// moves on and wraps; `filled` counts the rows that hold data of this job; `version` is the step
// that the tensor is the result of.  What comes in pieces (a whole new value, a long push) is
// staged beside the tensor and enters it with the last piece.  Values live in counted buffers: a
// frozen snapshot shares them, and a push that finds its buffer shared makes its own copy first, so
// that a commit or an insight reads, on another thread, exactly what was there.
//
// Loop thread only, except what says otherwise.

#ifndef AK_DAEMON_STATE_STATE_H
#define AK_DAEMON_STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"

enum {
    AK_STATE_MAX_TENSORS = 16,
    AK_STATE_MAX_DIMS = 4,
    AK_STATE_MAX_NAME = 64,
};
#define AK_STATE_MAX_TENSOR_BYTES ((size_t)2 << 30)
#define AK_STATE_MAX_BYTES ((size_t)4 << 30) // all tensors of a job; what is staged comes on top

typedef struct ak_state_info {
    char name[AK_STATE_MAX_NAME + 1];
    int dims;
    int64_t shape[AK_STATE_MAX_DIMS];
    int64_t version, filled, position;
} ak_state_info;

typedef struct ak_buffer ak_buffer;

// A change that is coming in pieces.
typedef struct ak_state_change {
    ak_buffer *buffer; // NULL: there is none
    size_t received;   // bytes in it
    bool whole;        // a new value, else rows of a push
    int64_t version;   // what the tensor's becomes
    int64_t filled;    // the same, of a new value
    int64_t position;  // the same
    int64_t skipped;   // of a push
} ak_state_change;

typedef struct ak_state_tensor {
    ak_state_info info;
    ak_buffer *buffer;
    size_t size;     // bytes
    size_t received; // bytes of its first value that have come; complete at size
    ak_state_change change;
} ak_state_tensor;

// What a push says; the fields are RingPush's.
typedef struct ak_state_rows {
    const char *name;
    int64_t version;
    int64_t skipped;
    bool more;
    const void *rows;
    size_t size; // bytes
} ak_state_rows;

typedef struct ak_state {
    ak_state_tensor tensors[AK_STATE_MAX_TENSORS];
    int count;
} ak_state;

ak_state *ak_state_new(void);
void ak_state_free(ak_state *state); // NULL-safe

// ak_state_declare adds a tensor whose bytes follow; info is checked (name, shape, limits, filled
// and position within the rows).
akssl_status ak_state_declare(ak_state *state, const ak_state_info *info) AKSSL_MUST_CHECK;

// ak_state_holds says whether there is a tensor of that name, complete or not.
bool ak_state_holds(const ak_state *state, const char *name);

// ak_state_replace begins a new value of a complete tensor: info has its shape, and a version past
// its own.  The bytes follow; with the last of them value and info are the new ones.
akssl_status ak_state_replace(ak_state *state, const ak_state_info *info) AKSSL_MUST_CHECK;

// ak_state_fill takes the next bytes of a declared tensor, or of its new value; offset must be what
// has come so far.
akssl_status ak_state_fill(ak_state *state, const char *name, uint64_t offset, const void *data,
                           size_t size) AKSSL_MUST_CHECK;

// ak_state_push writes whole rows and moves on to their version, which must follow the old one.  A
// push with `more` is staged, at most as many bytes as the ring has, and enters with its last
// piece. Of more rows than the ring has, the last stay, and the position moves by the number of
// all.
akssl_status ak_state_push(ak_state *state, const ak_state_rows *rows) AKSSL_MUST_CHECK;

// ak_state_reached says in *reached whether every tensor is complete and at version; ERR_STATE
// when one is past it.  No tensors: reached.
akssl_status ak_state_reached(const ak_state *state, int64_t version,
                              bool *reached) AKSSL_MUST_CHECK;

// ak_state_version is the lowest version of the tensors; 0 when there are none.
int64_t ak_state_version(const ak_state *state);

// ak_state_freeze gives a state of its own that shares the buffers: only to be read, by any one
// thread at a time, and freed on the loop thread.  Incomplete tensors are left out.
ak_state *ak_state_freeze(const ak_state *state);

// ak_state_data gives the values of a complete tensor.  Any thread.
const float *ak_state_data(const ak_state_tensor *tensor);

// ak_state_write writes a state as safetensors at path; version, filled and position go into the
// file's metadata as NAME.version and so on.  size and digest are the file's.  Any thread.
akssl_status ak_state_write(const ak_state *state, int64_t step, const char *path, uint64_t *size,
                            char digest[33]) AKSSL_MUST_CHECK;

// ak_state_read reads such a file.  Any thread.
akssl_status ak_state_read(ak_state **out, const char *path) AKSSL_MUST_CHECK;

#endif
