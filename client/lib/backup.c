// client/lib/backup.c -- a backup, as it comes from the daemon, as a folder.

#include "akssl/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/lib/lib.h"
#include "proto/base/error.h"
#include "proto/base/str.h"

enum { PIECE_MS = 660000 }; // before the first one the daemon links all commits

#define LAST "manifest"

typedef struct backup {
    ak_str part, path; // the folder while it is not whole; the file that is being written
    int fd;            // of it; -1: none
    bool whole;        // the last file has begun
    int64_t files, bytes;
    ak_str warnings;
} backup;

static akssl_status write_failed(const backup *b)
{
    return ak_fail_errno(errno, "'%s' cannot be written", b->path.text);
}

// make_parents makes the folders of b->path below the backup's own.
static akssl_status make_parents(backup *b)
{
    char *slash = b->path.text + b->part.length;

    while ((slash = strchr(slash + 1, '/'))) {
        int rc;

        *slash = '\0';
        rc = mkdir(b->path.text, 0700) < 0 && errno != EEXIST ? -1 : 0;
        if (rc < 0)
            return write_failed(b);
        *slash = '/';
    }
    return AKSSL_OK;
}

// is_plain keeps a daemon from writing anywhere else.
static bool is_plain(const char *path)
{
    size_t length;

    do {
        length = strcspn(path, "/");
        if (!length || strncmp(path, ".", length) == 0 || strncmp(path, "..", length) == 0)
            return false;
        path += length + 1;
    } while (path[-1]);
    return true;
}

static akssl_status begin(backup *b, const char *name)
{
    akssl_status rc;

    if (b->fd >= 0 && close(b->fd) < 0)
        return write_failed(b);
    b->fd = -1;
    if (!is_plain(name))
        return ak_fail(AKSSL_ERR_CORRUPT,
                       "the daemon sent a file called '%.200s': no backup of an akssld", name);
    ak_str_clear(&b->path);
    ak_str_format(&b->path, "%s/%s", b->part.text, name);
    rc = make_parents(b);
    if (rc < 0)
        return rc;
    b->fd = open(b->path.text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (b->fd < 0)
        return write_failed(b);
    b->files++;
    b->whole = strcmp(name, LAST) == 0;
    return AKSSL_OK;
}

static akssl_status add(backup *b, const uint8_t *bytes, size_t size)
{
    if (b->fd < 0)
        return ak_fail(AKSSL_ERR_CORRUPT, "the daemon sent bytes of no file: ask again");
    b->bytes += (int64_t)size;
    return ak_client_write(b->fd, b->path.text, bytes, size);
}

static akssl_status take(backup *b, const Akssl__V1__BackupPiece *piece)
{
    akssl_status rc = piece->path ? begin(b, piece->path) : AKSSL_OK;

    if (rc >= 0 && piece->has_data)
        rc = add(b, piece->data.data, piece->data.len);
    if (rc >= 0 && piece->warning) {
        size_t length = strlen(piece->warning);

        ak_str_append(&b->warnings, piece->warning);
        if (length && piece->warning[length - 1] != '\n')
            ak_str_append(&b->warnings, "\n");
    }
    return rc;
}

static akssl_status receive(backup *b, const akssl_client *client, ak_stream *stream)
{
    int64_t timeout_ms = client->timeout_ms > PIECE_MS ? client->timeout_ms : PIECE_MS;
    ProtobufCMessage *message;
    akssl_status rc;

    do {
        message = NULL;
        rc = ak_client_judge(client, ak_stream_receive(stream, timeout_ms, &message));
        if (rc >= 0 && message)
            rc = take(b, (const Akssl__V1__BackupPiece *)message);
        if (message)
            protobuf_c_message_free_unpacked(message, NULL);
    } while (rc >= 0 && message);
    if (rc >= 0 && !b->whole)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "the daemon sent no whole backup: ask again");
    return rc;
}

// keep makes it durable, and then known by its name.
static akssl_status keep(const backup *b, const char *folder)
{
    int fd = b->fd;

    if (syncfs(fd) < 0 || fsync(fd) < 0)
        return write_failed(b);
    if (rename(b->part.text, folder) < 0)
        return ak_fail_errno(errno, "folder '%s' cannot be made", folder);
    return AKSSL_OK;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static akssl_status make_folder(backup *b, const char *folder)
{
    struct stat st;

    if (lstat(folder, &st) == 0)
        return ak_fail(AKSSL_ERR_EXISTS, "'%s' is there already: give a new folder's name", folder);
    ak_str_format(&b->part, "%s.part", folder);
    if (mkdir(b->part.text, 0700) == 0)
        return AKSSL_OK;
    if (errno == EEXIST)
        return ak_fail(AKSSL_ERR_EXISTS, "'%s' is there, of a backup that was cut off: remove it",
                       b->part.text);
    return ak_fail_errno(errno, "folder '%s' cannot be made", b->part.text);
}

static akssl_status fetch(backup *b, akssl_client *client, const char *folder)
{
    Akssl__V1__BackupRequest request = AKSSL__V1__BACKUP_REQUEST__INIT;
    ak_stream *stream = NULL;
    akssl_status rc;

    ak_client_revive(client);
    rc = ak_stream_open(&stream, client->channel, AK_RPC_backup, &request.base, 0);
    rc = rc < 0 ? ak_client_judge(client, rc) : receive(b, client, stream);
    if (rc >= 0)
        rc = keep(b, folder);
    ak_stream_free(stream);
    if (b->fd >= 0)
        close(b->fd);
    if (rc < 0)
        nftw(b->part.text, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return rc;
}

akssl_status akssl_client_backup(akssl_client *client, const char *folder, akssl_backup *out)
{
    backup b = { .part = AK_STR_INIT, .path = AK_STR_INIT, .warnings = AK_STR_INIT, .fd = -1 };
    akssl_status rc = make_folder(&b, folder);

    if (rc >= 0)
        rc = fetch(&b, client, folder);
    if (rc >= 0)
        *out = (akssl_backup){ b.files, b.bytes, ak_str_take(&b.warnings) };
    ak_str_fini(&b.part);
    ak_str_fini(&b.path);
    ak_str_fini(&b.warnings);
    return rc;
}
