// daemon/auth/names.c -- the names of uids, asked for off the loop.

#include "daemon/auth/names.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

// How long somebody who has no name is not asked about again.
#define UNNAMED_NS (60 * (int64_t)1000000000)

struct ak_names {
    ak_looks *looks; // NULL: closed
    ak_names_told told;
    void *ctx;
    ak_name *first;
    int count;
};

// What a look is about, and what it found.
typedef struct sight {
    uid_t uid;
    bool named;
    char text[AK_PERSON_NAME];
} sight;

void ak_name_without(uid_t uid, char text[AK_PERSON_NAME])
{
    snprintf(text, AK_PERSON_NAME, "uid:%lu", (unsigned long)uid);
}

// ---- the look

// A list that cannot be read now would give people other names than they had before.
static akssl_status run(void *ctx)
{
    sight *s = ctx;
    struct passwd entry, *found = NULL;
    char text[4096];
    int rc = getpwuid_r(s->uid, &entry, text, sizeof text, &found);

    if (rc == EIO || rc == EINTR || rc == EAGAIN || rc == EMFILE || rc == ENFILE || rc == ENOMEM)
        return ak_fail_errno(rc, "its list of users");
    s->named = !rc && found && ak_token_check_user(entry.pw_name) == AKSSL_OK;
    if (s->named)
        snprintf(s->text, sizeof s->text, "%s", entry.pw_name);
    return AKSSL_OK;
}

static void done(void *asker, void *seen, akssl_status rc, const char *error)
{
    ak_name *n = asker;
    const sight *s = seen;
    char late[64];

    n->look = NULL;
    n->asked_ns = ak_clock_ns();
    if (rc == AKSSL_OK) {
        n->known = true;
        n->named = s->named;
        if (s->named)
            memcpy(n->text, s->text, sizeof n->text);
    } else {
        snprintf(late, sizeof late, "no answer within %d s", AK_LOOK_MS / 1000);
        rc = ak_fail(s ? AKSSL_ERR_UNAVAILABLE : AKSSL_ERR_DEADLINE,
                     "the system does not say who uid %lu is (%s): try again",
                     (unsigned long)n->uid, s ? error : late);
    }
    n->names->told(n->names->ctx, n, rc);
}

static const ak_look_kind asked = { .run = run, .release = free, .done = done };

void ak_name_ask(ak_name *name, bool again)
{
    bool lately = name->asked_ns && ak_clock_ns() - name->asked_ns < UNNAMED_NS;
    char at[AK_PERSON_NAME];
    sight *s;

    if (name->named || name->look || !name->names->looks || (lately && (name->known || !again)))
        return;
    s = ak_alloc(1, sizeof *s);
    s->uid = name->uid;
    ak_name_without(name->uid, at);
    name->look = ak_look_start(name->names->looks, &asked, at, s, name);
}

// ---- all of them

ak_names *ak_names_new(uv_loop_t *loop, ak_names_told told, void *ctx)
{
    ak_names *names = ak_alloc(1, sizeof *names);

    names->looks = ak_looks_new(loop, AK_LOOK_MS, 1);
    names->told = told;
    names->ctx = ctx;
    return names;
}

void ak_names_close(ak_names *names)
{
    if (!names || !names->looks)
        return;
    for (ak_name *n = names->first; n; n = n->next) {
        ak_look_cancel(n->look);
        n->look = NULL;
    }
    ak_looks_free(names->looks);
    names->looks = NULL;
}

void ak_names_free(ak_names *names)
{
    if (!names)
        return;
    while (names->first) {
        ak_name *n = names->first;

        names->first = n->next;
        free(n);
    }
    free(names);
}

akssl_status ak_names_find(ak_names *names, uid_t uid, ak_name **out)
{
    ak_name *n = names->first;

    while (n && n->uid != uid)
        n = n->next;
    if (!n && names->count == AK_NAMES)
        return ak_fail(AKSSL_ERR_LIMIT, "akssld knows %d uids already", AK_NAMES);
    if (!n) {
        n = ak_alloc(1, sizeof *n);
        *n = (ak_name){ .next = names->first, .names = names, .uid = uid };
        ak_name_without(uid, n->text);
        names->first = n;
        names->count++;
    }
    *out = n;
    return AKSSL_OK;
}
