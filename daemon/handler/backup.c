// daemon/handler/backup.c -- Backup: a consistent copy of the state folder, as a stream of its
// files.
//
//     (thread pool) copy the database, link the commits -> (thread pool) read a piece -> send ->
//     ...
//
// The caller writes the files: it may be on another host, and akssld may write nowhere but in its
// folder.

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/backup.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef struct sending {
    ak_daemon *d;
    ak_call *call; // NULL: it has ended
    ak_backup *backup;
    bool prepared, more, working;
    bool held; // the caller has enough for the moment
    ak_backup_piece piece;
} sending;

static akssl_status work(void *ctx)
{
    sending *s = ctx;
    akssl_status rc = AKSSL_OK;

    if (!s->prepared)
        rc = ak_backup_prepare(s->backup);
    if (rc == AKSSL_OK)
        rc = ak_backup_next(s->backup, &s->piece, &s->more);
    return rc;
}

static akssl_status clear(void *ctx)
{
    sending *s = ctx;

    ak_backup_free(s->backup);
    return AKSSL_OK;
}

static void on_cleared(void *ctx, akssl_status rc, const char *error)
{
    sending *s = ctx;

    (void)rc;
    (void)error;
    s->d->backups--;
    free(s);
}

static void on_worked(void *ctx, akssl_status rc, const char *error);

static void go_on(sending *s)
{
    s->working = true;
    ak_work_start(&s->d->loop, work, on_worked, s);
}

static void send_piece(sending *s)
{
    Akssl__V1__BackupPiece message = AKSSL__V1__BACKUP_PIECE__INIT;

    message.path = (char *)s->piece.path;
    message.warning = (char *)s->piece.warning;
    message.has_data = s->piece.size > 0;
    message.data = (ProtobufCBinaryData){ s->piece.size, (uint8_t *)s->piece.data };
    s->held = ak_call_send(s->call, &message.base);
    if (!s->held)
        go_on(s);
}

static void on_worked(void *ctx, akssl_status rc, const char *error)
{
    sending *s = ctx;

    s->working = false;
    s->prepared = true;
    if (!s->call) {
        ak_work_start(&s->d->loop, clear, on_cleared, s);
    } else if (rc < 0) {
        ak_call_fail(s->call, rc, error);
    } else if (s->more) {
        send_piece(s);
    } else {
        ak_log_write(s->d->log, AK_LOG_INFO, "a backup was made");
        ak_call_finish(s->call);
    }
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    char *staging;
    sending *s;

    (void)request;
    if (d->backups)
        return ak_fail(AKSSL_ERR_LIMIT, "a backup is being made: try again when it is done");
    s = ak_alloc(1, sizeof *s);
    s->d = d;
    s->call = call;
    d->backups++;
    staging = ak_path("%s/tmp/backup", d->config->state_dir);
    s->backup = ak_backup_new(d->config->state_dir, staging);
    free(staging);
    ak_call_set_user(call, s);
    go_on(s);
    return AKSSL_OK;
}

static void drained(ak_daemon *d, ak_call *call)
{
    sending *s = ak_call_user(call);

    (void)d;
    if (!s || !s->held)
        return;
    s->held = false;
    go_on(s);
}

static void ended(ak_daemon *d, ak_call *call)
{
    sending *s = ak_call_user(call);

    (void)d;
    if (!s)
        return;
    s->call = NULL;
    if (!s->working)
        ak_work_start(&s->d->loop, clear, on_cleared, s);
}

const ak_handler ak_handler_backup = {
    .access = AK_ACCESS_ADMIN,
    .started = started,
    .drained = drained,
    .ended = ended,
};
