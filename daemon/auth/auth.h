// daemon/auth/auth.h -- who calls, what they may do, and how much of it at once.
//
// On the unix socket a person is their uid, by the name that the system has for it; whoever runs
// akssld, and root, are administrators.  Elsewhere, or where a caller shows one, it is the token
// that says who it is.  A token's user and a uid of the same name are one person.
//
// A name may be long in coming (names.h).  Who only looks does not wait for theirs; other calls do,
// their requests being kept, AK_AUTH_HELD of a uid and so many bytes in all.  When it is not told
// in time nobody is taken for another: the call fails, but for those of administrators, and of who
// had no name before, which go on as "uid:N".
//
// Bounds for all but administrators: AK_AUTH_CALLS calls at once, `rate` a second with four
// seconds' worth at once.  Loop thread only.

#ifndef AK_DAEMON_AUTH_AUTH_H
#define AK_DAEMON_AUTH_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/auth/names.h"
#include "daemon/auth/token.h"
#include "daemon/store/store.h"
#include "proto/rpc/server.h"

enum {
    AK_AUTH_CALLS = 1024,
    AK_AUTH_PERSONS = 65536,
    AK_AUTH_HELD = 128,           // calls of a uid that wait for its name
    AK_AUTH_HELD_BYTES = 8 << 20, // of their requests
    AK_AUTH_ALL_BYTES = 64 << 20, // of everybody's
};

typedef struct ak_auth ak_auth;

typedef struct ak_person {
    struct ak_person *next;
    char name[AK_PERSON_NAME];
    int calls;        // under way
    double allowance; // calls that may come at once
    int64_t seen_ns;  // when that was so
} ak_person;

// One call's caller; lives from its start until its end.
typedef struct ak_caller {
    struct ak_caller *next, *previous;
    ak_call *call;
    ak_person *person; // NULL: nobody that we know, or a run
    ak_access access;  // 0: none
    ak_name *name;     // of their uid; NULL: a token, or nobody
    bool waits;        // for it, with its request, packed:
    const ProtobufCMessageDescriptor *type;
    size_t size;
    uint8_t *request;
    int64_t token; // that was shown; 0: none, or none of ours
    int64_t expires_ms;
    int64_t job; // that the call changes or made; 0: none
} ak_caller;

// entered hears of a call that waited how ak_auth_enter ends; request is borrowed, and a failure's
// sentence stored.
typedef void (*ak_auth_entered)(void *ctx, ak_call *call, const ProtobufCMessage *request,
                                akssl_status rc);

// ak_auth_new borrows the store.
ak_auth *ak_auth_new(ak_store *store, int64_t rate, uv_loop_t *loop, ak_auth_entered entered,
                     void *ctx);
void ak_auth_close(ak_auth *auth); // no names from here on; the loop must run on.  NULL-safe
void ak_auth_free(ak_auth *auth);  // closed; NULL-safe

// ak_auth_enter starts a call's caller, which is never NULL, also where it fails:
// ERR_UNAUTHENTICATED (no token, or one that is not, no more, valid), ERR_PERMISSION (not that
// much), ERR_LIMIT (too often, too many), or the store's.  A caller that `waits` has not entered
// yet: `entered` is called, unless it leaves first.
akssl_status ak_auth_enter(ak_auth *auth, ak_call *call, const ProtobufCMessage *request,
                           ak_access needed, ak_caller **caller) AKSSL_MUST_CHECK;
void ak_auth_leave(ak_auth *auth, ak_caller *caller); // NULL-safe

// ak_auth_admit is for a request by HTTP, which is over when it is answered: whether this token may
// do what needs so much.  Counted as one call of its person.  Fails as ak_auth_enter does.
akssl_status ak_auth_admit(ak_auth *auth, const char *token, ak_access needed) AKSSL_MUST_CHECK;

// ak_auth_check_owner: may the caller change what owner has?  ERR_PERMISSION.
akssl_status ak_auth_check_owner(const ak_caller *caller, const char *what,
                                 const char *owner) AKSSL_MUST_CHECK;

// ak_auth_check_priority: may the caller give a job this priority, in place of before?  Anybody may
// lower it; above 0, where jobs take the cores of others, only administrators raise it.
// ERR_PERMISSION.
akssl_status ak_auth_check_priority(const ak_caller *caller, int64_t priority,
                                    int64_t before) AKSSL_MUST_CHECK;

const char *ak_caller_name(const ak_caller *caller); // "" when there is no person

// ak_auth_end_token ends the calls under way of a token that was revoked; ak_auth_end_expired those
// whose token is past its time.
void ak_auth_end_token(ak_auth *auth, int64_t token);
void ak_auth_end_expired(ak_auth *auth, int64_t now_ms);

#endif
