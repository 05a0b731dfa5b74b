// daemon/handler/picture.c -- Picture: what a job's run has drawn, as a file.
//
// It is opened and its digest read on the thread pool, then sent piece by piece; a picture that is
// drawn anew meanwhile takes the name of this one, which stays readable.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "daemon/outflow.h"
#include "daemon/pictures.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"

enum { MAX_UNDER_WAY = 8 };

typedef struct showing {
    ak_daemon *d;
    ak_call *call; // NULL: it has ended
    int64_t job;
    int row;
    char *path;
    ak_outflow_file file;
    bool working;
    ak_outflow *flow; // once it is sent; then the file's descriptor is its
} showing;

static akssl_status prepare(void *ctx)
{
    showing *s = ctx;
    struct stat found;

    s->file.fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->file.fd < 0 && errno == ENOENT)
        return ak_picture_missing(s->job, s->row);
    if (s->file.fd < 0 || fstat(s->file.fd, &found) < 0)
        return ak_fail_errno(errno, "picture '%s'", s->path);
    if (!S_ISREG(found.st_mode) || found.st_size > AK_PICTURES_BYTES)
        return ak_fail(AKSSL_ERR_LIMIT, "picture '%s' is no file of at most %d bytes", s->path,
                       AK_PICTURES_BYTES);
    return ak_digest_file(s->path, &s->file.size, s->file.digest);
}

static void showing_free(showing *s)
{
    s->call = NULL;
    if (s->working)
        return; // on_prepared comes back
    s->d->showing--;
    if (!s->flow && s->file.fd >= 0)
        close(s->file.fd);
    ak_outflow_free(s->flow);
    free(s->path);
    free(s);
}

static void on_prepared(void *ctx, akssl_status rc, const char *error)
{
    showing *s = ctx;

    s->working = false;
    if (!s->call)
        showing_free(s);
    else if (rc < 0)
        ak_call_fail(s->call, rc, error);
    else
        s->flow = ak_outflow_start(s->call, &s->file);
}

static akssl_status check(ak_daemon *d, const Akssl__V1__PictureRequest *message, int *row)
{
    const ak_job *job;
    ak_job *stored;
    akssl_status rc = ak_picture_find(message->name ? message->name : "", row);

    if (rc == AKSSL_OK && d->showing == MAX_UNDER_WAY)
        rc = ak_fail(AKSSL_ERR_LIMIT, "%d calls of Picture are under way: try again later",
                     MAX_UNDER_WAY);
    if (rc < 0)
        return rc;
    rc = ak_control_find(d, message->id, &job, &stored);
    if (rc == AKSSL_OK)
        ak_job_free(stored);
    return rc;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__PictureRequest *message = (const Akssl__V1__PictureRequest *)request;
    char *folder;
    showing *s;
    int row;
    akssl_status rc = check(d, message, &row);

    if (rc < 0)
        return rc;
    s = ak_alloc(1, sizeof *s);
    folder = ak_control_folder(d, message->id);
    *s = (showing){ .d = d, .call = call, .job = message->id, .row = row, .working = true };
    s->path = ak_path("%s/pictures/%s", folder, ak_pictures[row].name);
    s->file.fd = -1;
    s->file.step = -1;
    free(folder);
    d->showing++;
    ak_call_set_user(call, s);
    ak_work_start(&d->loop, prepare, on_prepared, s);
    return AKSSL_OK;
}

static void drained(ak_daemon *d, ak_call *call)
{
    showing *s = ak_call_user(call);

    (void)d;
    if (s)
        ak_outflow_go_on(s->flow);
}

static void ended(ak_daemon *d, ak_call *call)
{
    showing *s = ak_call_user(call);

    (void)d;
    if (s)
        showing_free(s);
}

const ak_handler ak_handler_picture = {
    .access = AK_ACCESS_READ,
    .started = started,
    .drained = drained,
    .ended = ended,
};
