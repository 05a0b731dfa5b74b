// worker/uplink/state.c -- the tensors that the coordinator sends at the start of a run.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/uplink/inside.h"

akssl_status ak_uplink_broken(const char *what)
{
    return ak_fail(AKSSL_ERR_CORRUPT,
                   "the coordinator's state: %s: coordinator and worker differ "
                   "in version",
                   what);
}

static ak_uplink_slot *tensor_find(ak_uplink *u, const char *name)
{
    for (int i = 0; i < u->tensor_count; i++)
        if (name && strcmp(u->tensors[i].info.name, name) == 0)
            return &u->tensors[i];
    return NULL;
}

size_t ak_uplink_bytes_of(const int64_t *shape, size_t dims)
{
    const size_t most = (size_t)AK_UPLINK_STATE_GB << 30;
    size_t bytes = sizeof(float);

    if (dims < 1 || dims > AK_UPLINK_DIMS)
        return 0;
    for (size_t i = 0; i < dims; i++) {
        if (shape[i] < 1 || (uint64_t)shape[i] > most / bytes)
            return 0;
        bytes *= (size_t)shape[i];
    }
    return bytes;
}

static akssl_status take_head(ak_uplink *u, const Akssl__V1__TensorHead *head)
{
    size_t size = ak_uplink_bytes_of(head->shape, head->n_shape);
    ak_uplink_slot *t = &u->tensors[u->tensor_count];

    if (!head->name || !head->name[0] || tensor_find(u, head->name))
        return ak_uplink_broken("a tensor without a name of its own");
    if (u->tensor_count == AK_UPLINK_TENSORS)
        return ak_uplink_broken("too many tensors");
    if (size == 0 || size > ((size_t)AK_UPLINK_STATE_GB << 30) - u->state_bytes)
        return ak_uplink_broken("a tensor of impossible shape");
    memset(t, 0, sizeof *t);
    t->info.data = calloc(size, 1); // the kernel's zero pages: what does not come costs nothing
    if (!t->info.data)
        return ak_fail(AKSSL_ERR_NO_MEMORY,
                       "state '%s': no memory for %zu bytes: free some or take another host",
                       head->name, size);
    t->info.name = ak_strdup(head->name);
    t->info.dims = (int)head->n_shape;
    memcpy(t->info.shape, head->shape, head->n_shape * sizeof *head->shape);
    t->info.version = head->version;
    t->info.filled = head->filled;
    t->info.position = head->position;
    t->info.size = size;
    u->state_bytes += size;
    u->tensor_count++;
    return AKSSL_OK;
}

static akssl_status take_chunk(ak_uplink *u, const Akssl__V1__TensorChunk *chunk)
{
    ak_uplink_slot *t = tensor_find(u, chunk->name);

    if (!t || chunk->offset != t->got || chunk->data.len > t->info.size - t->got)
        return ak_uplink_broken("a piece that is out of place");
    if (chunk->data.len > 0)
        memcpy((uint8_t *)t->info.data + t->got, chunk->data.data, chunk->data.len);
    t->got += chunk->data.len;
    return AKSSL_OK;
}

static akssl_status check_state(const ak_uplink *u)
{
    for (int i = 0; i < u->tensor_count; i++) {
        const ak_uplink_tensor *info = &u->tensors[i].info;

        if (u->tensors[i].got != info->size)
            return ak_uplink_broken("a tensor whose data is not all there");
        if (info->version < 0 || info->filled < 0 || info->filled > info->shape[0] ||
            info->position < 0 || info->position >= info->shape[0])
            return ak_uplink_broken("a ring whose position is outside of it");
    }
    return AKSSL_OK;
}

akssl_status ak_uplink_next(ak_stream *stream, int64_t limit_ns, ProtobufCMessage **message)
{
    int64_t left = (limit_ns - ak_clock_ns()) / AK_UPLINK_MS;
    akssl_status rc;

    if (left < 1)
        return ak_fail(AKSSL_ERR_DEADLINE, "the coordinator has not sent the run's start in time");
    rc = ak_stream_receive(stream, left, message);
    if (rc == 0 && !*message)
        rc = ak_fail(AKSSL_ERR_CANCELLED, "the coordinator has ended the run's stream");
    return rc;
}

akssl_status ak_uplink_receive_state(ak_uplink *u, ak_stream *stream, int64_t limit_ns)
{
    akssl_status rc = AKSSL_OK;
    bool end = false;

    while (rc == 0 && !end) {
        ProtobufCMessage *message;
        Akssl__V1__CoordinatorMessage *m;

        rc = ak_uplink_next(stream, limit_ns, &message);
        if (rc < 0)
            return rc;
        m = (Akssl__V1__CoordinatorMessage *)message;
        if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_HEAD)
            rc = take_head(u, m->head);
        else if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_CHUNK)
            rc = take_chunk(u, m->chunk);
        else if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_STOP)
            ak_uplink_request_stop(u, m->stop->reason);
        else if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_STATE_END)
            end = true;
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return rc < 0 ? rc : check_state(u);
}

// ---- what came

bool ak_uplink_unstored(const ak_uplink *uplink)
{
    return atomic_load(&uplink->unstored);
}

const ak_uplink_welcome *ak_uplink_state(const ak_uplink *uplink)
{
    return &uplink->welcome;
}

int ak_uplink_tensor_count(const ak_uplink *uplink)
{
    return uplink->tensor_count;
}

const ak_uplink_tensor *ak_uplink_tensor_at(const ak_uplink *uplink, int index)
{
    return &uplink->tensors[index].info;
}

const ak_uplink_tensor *ak_uplink_tensor_find(const ak_uplink *uplink, const char *name)
{
    ak_uplink_slot *t = tensor_find((ak_uplink *)uplink, name);

    return t ? &t->info : NULL;
}

// ---- what was told since

static ak_uplink_slot *slot_new(ak_uplink *u, const ak_uplink_tensor *tensor)
{
    ak_uplink_slot *t = &u->tensors[u->tensor_count];

    memset(t, 0, sizeof *t);
    t->info.data = ak_try_alloc(tensor->size, 1);
    if (!t->info.data)
        return NULL;
    t->info.name = ak_strdup(tensor->name);
    t->info.dims = tensor->dims;
    memcpy(t->info.shape, tensor->shape, sizeof t->info.shape);
    t->info.size = t->got = tensor->size;
    u->tensor_count++;
    return t;
}

akssl_status ak_uplink_note_whole(ak_uplink *u, const ak_uplink_tensor *tensor)
{
    ak_uplink_slot *t;

    if (u->seeded)
        ak_uplink_forget_state(u);
    t = tensor_find(u, tensor->name);
    if (!t && u->tensor_count == AK_UPLINK_TENSORS)
        return ak_fail(AKSSL_ERR_LIMIT, "tensor '%s': a run has at most %d", tensor->name,
                       AK_UPLINK_TENSORS);
    if (t && (t->info.size != tensor->size || t->info.shape[0] != tensor->shape[0]))
        return ak_fail(AKSSL_ERR_INVALID, "tensor '%s' changes its shape", tensor->name);
    if (!t)
        t = slot_new(u, tensor);
    if (!t)
        return ak_wrap(AKSSL_ERR_NO_MEMORY, "tensor '%s'", tensor->name);
    memcpy(t->info.data, tensor->data, tensor->size);
    t->info.version = tensor->version;
    t->info.filled = tensor->filled;
    t->info.position = tensor->position;
    return AKSSL_OK;
}

void ak_uplink_note_push(ak_uplink *u, const char *name, int64_t version,
                         const ak_uplink_rows *rows)
{
    ak_uplink_slot *t = tensor_find(u, name);
    int64_t length, width, count;

    if (!t)
        return;
    length = t->info.shape[0];
    width = (int64_t)(t->info.size / (size_t)length);
    count = (int64_t)rows->bytes / width;
    t->info.position = (t->info.position + rows->skipped) % length;
    for (int64_t i = 0; i < count; i++) {
        memcpy((uint8_t *)t->info.data + t->info.position * width,
               (const uint8_t *)rows->rows + i * width, (size_t)width);
        t->info.position = (t->info.position + 1) % length;
    }
    count += rows->skipped;
    t->info.filled = t->info.filled + count < length ? t->info.filled + count : length;
    t->info.version = version;
}

void ak_uplink_forget_state(ak_uplink *u)
{
    for (int i = 0; i < u->tensor_count; i++) {
        free((char *)u->tensors[i].info.name);
        free(u->tensors[i].info.data);
    }
    u->tensor_count = 0;
    u->state_bytes = 0;
    u->seeded = false;
}
