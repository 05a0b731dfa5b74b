// daemon/outflow.h -- an open file on its way to a caller, as StatePieces: the head, then its
// bytes.
//
// As much is read at once as the caller takes.  Loop thread only.

#ifndef AK_DAEMON_OUTFLOW_H
#define AK_DAEMON_OUTFLOW_H

#include <stdint.h>

#include "proto/format/digest.h"
#include "proto/rpc/server.h"

// What is sent; fd may have lost its name meanwhile.
typedef struct ak_outflow_file {
    int fd;
    int64_t step;
    uint64_t size;
    char digest[AK_DIGEST_TEXT];
} ak_outflow_file;

typedef struct ak_outflow ak_outflow;

// ak_outflow_start sends the head and what the call takes of the bytes; it takes file->fd.
ak_outflow *ak_outflow_start(ak_call *call, const ak_outflow_file *file);

// ak_outflow_go_on is for when the call has drained; NULL-safe, as is ak_outflow_free.
void ak_outflow_go_on(ak_outflow *flow);
void ak_outflow_free(ak_outflow *flow);

#endif
