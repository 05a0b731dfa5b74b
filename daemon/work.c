// daemon/work.c -- a piece of work on libuv's thread pool, with its failure's sentence.

#include "daemon/work.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef struct work {
    uv_work_t req;
    ak_work_run run;
    ak_work_done done;
    void *ctx;
    akssl_status rc;
    char error[1024];
} work;

static void on_run(uv_work_t *req)
{
    work *w = req->data;

    w->rc = w->run(w->ctx);
    if (w->rc < 0)
        snprintf(w->error, sizeof w->error, "%s", ak_error_text());
}

static void on_done(uv_work_t *req, int status)
{
    work *w = req->data;

    if (status < 0) {
        w->rc = AKSSL_ERR_CANCELLED;
        snprintf(w->error, sizeof w->error, "cancelled");
    }
    w->done(w->ctx, w->rc, w->error);
    free(w);
}

void ak_work_start(uv_loop_t *loop, ak_work_run run, ak_work_done done, void *ctx)
{
    work *w = ak_alloc(1, sizeof *w);
    int rc;

    w->req.data = w;
    w->run = run;
    w->done = done;
    w->ctx = ctx;
    rc = uv_queue_work(loop, &w->req, on_run, on_done);
    if (rc < 0) {
        snprintf(w->error, sizeof w->error, "no thread for it: %s", uv_strerror(rc));
        done(ctx, AKSSL_ERR_INTERNAL, w->error);
        free(w);
    }
}
