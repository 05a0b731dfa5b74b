// daemon/auth/auth.c -- persons, callers, and their bounds.

#include "daemon/auth/auth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { BURST_S = 4 };

struct ak_auth {
    ak_store *store;
    uid_t self;
    double rate; // calls a second
    ak_person *persons;
    int person_count;
    ak_caller *callers; // newest first
    ak_names *names;
    ak_auth_entered entered;
    void *ctx;
};

static void told(void *ctx, const ak_name *name, akssl_status rc);

ak_auth *ak_auth_new(ak_store *store, int64_t rate, uv_loop_t *loop, ak_auth_entered entered,
                     void *ctx)
{
    ak_auth *a = ak_alloc(1, sizeof *a);

    a->store = store;
    a->self = geteuid();
    a->rate = (double)rate;
    a->names = ak_names_new(loop, told, a);
    a->entered = entered;
    a->ctx = ctx;
    return a;
}

void ak_auth_close(ak_auth *auth)
{
    if (auth)
        ak_names_close(auth->names);
}

void ak_auth_free(ak_auth *auth)
{
    if (!auth)
        return;
    while (auth->callers)
        ak_auth_leave(auth, auth->callers);
    while (auth->persons) {
        ak_person *p = auth->persons;

        auth->persons = p->next;
        free(p);
    }
    ak_names_free(auth->names);
    free(auth);
}

// ---- persons

static ak_person *known_person(const ak_auth *a, const char *name)
{
    ak_person *p = a->persons;

    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

static akssl_status find_person(ak_auth *a, const char *name, ak_person **out)
{
    ak_person *p = known_person(a, name);

    if (!p && a->person_count == AK_AUTH_PERSONS)
        return ak_fail(AKSSL_ERR_LIMIT, "akssld knows %d persons already", AK_AUTH_PERSONS);
    if (!p) {
        p = ak_alloc(1, sizeof *p);
        snprintf(p->name, sizeof p->name, "%s", name);
        p->allowance = a->rate * BURST_S;
        p->seen_ns = ak_clock_ns();
        p->next = a->persons;
        a->persons = p;
        a->person_count++;
    }
    *out = p;
    return AKSSL_OK;
}

// ---- who it is

static akssl_status by_token(ak_auth *a, const char *text, ak_caller *c)
{
    unsigned char hash[AK_TOKEN_HASH];
    int64_t now = ak_clock_wall_ms();
    ak_token token;
    akssl_status rc = ak_token_hash(text, hash);

    if (rc == AKSSL_OK)
        rc = ak_store_find_token(a->store, hash, &token);
    if (rc == AKSSL_ERR_NOT_FOUND)
        return ak_fail(AKSSL_ERR_UNAUTHENTICATED, "this token is none of akssld's: ask its "
                                                  "administrator for one");
    if (rc < 0)
        return rc;
    c->token = token.id;
    if (token.revoked_ms)
        return ak_fail(AKSSL_ERR_UNAUTHENTICATED,
                       "token %" PRId64 " was revoked: ask akssld's administrator for another",
                       token.id);
    if (token.expires_ms && token.expires_ms <= now)
        return ak_fail(AKSSL_ERR_UNAUTHENTICATED,
                       "token %" PRId64 " has expired: ask akssld's administrator for another",
                       token.id);
    c->expires_ms = token.expires_ms;
    c->access = token.access;
    return find_person(a, token.user, &c->person);
}

static akssl_status identify(ak_auth *a, ak_caller *c)
{
    uid_t uid = ak_call_uid(c->call);
    akssl_status rc;

    if (ak_call_token(c->call)[0])
        return by_token(a, ak_call_token(c->call), c);
    if (uid == (uid_t)-1)
        return ak_fail(AKSSL_ERR_UNAUTHENTICATED,
                       "akssld asks for a token here: `akssl-client token create` on its host "
                       "makes one, and --token-file or AKSSL_TOKEN_FILE shows it");
    c->access = uid == a->self || uid == 0 ? AK_ACCESS_ADMIN : AK_ACCESS_SUBMIT;
    rc = ak_names_find(a->names, uid, &c->name);
    return rc < 0 ? rc : find_person(a, c->name->text, &c->person);
}

// ---- what they may do, and how much

static akssl_status take_allowance(const ak_auth *a, ak_person *p)
{
    int64_t now = ak_clock_ns();

    p->allowance += (double)(now - p->seen_ns) * 1e-9 * a->rate;
    p->seen_ns = now;
    if (p->allowance > a->rate * BURST_S)
        p->allowance = a->rate * BURST_S;
    if (p->allowance < 1)
        return ak_fail(AKSSL_ERR_LIMIT, "%s makes over %.0f calls a second: slow down", p->name,
                       a->rate);
    p->allowance -= 1;
    return AKSSL_OK;
}

static akssl_status check(const ak_auth *a, ak_caller *c, ak_access needed)
{
    if (c->access < needed)
        return ak_fail(AKSSL_ERR_PERMISSION, "%s may only %s here: ask akssld's administrator",
                       c->person->name, ak_access_text(c->access));
    if (c->access == AK_ACCESS_ADMIN)
        return AKSSL_OK;
    if (c->person->calls > AK_AUTH_CALLS)
        return ak_fail(AKSSL_ERR_LIMIT, "%s has %d calls under way: end some", c->person->name,
                       AK_AUTH_CALLS);
    return take_allowance(a, c->person);
}

// ---- waiting for a name

static void forget_request(ak_caller *c)
{
    c->waits = false;
    free(c->request);
    c->request = NULL;
}

// hold keeps the request of a caller until its name is told.
static akssl_status hold(const ak_auth *a, ak_caller *c, const ProtobufCMessage *request)
{
    size_t size = request ? protobuf_c_message_get_packed_size(request) : 0, its = size, all = size;
    int count = 0;

    for (const ak_caller *other = a->callers; other; other = other->next) {
        if (!other->waits)
            continue;
        all += other->size;
        if (other->name != c->name)
            continue;
        its += other->size;
        count++;
    }
    if (count == AK_AUTH_HELD || its > AK_AUTH_HELD_BYTES || all > AK_AUTH_ALL_BYTES)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "the system has not said yet who uid %lu is, and too many calls wait for "
                       "that: try again",
                       (unsigned long)c->name->uid);
    if (request) {
        c->request = ak_try_alloc(size + 1, 1);
        if (!c->request)
            return AKSSL_ERR_NO_MEMORY;
        protobuf_c_message_pack(request, c->request);
        c->type = request->descriptor;
    }
    c->size = size;
    c->waits = true;
    return AKSSL_OK;
}

static akssl_status await_name(const ak_auth *a, ak_caller *c, ak_access needed,
                               const ProtobufCMessage *request)
{
    ak_name_ask(c->name, needed >= AK_ACCESS_SUBMIT && c->access < AK_ACCESS_ADMIN);
    if (needed < AK_ACCESS_SUBMIT || !c->name->look)
        return AKSSL_OK;
    return hold(a, c, request);
}

// take_name has the caller be who their uid is by now.
static akssl_status take_name(ak_auth *a, ak_caller *c)
{
    ak_person *p;
    akssl_status rc = find_person(a, c->name->text, &p);

    if (rc < 0)
        return rc;
    c->person->calls--;
    c->person = p;
    p->calls++;
    return AKSSL_OK;
}

static void let_enter(ak_auth *a, ak_caller *c, akssl_status rc, const char *sentence)
{
    ProtobufCMessage *request = NULL;

    if (rc < 0 && (c->access == AK_ACCESS_ADMIN || c->name->known))
        rc = AKSSL_OK; // as "uid:N"
    if (rc < 0)
        rc = ak_fail(rc, "%s", sentence);
    else
        rc = take_name(a, c);
    if (rc == AKSSL_OK && c->request) {
        request = protobuf_c_message_unpack(c->type, NULL, c->size, c->request);
        if (!request)
            rc = ak_fail(AKSSL_ERR_NO_MEMORY, "akssld has no memory for the request: try again");
    }
    forget_request(c);
    a->entered(a->ctx, c->call, request, rc);
    if (request)
        protobuf_c_message_free_unpacked(request, NULL);
}

// rename_person: who looked around before the name was told stays the same person.
static void rename_person(const ak_auth *a, const ak_name *name)
{
    char before[AK_PERSON_NAME];
    ak_person *p;

    ak_name_without(name->uid, before);
    p = known_person(a, before);
    if (name->named && p && !known_person(a, name->text))
        memcpy(p->name, name->text, sizeof p->name);
}

// told lets those enter who waited for the name, in the order in which they came.
static void told(void *ctx, const ak_name *name, akssl_status rc)
{
    ak_auth *a = ctx;
    char *sentence = ak_strdup(rc < 0 ? ak_error_text() : "");
    ak_caller *c = a->callers, *previous;

    rename_person(a, name);
    while (c && c->next)
        c = c->next;
    for (; c; c = previous) {
        previous = c->previous;
        if (c->waits && c->name == name)
            let_enter(a, c, rc, sentence);
    }
    free(sentence);
}

// ---- coming and going

akssl_status ak_auth_enter(ak_auth *auth, ak_call *call, const ProtobufCMessage *request,
                           ak_access needed, ak_caller **caller)
{
    ak_caller *c = ak_alloc(1, sizeof *c);
    akssl_status rc;

    c->call = call;
    c->next = auth->callers;
    if (c->next)
        c->next->previous = c;
    auth->callers = c;
    *caller = c;
    if (!needed)
        return ak_fail(AKSSL_ERR_PERMISSION, "nobody may call this: its handler does not say who");
    if (needed == AK_ACCESS_ANYBODY || needed == AK_ACCESS_RUN)
        return AKSSL_OK;
    rc = identify(auth, c);
    if (rc < 0) {
        c->person = NULL;
        return rc;
    }
    c->person->calls++;
    ak_call_vouch(call);
    rc = check(auth, c, needed);
    return rc == AKSSL_OK && c->name ? await_name(auth, c, needed, request) : rc;
}

akssl_status ak_auth_admit(ak_auth *auth, const char *token, ak_access needed)
{
    ak_caller caller = { 0 };
    akssl_status rc = by_token(auth, token, &caller);

    return rc < 0 ? rc : check(auth, &caller, needed);
}

void ak_auth_leave(ak_auth *auth, ak_caller *caller)
{
    if (!caller)
        return;
    if (caller->person)
        caller->person->calls--;
    forget_request(caller);
    if (caller->next)
        caller->next->previous = caller->previous;
    if (caller->previous)
        caller->previous->next = caller->next;
    else
        auth->callers = caller->next;
    free(caller);
}

// is_caller says whether owner is the caller, or what he was called while he had no name.
static bool is_caller(const ak_caller *caller, const char *owner)
{
    char unnamed[AK_PERSON_NAME];

    if (strcmp(ak_caller_name(caller), owner) == 0)
        return true;
    if (!caller->name)
        return false;
    ak_name_without(caller->name->uid, unnamed);
    return strcmp(unnamed, owner) == 0;
}

akssl_status ak_auth_check_owner(const ak_caller *caller, const char *what, const char *owner)
{
    if (caller->access == AK_ACCESS_ADMIN || is_caller(caller, owner))
        return AKSSL_OK;
    if (!owner[0])
        return ak_fail(AKSSL_ERR_PERMISSION, "%s has no owner: only an administrator may change it",
                       what);
    return ak_fail(AKSSL_ERR_PERMISSION,
                   "%s is %s's: only they and administrators may change it, and you are %s", what,
                   owner, ak_caller_name(caller));
}

akssl_status ak_auth_check_priority(const ak_caller *caller, int64_t priority, int64_t before)
{
    if (caller->access == AK_ACCESS_ADMIN || priority <= 0 || priority <= before)
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_PERMISSION,
                   "priority %" PRId64
                   ": only administrators raise one above 0: give 0 or less, or "
                   "ask one of them",
                   priority);
}

const char *ak_caller_name(const ak_caller *caller)
{
    return caller->person ? caller->person->name : "";
}

void ak_auth_end_token(ak_auth *auth, int64_t token)
{
    for (ak_caller *c = auth->callers; c; c = c->next)
        if (c->token == token)
            ak_call_fail(c->call, AKSSL_ERR_UNAUTHENTICATED, "the token was revoked");
}

void ak_auth_end_expired(ak_auth *auth, int64_t now_ms)
{
    for (ak_caller *c = auth->callers; c; c = c->next)
        if (c->token && c->expires_ms && c->expires_ms <= now_ms)
            ak_call_fail(c->call, AKSSL_ERR_UNAUTHENTICATED, "the token has expired");
}
