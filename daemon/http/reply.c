// daemon/http/reply.c -- one request: who asks, which route, the answer with its headers.

#include "daemon/http/reply.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/files.h"
#include "daemon/state/state.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

#define TEXT "text/plain; charset=utf-8"

static const char *const headers[][2] = {
    { "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
                                 "'self'; connect-src 'self'; "
                                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { "Cache-Control", "no-store" },
};

enum { HEADERS = sizeof headers / sizeof *headers };

// ---- the query

akssl_status ak_ask_number(const ak_ask *ask, const char *name, int64_t initial, int64_t min,
                           int64_t max, int64_t *out)
{
    const char *text = MHD_lookup_connection_value((struct MHD_Connection *)ask->http,
                                                   MHD_GET_ARGUMENT_KIND, name);
    int64_t value = initial;

    if (text && (ak_parse_int(text, &value) < 0 || value < min || value > max))
        return ak_fail(AKSSL_ERR_INVALID, "%s: give a number from %lld to %lld", name,
                       (long long)min, (long long)max);
    *out = value;
    return AKSSL_OK;
}

// ---- who asks

static const char *header_of(const ak_reply *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

// A page of some other name that leads here may not read us (DNS rebinding).
static akssl_status check_host(const ak_reply *r)
{
    const char *host = header_of(r, "Host");

    if (host && ak_http_is_loopback(host))
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_PERMISSION,
                   "akssld serves this by the names of loopback alone: ask for localhost or "
                   "127.0.0.1, through a proxy or a tunnel too");
}

static akssl_status check_token(const ak_reply *r)
{
    const char *value = header_of(r, "Authorization");
    char token[AK_TOKEN_TEXT];
    akssl_status rc;

    if (r->route->access == AK_ACCESS_ANYBODY)
        return AKSSL_OK;
    if (!value)
        return ak_fail(AKSSL_ERR_UNAUTHENTICATED,
                       "akssld asks for a token here: `akssl-client token create --scope read` on "
                       "its host makes one; it is the password, or a bearer token");
    rc = ak_token_from_header(value, token);
    if (rc == AKSSL_OK)
        rc = ak_auth_admit(r->http->d->auth, token, r->route->access);
    if (rc == AKSSL_ERR_UNAUTHENTICATED || rc == AKSSL_ERR_PERMISSION)
        ak_audit_refuse(r->http->d->audit, r->guest ? r->guest->badge->address : "?",
                        r->route->path, rc);
    return rc;
}

static akssl_status check_caller(const ak_reply *r)
{
    akssl_status rc = r->http->open_door ? check_host(r) : check_token(r);

    if (rc == AKSSL_OK && r->guest)
        atomic_store(&r->guest->badge->known, true);
    return rc;
}

// ---- the answer

static unsigned status_of(akssl_status rc)
{
    switch (rc) {
    case AKSSL_OK:
        return MHD_HTTP_OK;
    case AKSSL_ERR_INVALID:
        return MHD_HTTP_BAD_REQUEST;
    case AKSSL_ERR_UNAUTHENTICATED:
        return MHD_HTTP_UNAUTHORIZED;
    case AKSSL_ERR_PERMISSION:
        return MHD_HTTP_FORBIDDEN;
    case AKSSL_ERR_NOT_FOUND:
        return MHD_HTTP_NOT_FOUND;
    case AKSSL_ERR_LIMIT:
        return MHD_HTTP_TOO_MANY_REQUESTS;
    case AKSSL_ERR_UNAVAILABLE:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

static struct MHD_Response *make_response(ak_reply *r)
{
    size_t size = r->ask.body.length;

    if (r->rc == AKSSL_OK && r->ask.fixed)
        return MHD_create_response_from_buffer(r->ask.fixed_size, (void *)r->ask.fixed,
                                               MHD_RESPMEM_PERSISTENT);
    if (r->rc < 0) {
        ak_str_clear(&r->ask.body);
        ak_str_format(&r->ask.body, "%s\n", r->error);
        size = r->ask.body.length;
    }
    return MHD_create_response_from_buffer(size, ak_str_take(&r->ask.body), MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_as(ak_reply *r, unsigned status)
{
    struct MHD_Response *response = make_response(r);
    const char *type = r->rc < 0 ? TEXT : r->ask.type ? r->ask.type : r->route->type;
    enum MHD_Result sent;

    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (int i = 0; i < HEADERS; i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"akssl: any name, a token as the password\", "
                                "charset=\"UTF-8\"");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE || status == MHD_HTTP_TOO_MANY_REQUESTS)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "2");
    sent = MHD_queue_response(r->connection, status, response);
    MHD_destroy_response(response);
    return sent;
}

static void fail_with(ak_reply *r, akssl_status rc, const char *error)
{
    r->rc = rc;
    free(r->error);
    r->error = ak_path("%s", error);
}

static enum MHD_Result respond(ak_reply *r)
{
    r->stage = AK_REPLY_DONE;
    return send_as(r, status_of(r->rc));
}

static enum MHD_Result refuse(ak_reply *r, unsigned status, const char *why)
{
    fail_with(r, AKSSL_ERR_INVALID, why);
    r->stage = AK_REPLY_DONE;
    return send_as(r, status);
}

// ---- work

static akssl_status on_pool(void *ctx)
{
    ak_reply *r = ctx;

    return r->route->work(&r->ask);
}

static void on_worked(void *ctx, akssl_status rc, const char *error)
{
    ak_reply *r = ctx;
    ak_http *http = r->http;

    if (rc < 0)
        fail_with(r, rc, error);
    r->held = r->ask.body.length;
    http->held += r->held;
    r->stage = AK_REPLY_DONE;
    MHD_resume_connection(r->connection);
    ak_http_worked(http);
}

void ak_reply_next(ak_http *http)
{
    while (http->waiting &&
           (http->closing || (http->working < AK_HTTP_WORKS && http->held < AK_HTTP_HELD))) {
        ak_reply *r = http->waiting;

        http->waiting = r->next;
        http->waiting_count--;
        if (http->closing) {
            fail_with(r, AKSSL_ERR_UNAVAILABLE, "akssld is stopping");
            r->stage = AK_REPLY_DONE;
            MHD_resume_connection(r->connection);
            continue;
        }
        r->stage = AK_REPLY_WORKING;
        http->working++;
        ak_work_start(http->loop, on_pool, on_worked, r);
    }
}

static enum MHD_Result queue_work(ak_reply *r)
{
    ak_http *http = r->http;
    ak_reply **last = &http->waiting;

    if (http->waiting_count == AK_HTTP_WAITING) {
        fail_with(r, AKSSL_ERR_UNAVAILABLE, "akssld reads files for others: try again");
        return respond(r);
    }
    while (*last)
        last = &(*last)->next;
    *last = r;
    http->waiting_count++;
    r->stage = AK_REPLY_WAITING;
    MHD_suspend_connection(r->connection);
    ak_reply_next(http);
    return MHD_YES;
}

// ---- a request's life

static enum MHD_Result begin(ak_reply *r, const char *url)
{
    akssl_status rc;

    r->route = ak_route_find(url, &r->ask);
    rc = r->route ? check_caller(r) : AKSSL_OK;
    if (!r->route)
        rc = ak_fail(AKSSL_ERR_NOT_FOUND, "nothing is served at '%.64s'", url);
    else if (rc == AKSSL_OK)
        rc = r->route->look(&r->ask);
    if (rc < 0)
        fail_with(r, rc, ak_error_text());
    return rc == AKSSL_OK && r->route->work ? queue_work(r) : respond(r);
}

static ak_reply *reply_new(ak_http *http, struct MHD_Connection *connection)
{
    ak_reply *r = ak_alloc(1, sizeof *r);

    r->http = http;
    r->connection = connection;
    r->guest = ak_http_find(connection);
    r->ask.d = http->d;
    r->ask.http = connection;
    r->ask.body = (ak_str)AK_STR_INIT;
    if (r->guest) {
        r->guest->busy = true;
        r->guest->since_ns = ak_clock_ns();
    }
    return r;
}

static bool has_body(const ak_reply *r)
{
    const char *length = header_of(r, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return header_of(r, MHD_HTTP_HEADER_TRANSFER_ENCODING) || (length && strcmp(length, "0") != 0);
}

enum MHD_Result ak_reply_answer(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **reply)
{
    ak_reply *r = *reply;

    (void)version;
    (void)upload;
    (void)upload_size; // there is no body
    if (r)
        return r->stage == AK_REPLY_NEW ? begin(r, url) : respond(r);
    r = *reply = reply_new(cls, connection);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "akssld is only looked at here: GET or HEAD");
    if (has_body(r))
        return refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "a request has no body here");
    return MHD_YES;
}

void ak_reply_completed(void *cls, struct MHD_Connection *connection, void **reply,
                        enum MHD_RequestTerminationCode code)
{
    ak_reply *r = *reply;

    (void)cls;
    (void)connection;
    (void)code;
    if (!r)
        return;
    if (r->guest) {
        r->guest->busy = false;
        r->guest->since_ns = ak_clock_ns();
    }
    r->http->held -= r->held;
    if (r->ask.inquires)
        r->ask.d->inquiries--;
    if (!r->http->closing)
        ak_reply_next(r->http);
    ak_str_fini(&r->ask.body);
    ak_state_free(r->ask.tensors);
    free(r->ask.path);
    free(r->error);
    free(r);
    *reply = NULL;
}
