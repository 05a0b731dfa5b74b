// tests/unit/daemon/auth/names.c -- tests daemon/auth/: callers whose name is late.
//
// The system's list of users and the transport are of this file: it links before theirs.

#include <errno.h>
#include <pwd.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/auth/auth.h"
#include "daemon/files.h"
#include "proto/base/error.h"
#include "tests/unit/daemon/folder.h"

enum { ALICE = 3001, TWIN, NOBODY, MANY = 300 };

struct ak_call {
    uid_t uid;
    ak_caller *caller;
    const char *method; // of its request
    akssl_status rc;    // how it entered, 1: not yet
    int turn;
    char error[256];
};

uid_t ak_call_uid(const ak_call *call)
{
    return call->uid;
}

const char *ak_call_token(const ak_call *call)
{
    (void)call;
    return "";
}

void ak_call_vouch(ak_call *call)
{
    (void)call;
}

void ak_call_fail(ak_call *call, akssl_status status, const char *sentence)
{
    (void)call;
    (void)status;
    (void)sentence;
}

// ---- the list of users

static atomic_int hangs, fails, asked, there;
static sem_t directory;

int getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t size, struct passwd **found)
{
    atomic_fetch_add(&asked, 1);
    if (hangs)
        while (sem_wait(&directory) < 0)
            ;
    *found = NULL;
    if (fails)
        return EIO;
    if (uid != ALICE && uid != TWIN && !there)
        return 0;
    snprintf(text, size, "%s", uid == NOBODY ? "nobody" : uid == 0 ? "root" : "alice");
    entry->pw_name = text;
    *found = entry;
    return 0;
}

// ---- one akssld

typedef struct place {
    uv_loop_t loop;
    ak_store *store;
    ak_auth *auth;
    char *folder;
    int entered;
    ak_call calls[MANY];
    int count;
} place;

static void entered(void *ctx, ak_call *call, const ProtobufCMessage *request, akssl_status rc)
{
    place *p = ctx;
    const Akssl__V1__SubmitRequest *message = (const Akssl__V1__SubmitRequest *)request;

    ck_assert_int_eq(call->rc, 1);
    call->rc = rc;
    call->turn = ++p->entered;
    if (rc < 0)
        snprintf(call->error, sizeof call->error, "%s", ak_error_text());
    else
        ck_assert_str_eq(message->spec->method, call->method);
}

static void open_place(place *p)
{
    char *path;

    memset(p, 0, sizeof *p);
    hangs = fails = asked = there = 0;
    ck_assert_int_eq(sem_init(&directory, 0, 0), 0);
    ck_assert_int_eq(uv_loop_init(&p->loop), 0);
    p->folder = folder_make();
    path = ak_path("%s/db", p->folder);
    ck_assert_int_eq(ak_store_open(&p->store, path), 0);
    free(path);
    p->auth = ak_auth_new(p->store, 1000, &p->loop, entered, p);
}

static void close_place(place *p)
{
    ak_auth_close(p->auth);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&p->loop), 0);
    ak_auth_free(p->auth);
    ak_store_close(p->store);
    folder_remove(p->folder);
}

static ak_call *enter(place *p, uid_t uid, ak_access needed, const char *method)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;
    ak_call *call = &p->calls[p->count++];
    akssl_status rc;

    *call = (ak_call){ .uid = uid, .method = method, .rc = 1 };
    spec.method = (char *)method;
    request.spec = &spec;
    rc = ak_auth_enter(p->auth, call, &request.base, needed, &call->caller);
    if (rc < 0 || !call->caller->waits)
        entered(p, call, &request.base, rc);
    return call;
}

static void leave(place *p, ak_call *call)
{
    ak_auth_leave(p->auth, call->caller);
    call->caller = NULL;
}

// settle runs the loop until nobody waits.
static void settle(place *p)
{
    for (int i = 0; i < p->count; i++)
        while (p->calls[i].caller && p->calls[i].rc == 1)
            uv_run(&p->loop, UV_RUN_ONCE);
}

static void answer(place *p, int count)
{
    hangs = 0;
    for (int i = 0; i < count; i++)
        sem_post(&directory);
    settle(p);
}

static bool owns(const ak_call *call, const char *owner)
{
    return ak_auth_check_owner(call->caller, "it", owner) == AKSSL_OK;
}

START_TEST(who_changes_something_waits_for_their_name)
{
    place p;
    ak_call *look, *one, *two, *gone;

    open_place(&p);
    hangs = 1;
    look = enter(&p, ALICE, AK_ACCESS_READ, "looks");
    ck_assert_int_eq(look->rc, 0);
    one = enter(&p, ALICE, AK_ACCESS_SUBMIT, "one");
    gone = enter(&p, ALICE, AK_ACCESS_SUBMIT, "gone");
    two = enter(&p, ALICE, AK_ACCESS_SUBMIT, "two");
    ck_assert(one->rc == 1 && two->rc == 1);
    leave(&p, gone);
    answer(&p, 1);
    ck_assert_int_eq(asked, 1);
    ck_assert(one->rc == 0 && two->rc == 0 && gone->rc == 1 && one->turn < two->turn);
    ck_assert_str_eq(ak_caller_name(one->caller), "alice");
    ck_assert_str_eq(ak_caller_name(look->caller), "alice"); // one person, no more
    ck_assert(owns(one, "alice") && owns(one, "uid:3001") && !owns(one, "uid:3002"));
    hangs = 1; // she is known
    ck_assert_int_eq(enter(&p, ALICE, AK_ACCESS_SUBMIT, "later")->rc, 0);
    ck_assert_int_eq(asked, 1);
    two = enter(&p, TWIN, AK_ACCESS_SUBMIT, "twin"); // another uid of her name
    answer(&p, 1);
    ck_assert(two->rc == 0 && two->caller->person == one->caller->person);
    ck_assert(owns(two, "alice") && !owns(two, "uid:3001"));
    close_place(&p);
}
END_TEST

START_TEST(a_late_name_gives_nobody_anything)
{
    place p;
    ak_call *alice, *root, *nobody;

    open_place(&p);
    nobody = enter(&p, NOBODY, AK_ACCESS_SUBMIT, "nobody"); // has none
    settle(&p);
    ck_assert_str_eq(ak_caller_name(nobody->caller), "uid:3003");
    hangs = 1;
    alice = enter(&p, ALICE, AK_ACCESS_SUBMIT, "alice");
    root = enter(&p, 0, AK_ACCESS_SUBMIT, "root");
    ck_assert_int_eq(enter(&p, NOBODY, AK_ACCESS_SUBMIT, "again")->rc, 0); // for a minute
    settle(&p);
    ck_assert_int_eq(alice->rc, AKSSL_ERR_DEADLINE);
    ck_assert_ptr_nonnull(strstr(alice->error, "who uid 3001 is (no answer within 8 s)"));
    ck_assert_int_eq(root->rc, 0);
    ck_assert_str_eq(ak_caller_name(root->caller), "uid:0");
    root = enter(&p, 0, AK_ACCESS_ADMIN, "at once");
    ck_assert_int_eq(root->rc, 0);
    alice = enter(&p, ALICE, AK_ACCESS_SUBMIT, "behind the one that hangs");
    ck_assert_int_eq(asked, 3);
    ck_assert_int_eq(alice->rc, 1);
    answer(&p, 2);
    ck_assert_int_eq(alice->rc, 0);
    ck_assert_str_eq(ak_caller_name(alice->caller), "alice");
    close_place(&p);
}
END_TEST

START_TEST(a_list_that_cannot_be_read)
{
    place p;
    ak_call *call;

    open_place(&p);
    fails = 1;
    call = enter(&p, ALICE, AK_ACCESS_SUBMIT, "fails");
    settle(&p);
    ck_assert_int_eq(call->rc, AKSSL_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(call->error, "Input/output error"));
    fails = 0;
    call = enter(&p, ALICE, AK_ACCESS_SUBMIT, "goes");
    settle(&p);
    ck_assert_int_eq(call->rc, 0);
    close_place(&p);
}
END_TEST

START_TEST(so_many_wait)
{
    static char large[AK_AUTH_HELD_BYTES / 3];
    place p;
    int held = 0;

    open_place(&p);
    hangs = 1;
    memset(large, 'x', sizeof large - 1);
    for (int i = 0; i < AK_AUTH_HELD + 9; i++)
        held += enter(&p, ALICE, AK_ACCESS_SUBMIT, "small")->rc == 1;
    ck_assert_int_eq(held, AK_AUTH_HELD);
    ck_assert_int_eq(p.calls[p.count - 1].rc, AKSSL_ERR_LIMIT);
    for (uid_t uid = 4000; uid < 4020; uid++)
        for (int i = 0; i < 3; i++)
            held += enter(&p, uid, AK_ACCESS_SUBMIT, large)->rc == 1;
    ck_assert_int_eq(held - AK_AUTH_HELD, AK_AUTH_ALL_BYTES / (int)sizeof large - 1);
    ck_assert_int_eq(p.calls[AK_AUTH_HELD + 9 + 2].rc, AKSSL_ERR_LIMIT); // one uid's third
    answer(&p, 21);
    for (int i = 0; i < p.count; i++)
        ck_assert(p.calls[i].rc == 0 || p.calls[i].rc == AKSSL_ERR_LIMIT);
    close_place(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(who_changes_something_waits_for_their_name),
             AK_CASE(a_late_name_gives_nobody_anything), AK_CASE(a_list_that_cannot_be_read),
             AK_CASE(so_many_wait))
