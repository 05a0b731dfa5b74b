// daemon/auth/auth.c -- persons, callers, and their bounds.

#include "daemon/auth/auth.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { BURST_S = 4 };

// How long somebody who has no name is not asked for again: directories may be away for a while.
#define UNNAMED_NS (60 * (int64_t)1000000000)

struct ak_auth {
    ak_store *store;
    uid_t self;
    double rate; // calls a second
    ak_person *persons;
    int person_count;
    ak_caller *callers;
};

ak_auth *ak_auth_new(ak_store *store, int64_t rate)
{
    ak_auth *a = ak_alloc(1, sizeof *a);

    a->store = store;
    a->self = geteuid();
    a->rate = (double)rate;
    return a;
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
    free(auth);
}

// ---- persons

static akssl_status find_person(ak_auth *a, const char *name, ak_person **out)
{
    ak_person *p = a->persons;

    while (p && strcmp(p->name, name) != 0)
        p = p->next;
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

// One without a name has one that no token's user can have.
static void name_without(uid_t uid, char name[AK_PERSON_NAME])
{
    snprintf(name, AK_PERSON_NAME, "uid:%lu", (unsigned long)uid);
}

// name_of gives a uid's name.  A list that cannot be read now would give people other names than
// they had before.
static akssl_status name_of(uid_t uid, char name[AK_PERSON_NAME], bool *unnamed)
{
    struct passwd entry, *found = NULL;
    char text[4096];
    int rc = getpwuid_r(uid, &entry, text, sizeof text, &found);

    if (rc == EIO || rc == EINTR || rc == EAGAIN || rc == EMFILE || rc == ENFILE || rc == ENOMEM)
        return ak_fail(AKSSL_ERR_UNAVAILABLE,
                       "the system does not say who uid %lu is (%s): try again", (unsigned long)uid,
                       strerror(rc));
    *unnamed = rc || !found || ak_token_check_user(entry.pw_name) < 0;
    if (*unnamed)
        name_without(uid, name);
    else
        snprintf(name, AK_PERSON_NAME, "%s", entry.pw_name);
    return AKSSL_OK;
}

static akssl_status find_by_uid(ak_auth *a, uid_t uid, ak_person **out)
{
    char name[AK_PERSON_NAME];
    ak_person *p = a->persons, *before;
    bool unnamed;
    akssl_status rc;

    while (p && !(p->by_uid && p->uid == uid))
        p = p->next;
    *out = before = p;
    if (p && !(p->unnamed && ak_clock_ns() - p->asked_ns > UNNAMED_NS))
        return AKSSL_OK;
    rc = name_of(uid, name, &unnamed);
    if (rc == AKSSL_OK)
        rc = find_person(a, name, out);
    if (rc < 0)
        return rc;
    if (before && before != *out)
        before->by_uid = false; // it has a name by now
    p = *out;
    if (!p->by_uid) {
        p->by_uid = true;
        p->uid = uid;
    }
    p->unnamed = unnamed;
    p->asked_ns = ak_clock_ns();
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

    if (ak_call_token(c->call)[0])
        return by_token(a, ak_call_token(c->call), c);
    if (uid == (uid_t)-1)
        return ak_fail(AKSSL_ERR_UNAUTHENTICATED,
                       "akssld asks for a token here: `akssl-client token create` on its host "
                       "makes one, and --token-file or AKSSL_TOKEN_FILE shows it");
    c->access = uid == a->self || uid == 0 ? AK_ACCESS_ADMIN : AK_ACCESS_SUBMIT;
    return find_by_uid(a, uid, &c->person);
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

akssl_status ak_auth_enter(ak_auth *auth, ak_call *call, ak_access needed, ak_caller **caller)
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
    return check(auth, c, needed);
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
    const ak_person *p = caller->person;
    char unnamed[AK_PERSON_NAME];

    if (strcmp(ak_caller_name(caller), owner) == 0)
        return true;
    if (!p || !p->by_uid || caller->token)
        return false;
    name_without(p->uid, unnamed);
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
