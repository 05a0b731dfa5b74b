// daemon/catalogue.c -- what the installed worker offers.

#include "daemon/catalogue.h"

#include <stdlib.h>

#include <jansson.h>

#include "daemon/tool.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { TIMEOUT_MS = 20000, MAX_WAITING = 64 };

struct ak_catalogue {
    uv_loop_t *loop;
    const ak_config *config;
    const ak_log *log;
    ak_tool *tool; // while it is asked
    char *json;    // NULL: not known
    ak_call *waiting[MAX_WAITING];
    int count;
};

static akssl_status judge(const ak_catalogue *c, ak_tool_result *r)
{
    json_t *json;

    if (r->timed_out)
        return ak_fail(AKSSL_ERR_DEADLINE, "'%s catalogue' took over %d s", c->config->worker,
                       TIMEOUT_MS / 1000);
    if (r->exit_code || r->signal || r->overflowed)
        return ak_fail(AKSSL_ERR_INTERNAL, "'%s catalogue' failed: %s", c->config->worker,
                       ak_tool_complaint(r));
    json = json_loadb(r->out.text ? r->out.text : "", r->out.length, 0, NULL);
    json_decref(json);
    return json
               ? AKSSL_OK
               : ak_fail(AKSSL_ERR_INTERNAL, "'%s catalogue' printed no JSON: install akssld's own",
                         c->config->worker);
}

static void reply(const ak_catalogue *c, ak_call *call)
{
    Akssl__V1__CatalogueReply message = AKSSL__V1__CATALOGUE_REPLY__INIT;

    message.json = c->json;
    ak_call_reply(call, &message.base);
}

static void settle(ak_catalogue *c, akssl_status rc)
{
    int count = c->count;

    c->count = 0;
    for (int i = 0; i < count; i++) {
        if (rc < 0)
            ak_call_fail(c->waiting[i], rc, ak_error_text());
        else
            reply(c, c->waiting[i]);
    }
}

static void on_done(void *ctx, ak_tool_result *result)
{
    ak_catalogue *c = ctx;
    akssl_status rc = judge(c, result);

    c->tool = NULL;
    if (rc < 0)
        ak_log_write(c->log, AK_LOG_ERROR, "catalogue: %s", ak_error_text());
    else
        c->json = ak_str_take(&result->out);
    settle(c, rc);
}

static akssl_status ask(ak_catalogue *c)
{
    char *argv[] = { c->config->worker, (char *)"catalogue", NULL };

    if (c->tool)
        return AKSSL_OK;
    return ak_tool_start(&c->tool, c->loop, argv, TIMEOUT_MS, on_done, c);
}

ak_catalogue *ak_catalogue_new(uv_loop_t *loop, const ak_config *config, const ak_log *log)
{
    ak_catalogue *c = ak_alloc(1, sizeof *c);

    c->loop = loop;
    c->config = config;
    c->log = log;
    if (ask(c) < 0)
        ak_log_write(log, AK_LOG_ERROR, "catalogue: %s", ak_error_text());
    return c;
}

void ak_catalogue_free(ak_catalogue *c)
{
    if (!c)
        return;
    ak_tool_cancel(c->tool);
    free(c->json);
    free(c);
}

akssl_status ak_catalogue_answer(ak_catalogue *c, ak_call *call)
{
    akssl_status rc;

    if (c->json) {
        reply(c, call);
        return AKSSL_OK;
    }
    if (c->count == MAX_WAITING)
        return ak_fail(AKSSL_ERR_LIMIT, "%d calls wait for the catalogue already: try again later",
                       MAX_WAITING);
    rc = ask(c);
    if (rc < 0)
        return rc;
    c->waiting[c->count++] = call;
    return AKSSL_OK;
}

void ak_catalogue_forget(ak_catalogue *c, ak_call *call)
{
    for (int i = 0; i < c->count; i++)
        if (c->waiting[i] == call)
            c->waiting[i--] = c->waiting[--c->count];
}
