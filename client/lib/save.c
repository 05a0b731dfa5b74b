// client/lib/save.c -- what the daemon sends as a file: the coordinator's state of a job, its
// backbone, or a picture.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/lib/lib.h"
#include "proto/base/error.h"
#include "proto/base/str.h"

enum { EXPORT_MS = 360000 }; // somewhat longer than the daemon takes at most

typedef struct save {
    const char *path;
    ak_str part;           // where it is written
    int fd;                // -1: not yet
    bool told;             // the head came
    int64_t left, wait_ms; // bytes to come; for each message
    akssl_saved saved;
} save;

static akssl_status broken(void)
{
    return ak_fail(AKSSL_ERR_CORRUPT, "the daemon sent less or more than it announced: ask again");
}

static akssl_status write_failed(const save *s)
{
    return ak_fail_errno(errno, "file '%s' cannot be written", s->part.text);
}

static akssl_status take_head(save *s, const Akssl__V1__StatePiece *piece)
{
    if (!piece->has_size || piece->size > INT64_MAX || !piece->digest ||
        strlen(piece->digest) >= sizeof s->saved.digest)
        return broken();
    s->saved.step = piece->has_step ? piece->step : -1;
    s->saved.size = s->left = (int64_t)piece->size;
    memcpy(s->saved.digest, piece->digest, strlen(piece->digest) + 1);
    s->told = true;
    s->fd = open(s->part.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return s->fd < 0 ? write_failed(s) : AKSSL_OK;
}

akssl_status ak_client_write(int fd, const char *path, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno != EINTR)
            return ak_fail_errno(errno, "file '%s' cannot be written", path);
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return AKSSL_OK;
}

static akssl_status take_bytes(save *s, const uint8_t *bytes, size_t size)
{
    if ((uint64_t)size > (uint64_t)s->left)
        return broken();
    s->left -= (int64_t)size;
    return ak_client_write(s->fd, s->part.text, bytes, size);
}

static akssl_status receive(save *s, const akssl_client *client, ak_stream *stream)
{
    akssl_status rc = AKSSL_OK;

    while (rc >= 0) {
        ProtobufCMessage *message = NULL;
        const Akssl__V1__StatePiece *piece;

        rc = ak_client_judge(client, ak_stream_receive(stream, s->wait_ms, &message));
        if (rc < 0 || !message)
            break;
        piece = (const Akssl__V1__StatePiece *)message;
        if (!s->told)
            rc = take_head(s, piece);
        else if (piece->has_data)
            rc = take_bytes(s, piece->data.data, piece->data.len);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return rc >= 0 && (!s->told || s->left > 0) ? broken() : rc;
}

static akssl_status keep(save *s)
{
    if (fsync(s->fd) < 0)
        return write_failed(s);
    if (rename(s->part.text, s->path) < 0)
        return ak_fail_errno(errno, "file '%s' cannot be made", s->path);
    return AKSSL_OK;
}

static akssl_status fetch(akssl_client *client, ak_rpc_id rpc, const ProtobufCMessage *request,
                          int64_t wait_ms, const char *path, akssl_saved *saved)
{
    save s = { .path = path, .part = AK_STR_INIT, .fd = -1, .wait_ms = wait_ms };
    ak_stream *stream = NULL;
    akssl_status rc;

    ak_str_format(&s.part, "%s.part", path);
    ak_client_revive(client);
    rc = ak_stream_open(&stream, client->channel, rpc, request, 0);
    rc = rc < 0 ? ak_client_judge(client, rc) : receive(&s, client, stream);
    if (rc >= 0)
        rc = keep(&s);
    ak_stream_free(stream);
    if (s.fd >= 0)
        close(s.fd);
    if (s.fd >= 0 && rc < 0)
        unlink(s.part.text);
    ak_str_fini(&s.part);
    if (rc >= 0 && saved)
        *saved = s.saved;
    return rc;
}

akssl_status akssl_client_save_state(akssl_client *client, int64_t id, const char *path,
                                     akssl_saved *saved)
{
    Akssl__V1__StateRequest request = AKSSL__V1__STATE_REQUEST__INIT;

    request.has_id = 1;
    request.id = id;
    return fetch(client, AK_RPC_save_state, &request.base, client->timeout_ms, path, saved);
}

akssl_status akssl_client_export(akssl_client *client, int64_t id, const akssl_export *what,
                                 const char *path, akssl_saved *saved)
{
    Akssl__V1__ExportRequest request = AKSSL__V1__EXPORT_REQUEST__INIT;
    int64_t wait_ms = client->timeout_ms > EXPORT_MS ? client->timeout_ms : EXPORT_MS;

    request.has_id = 1;
    request.id = id;
    request.format = (char *)what->format;
    request.has_zero_head = 1;
    request.zero_head = what->zero_head;
    request.has_step = what->step != 0;
    request.step = what->step;
    return fetch(client, AK_RPC_export, &request.base, wait_ms, path, saved);
}

akssl_status akssl_client_picture(akssl_client *client, int64_t id, const char *name,
                                  const char *path, akssl_saved *saved)
{
    Akssl__V1__PictureRequest request = AKSSL__V1__PICTURE_REQUEST__INIT;

    request.has_id = 1;
    request.id = id;
    request.name = (char *)name;
    return fetch(client, AK_RPC_picture, &request.base, client->timeout_ms, path, saved);
}
