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
    if (!buffer || --buffer->holders)
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
    for (int i = 0; i < state->count; i++) {
        rele(state->tensors[i].buffer);
        rele(state->tensors[i].change.buffer);
    }
    free(state);
}

static ak_state_tensor *find(ak_state *state, const char *name)
{
    for (int i = 0; i < state->count; i++)
        if (strcmp(state->tensors[i].info.name, name) == 0)
            return &state->tensors[i];
    return NULL;
}

bool ak_state_holds(const ak_state *state, const char *name)
{
    return find((ak_state *)state, name) != NULL;
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

// ---- a new value

static bool same_shape(const ak_state_info *a, const ak_state_info *b)
{
    return a->dims == b->dims &&
           memcmp(a->shape, b->shape, (size_t)a->dims * sizeof *a->shape) == 0;
}

akssl_status ak_state_replace(ak_state *state, const ak_state_info *info)
{
    ak_state_tensor *tensor = find(state, info->name);
    ak_state_change change = {
        .whole = true, .version = info->version, .filled = info->filled, .position = info->position
    };
    size_t size;
    akssl_status rc;

    if (!tensor)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "there is no tensor '%.64s' to replace", info->name);
    if (tensor->received != tensor->size || tensor->change.buffer)
        return ak_fail(AKSSL_ERR_STATE, "tensor %s is not complete yet: send its bytes first",
                       info->name);
    if (info->version <= tensor->info.version)
        return ak_fail(AKSSL_ERR_STATE,
                       "tensor %s: the new value's version %" PRId64 " is not past %" PRId64,
                       info->name, info->version, tensor->info.version);
    rc = measure(info, &size);
    if (rc < 0)
        return rc;
    if (!same_shape(info, &tensor->info))
        return ak_fail(AKSSL_ERR_INVALID, "tensor %s: a new value has the shape of the old one",
                       info->name);
    rc = new_buffer(&change.buffer, size);
    if (rc < 0)
        return ak_wrap(rc, "tensor %s", info->name);
    tensor->change = change;
    return AKSSL_OK;
}

static void swap_in(ak_state_tensor *tensor)
{
    rele(tensor->buffer);
    tensor->buffer = tensor->change.buffer;
    tensor->info.version = tensor->change.version;
    tensor->info.filled = tensor->change.filled;
    tensor->info.position = tensor->change.position;
    tensor->change = (ak_state_change){ 0 };
}

akssl_status ak_state_fill(ak_state *state, const char *name, uint64_t offset, const void *data,
                           size_t size)
{
    ak_state_tensor *tensor = find(state, name);
    bool again;
    size_t *received;
    ak_buffer *buffer;

    if (!tensor)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "tensor '%.64s' has no head yet", name);
    again = tensor->change.buffer && tensor->change.whole;
    buffer = again ? tensor->change.buffer : tensor->buffer;
    received = again ? &tensor->change.received : &tensor->received;
    if (offset != *received || !size || size > tensor->size - *received)
        return ak_fail(AKSSL_ERR_INVALID,
                       "tensor %s: %zu bytes at %" PRIu64 " do not follow the %zu of %zu there",
                       name, size, offset, *received, tensor->size);
    memcpy((char *)buffer->values + offset, data, size);
    *received += size;
    if (again && *received == tensor->size)
        swap_in(tensor);
    return AKSSL_OK;
}

// ---- pushes

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

// move counts rows that entered, or went by, at the position.
static void move(ak_state_info *info, int64_t count)
{
    int64_t capacity = info->shape[0];

    info->position = (info->position + count % capacity) % capacity;
    info->filled = count < capacity - info->filled ? info->filled + count : capacity;
}

static void write_rows(ak_state_tensor *tensor, const char *rows, int64_t count, size_t row)
{
    ak_state_info *info = &tensor->info;
    int64_t capacity = info->shape[0];
    int64_t gone = count > capacity ? count - capacity : 0;
    char *values = (char *)tensor->buffer->values;
    int64_t first;

    move(info, gone);
    rows += (size_t)gone * row;
    count -= gone;
    first = capacity - info->position < count ? capacity - info->position : count;
    memcpy(values + (size_t)info->position * row, rows, (size_t)first * row);
    memcpy(values, rows + (size_t)first * row, (size_t)(count - first) * row);
    move(info, count);
}

static akssl_status check_push(const ak_state_tensor *tensor, const ak_state_rows *rows)
{
    const ak_state_change *change = &tensor->change;
    const char *name = tensor->info.name;

    if (tensor->received != tensor->size || (change->buffer && change->whole))
        return ak_fail(AKSSL_ERR_STATE, "push: tensor %s is not complete yet", name);
    if (rows->version < 1 || rows->version - 1 != tensor->info.version)
        return ak_fail(AKSSL_ERR_STATE,
                       "push: version %" PRId64 " does not follow version %" PRId64 " of %s",
                       rows->version, tensor->info.version, name);
    if (!rows->size)
        return ak_fail(AKSSL_ERR_INVALID, "push: there are no rows for %s", name);
    if (rows->skipped < 0 || (rows->skipped && change->buffer))
        return ak_fail(AKSSL_ERR_INVALID,
                       "push: %" PRId64 " rows of %s were skipped: give the number with the first "
                       "piece",
                       rows->skipped, name);
    return AKSSL_OK;
}

// enter lets rows in, after the skipped ones, whose places they take.
static akssl_status enter(ak_state_tensor *tensor, const ak_state_rows *rows)
{
    size_t row = tensor->size / (size_t)tensor->info.shape[0];
    akssl_status rc;

    if (rows->size % row)
        return ak_fail(AKSSL_ERR_INVALID, "push: %zu bytes are no rows of %zu bytes of %s",
                       rows->size, row, tensor->info.name);
    if (rows->skipped && rows->size < tensor->size)
        return ak_fail(AKSSL_ERR_INVALID,
                       "push: rows of %s were skipped, and what follows is less than its length",
                       tensor->info.name);
    rc = unshare(tensor);
    if (rc < 0)
        return rc;
    move(&tensor->info, rows->skipped);
    write_rows(tensor, rows->rows, (int64_t)(rows->size / row), row);
    tensor->info.version = rows->version;
    return AKSSL_OK;
}

static akssl_status stage(ak_state_tensor *tensor, const ak_state_rows *rows)
{
    ak_state_change *change = &tensor->change;
    akssl_status rc;

    if (!change->buffer) {
        rc = new_buffer(&change->buffer, tensor->size);
        if (rc < 0)
            return ak_wrap(rc, "push to %s", tensor->info.name);
        change->version = rows->version;
        change->skipped = rows->skipped;
    }
    if (rows->size > tensor->size - change->received)
        return ak_fail(AKSSL_ERR_INVALID,
                       "push: the pieces for %s are longer than its %zu bytes: send its last rows, "
                       "and count the rest as skipped",
                       tensor->info.name, tensor->size);
    memcpy((char *)change->buffer->values + change->received, rows->rows, rows->size);
    change->received += rows->size;
    return AKSSL_OK;
}

static akssl_status enter_staged(ak_state_tensor *tensor)
{
    ak_state_change change = tensor->change;
    const ak_state_rows all = { .version = change.version,
                                .skipped = change.skipped,
                                .rows = change.buffer->values,
                                .size = change.received };
    akssl_status rc;

    tensor->change = (ak_state_change){ 0 };
    rc = enter(tensor, &all);
    rele(change.buffer);
    return rc;
}

akssl_status ak_state_push(ak_state *state, const ak_state_rows *rows)
{
    ak_state_tensor *tensor = find(state, rows->name);
    akssl_status rc;

    if (!tensor)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "push: there is no tensor '%.64s'", rows->name);
    rc = check_push(tensor, rows);
    if (rc < 0)
        return rc;
    if (!rows->more && !tensor->change.buffer)
        return enter(tensor, rows);
    rc = stage(tensor, rows);
    return rc < 0 || rows->more ? rc : enter_staged(tensor);
}

// ---- versions, views

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
        frozen->tensors[frozen->count] = state->tensors[i];
        frozen->tensors[frozen->count++].change = (ak_state_change){ 0 };
        state->tensors[i].buffer->holders++;
    }
    return frozen;
}

const float *ak_state_data(const ak_state_tensor *tensor)
{
    return tensor->buffer->values;
}
