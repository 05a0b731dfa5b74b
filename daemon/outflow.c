// daemon/outflow.c -- an open file on its way to a caller.

#include "daemon/outflow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { PIECE = 1 << 20 };

struct ak_outflow {
    ak_call *call;
    ak_outflow_file file;
    uint64_t sent;
    char piece[PIECE];
};

// send_piece sends the next bytes; true: hold back.
static bool send_piece(ak_outflow *f)
{
    Akssl__V1__StatePiece piece = AKSSL__V1__STATE_PIECE__INIT;
    uint64_t left = f->file.size - f->sent;
    ssize_t n = pread(f->file.fd, f->piece, left < PIECE ? (size_t)left : PIECE, (off_t)f->sent);

    if (n <= 0) {
        ak_call_fail(f->call,
                     ak_fail_errno(n < 0 ? errno : EIO,
                                   "the file cannot be read from byte %" PRIu64 " on", f->sent),
                     ak_error_text());
        return true;
    }
    piece.has_data = 1;
    piece.data = (ProtobufCBinaryData){ (size_t)n, (uint8_t *)f->piece };
    f->sent += (uint64_t)n;
    return ak_call_send(f->call, &piece.base);
}

static void pump(ak_outflow *f)
{
    bool full = false;

    while (!full && f->sent < f->file.size)
        full = send_piece(f);
    if (f->sent == f->file.size)
        ak_call_finish(f->call);
}

ak_outflow *ak_outflow_start(ak_call *call, const ak_outflow_file *file)
{
    Akssl__V1__StatePiece head = AKSSL__V1__STATE_PIECE__INIT;
    ak_outflow *f = ak_alloc(1, sizeof *f);

    f->call = call;
    f->file = *file;
    head.has_size = head.has_step = 1;
    head.size = f->file.size;
    head.step = f->file.step;
    head.digest = f->file.digest;
    ak_call_send(call, &head.base);
    pump(f);
    return f;
}

void ak_outflow_go_on(ak_outflow *f)
{
    if (f && f->sent < f->file.size)
        pump(f);
}

void ak_outflow_free(ak_outflow *f)
{
    if (f)
        close(f->file.fd);
    free(f);
}
