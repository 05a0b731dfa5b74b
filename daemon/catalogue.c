// daemon/catalogue.c -- what the installed worker offers, and the launchers of this daemon.

#include "daemon/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "daemon/daemon.h"
#include "daemon/files.h"
#include "daemon/hosts.h"
#include "daemon/tool.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { TIMEOUT_MS = 20000, MAX_WAITING = 64 };

struct ak_catalogue {
    ak_daemon *d;
    ak_tool *tool; // while it is asked
    char *json;    // NULL: not known
    ak_call *waiting[MAX_WAITING];
    int count;
};

static akssl_status judge(const ak_catalogue *c, ak_tool_result *r)
{
    json_t *json;
    bool some;

    if (r->timed_out)
        return ak_fail(AKSSL_ERR_DEADLINE, "'%s catalogue' took over %d s", c->d->config->worker,
                       TIMEOUT_MS / 1000);
    if (r->exit_code || r->signal || r->overflowed)
        return ak_fail(AKSSL_ERR_INTERNAL, "'%s catalogue' failed: %s", c->d->config->worker,
                       ak_tool_complaint(r));
    json = json_loadb(r->out.text ? r->out.text : "", r->out.length, 0, NULL);
    some = json_object_size(json) > 0;
    json_decref(json);
    return some
               ? AKSSL_OK
               : ak_fail(AKSSL_ERR_INTERNAL, "'%s catalogue' printed no JSON: install akssld's own",
                         c->d->config->worker);
}

// launchers gives a row each: how many cores it has now, and its hosts.
static char *launchers(const ak_daemon *d)
{
    json_t *rows = json_array();
    const ak_launcher *l;
    char *text;

    for (int i = 0; (l = ak_launcher_at(i)) != NULL; i++) {
        json_t *row = json_pack("{s:s, s:s, s:I}", "name", l->name, "title", l->title, "slots",
                                (json_int_t)l->slots(d, 1));

        if (l->lacks)
            json_object_set_new(row, "options", ak_hosts_rows(d->hosts));
        json_array_append_new(rows, row);
    }
    text = json_dumps(rows, 0);
    json_decref(rows);
    return text;
}

// The worker's own text stays as it is: its numbers are not written anew.
static void reply(const ak_catalogue *c, ak_call *call)
{
    Akssl__V1__CatalogueReply message = AKSSL__V1__CATALOGUE_REPLY__INIT;
    char *rows = launchers(c->d);
    int length = (int)(strrchr(c->json, '}') - c->json);

    message.json = ak_path("%.*s, \"launchers\": %s}\n", length, c->json, rows);
    ak_call_reply(call, &message.base);
    free(message.json);
    free(rows);
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
        ak_log_write(c->d->log, AK_LOG_ERROR, "catalogue: %s", ak_error_text());
    else
        c->json = ak_str_take(&result->out);
    settle(c, rc);
}

static akssl_status ask(ak_catalogue *c)
{
    char *argv[] = { c->d->config->worker, (char *)"catalogue", NULL };

    if (c->tool)
        return AKSSL_OK;
    return ak_tool_start(&c->tool, &c->d->loop, argv, TIMEOUT_MS, on_done, c);
}

ak_catalogue *ak_catalogue_new(ak_daemon *d)
{
    ak_catalogue *c = ak_alloc(1, sizeof *c);

    c->d = d;
    if (ask(c) < 0)
        ak_log_write(d->log, AK_LOG_ERROR, "catalogue: %s", ak_error_text());
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
