// daemon/state/state.c -- the named tensors that the coordinator holds for one running job.

#include "daemon/state/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

struct ak_buffer {
    int holders; // loop thread only
    float *values;
};

static akssl_status new_buffer(ak_buffer **out, size_t size)
{
    float *values = calloc(size, 1); // the kernel's zero pages: big tensors cost nothing yet

    if (!values)
        return ak_fail(AKSSL_ERR_NO_MEMORY, "no memory for %zu bytes of state: free some", size);
    *out = ak_alloc(1, sizeof **out);
    **out = (ak_buffer){ 1, values };
    return AKSSL_OK;
}

static void rele(ak_buffer *buffer)
{
    if (--buffer->holders)
        return;
    free(buffer->values);
    free(buffer);
}

ak_state *ak_state_new(void)
{
    return ak_alloc(1, sizeof(ak_state));
}

void ak_state_free(ak_state *state)
{
    if (!state)
        return;
    for (int i = 0; i < state->count; i++)
        rele(state->tensors[i].buffer);
    free(state);
}

static ak_state_tensor *find(ak_state *state, const char *name)
{
    for (int i = 0; i < state->count; i++)
        if (strcmp(state->tensors[i].info.name, name) == 0)
            return &state->tensors[i];
    return NULL;
}

static akssl_status check_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

    if (!name[0] || name[strspn(name, allowed)])
        return ak_fail(AKSSL_ERR_INVALID,
                       "tensor '%.64s': give a name of lower-case letters, digits, '.', '_', '-'",
                       name);
    return AKSSL_OK;
}

static akssl_status measure(const ak_state_info *info, size_t *size)
{
    size_t bytes = sizeof(float);

    if (info->dims < 1 || info->dims > AK_STATE_MAX_DIMS)
        return ak_fail(AKSSL_ERR_INVALID, "tensor %s has %d axes: give 1 to %d", info->name,
                       info->dims, AK_STATE_MAX_DIMS);
    for (int i = 0; i < info->dims; i++)
        if (info->shape[i] < 1 || __builtin_mul_overflow(bytes, info->shape[i], &bytes) ||
            bytes > AK_STATE_MAX_TENSOR_BYTES)
            return ak_fail(AKSSL_ERR_LIMIT,
                           "tensor %s: axis %d of %" PRId64 " makes no tensor of 1 byte to 2 GiB",
                           info->name, i, info->shape[i]);
    if (info->version < 0 || info->filled < 0 || info->filled > info->shape[0] ||
        info->position < 0 || info->position >= info->shape[0])
        return ak_fail(AKSSL_ERR_INVALID,
                       "tensor %s: version %" PRId64 ", filled %" PRId64 ", position %" PRId64
                       " do not fit %" PRId64 " rows",
                       info->name, info->version, info->filled, info->position, info->shape[0]);
    *size = bytes;
    return AKSSL_OK;
}

akssl_status ak_state_declare(ak_state *state, const ak_state_info *info)
{
    ak_state_tensor tensor = { .info = *info };
    size_t total = 0;
    akssl_status rc;

    rc = check_name(info->name);
    if (rc == AKSSL_OK)
        rc = measure(info, &tensor.size);
    if (rc < 0)
        return rc;
    if (find(state, info->name))
        return ak_fail(AKSSL_ERR_EXISTS, "tensor %s is there already", info->name);
    if (state->count == AK_STATE_MAX_TENSORS)
        return ak_fail(AKSSL_ERR_LIMIT, "tensor %s is one more than a job's %d", info->name,
                       AK_STATE_MAX_TENSORS);
    for (int i = 0; i < state->count; i++)
        total += state->tensors[i].size;
    if (total + tensor.size > AK_STATE_MAX_BYTES)
        return ak_fail(AKSSL_ERR_LIMIT, "tensor %s: a job's state is at most 4 GiB", info->name);
    rc = new_buffer(&tensor.buffer, tensor.size);
    if (rc < 0)
        return ak_wrap(rc, "tensor %s", info->name);
    state->tensors[state->count++] = tensor;
    return AKSSL_OK;
}

akssl_status ak_state_fill(ak_state *state, const char *name, uint64_t offset, const void *data,
                           size_t size)
{
    ak_state_tensor *tensor = find(state, name);

    if (!tensor)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "tensor '%.64s' has no head yet", name);
    if (offset != tensor->received || !size || size > tensor->size - tensor->received)
        return ak_fail(AKSSL_ERR_INVALID,
                       "tensor %s: %zu bytes at %" PRIu64 " do not follow the %zu of %zu there",
                       name, size, offset, tensor->received, tensor->size);
    memcpy((char *)tensor->buffer->values + offset, data, size);
    tensor->received += size;
    return AKSSL_OK;
}

static akssl_status unshare(ak_state_tensor *tensor)
{
    ak_buffer *copy = NULL;
    akssl_status rc;

    if (tensor->buffer->holders == 1)
        return AKSSL_OK;
    rc = new_buffer(&copy, tensor->size);
    if (rc < 0)
        return ak_wrap(rc, "tensor %s", tensor->info.name);
    memcpy(copy->values, tensor->buffer->values, tensor->size);
    rele(tensor->buffer);
    tensor->buffer = copy;
    return AKSSL_OK;
}

static void write_rows(ak_state_tensor *tensor, const char *rows, int64_t count, size_t row)
{
    ak_state_info *info = &tensor->info;
    int64_t capacity = info->shape[0];
    int64_t first = capacity - info->position < count ? capacity - info->position : count;
    char *values = (char *)tensor->buffer->values;

    memcpy(values + (size_t)info->position * row, rows, (size_t)first * row);
    memcpy(values, rows + (size_t)first * row, (size_t)(count - first) * row);
    info->position = (info->position + count) % capacity;
    info->filled = info->filled + count < capacity ? info->filled + count : capacity;
}

akssl_status ak_state_push(ak_state *state, const char *name, int64_t version, const void *rows,
                           size_t size)
{
    ak_state_tensor *tensor = find(state, name);
    akssl_status rc;
    size_t row;

    if (!tensor)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "push: there is no tensor '%.64s'", name);
    if (tensor->received != tensor->size)
        return ak_fail(AKSSL_ERR_STATE, "push: tensor %s is not complete yet", name);
    if (version - 1 != tensor->info.version)
        return ak_fail(AKSSL_ERR_STATE,
                       "push: version %" PRId64 " does not follow version %" PRId64 " of %s",
                       version, tensor->info.version, name);
    row = tensor->size / (size_t)tensor->info.shape[0];
    if (!size || size % row || size > tensor->size)
        return ak_fail(AKSSL_ERR_INVALID,
                       "push: %zu bytes are not 1 to %" PRId64 " rows of %zu bytes of %s", size,
                       tensor->info.shape[0], row, name);
    rc = unshare(tensor);
    if (rc < 0)
        return rc;
    write_rows(tensor, rows, (int64_t)(size / row), row);
    tensor->info.version = version;
    return AKSSL_OK;
}

akssl_status ak_state_reached(const ak_state *state, int64_t version, bool *reached)
{
    *reached = true;
    for (int i = 0; i < state->count; i++) {
        const ak_state_tensor *tensor = &state->tensors[i];

        if (tensor->info.version > version)
            return ak_fail(AKSSL_ERR_STATE,
                           "tensor %s is at version %" PRId64 ", past the step %" PRId64
                           " of the commit: commit before the next push",
                           tensor->info.name, tensor->info.version, version);
        if (tensor->info.version < version || tensor->received != tensor->size)
            *reached = false;
    }
    return AKSSL_OK;
}

int64_t ak_state_version(const ak_state *state)
{
    int64_t version = state->count ? state->tensors[0].info.version : 0;

    for (int i = 1; i < state->count; i++)
        if (state->tensors[i].info.version < version)
            version = state->tensors[i].info.version;
    return version;
}

ak_state *ak_state_freeze(const ak_state *state)
{
    ak_state *frozen = ak_state_new();

    for (int i = 0; i < state->count; i++) {
        if (state->tensors[i].received != state->tensors[i].size)
            continue;
        frozen->tensors[frozen->count++] = state->tensors[i];
        state->tensors[i].buffer->holders++;
    }
    return frozen;
}

const float *ak_state_data(const ak_state_tensor *tensor)
{
    return tensor->buffer->values;
}
