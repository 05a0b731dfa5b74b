// daemon/auth/names.h -- the names of uids, asked for off the loop.
//
// The system's list of users may be a directory that hangs (LDAP, sssd), which keeps whoever asks
// it.  So each uid is asked about by a look (daemon/look.h): one at a time, AK_LOOKS_AT_ONCE in
// all, AK_LOOK_MS for each.  A name that was told is kept; who has none is asked about again after
// a minute, since directories may be away for a while.  Loop thread only.

#ifndef AK_DAEMON_AUTH_NAMES_H
#define AK_DAEMON_AUTH_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/auth/token.h"
#include "daemon/look.h"

enum { AK_NAMES = 65536 }; // that are kept

typedef struct ak_names ak_names;

typedef struct ak_name {
    struct ak_name *next;
    ak_names *names;
    uid_t uid;
    char text[AK_PERSON_NAME]; // its name; until it is told, or where there is none: "uid:N"
    bool known;                // the system has told it, or that there is none
    bool named;                // it has told it
    int64_t asked_ns;          // when that was, or was given up; 0: never yet
    ak_look *look;             // while the system is asked
} ak_name;

// told hears that a look is over: text, known and named are settled, or rc and the stored sentence
// say why they are as before.
typedef void (*ak_names_told)(void *ctx, const ak_name *name, akssl_status rc);

ak_names *ak_names_new(uv_loop_t *loop, ak_names_told told, void *ctx);

// ak_names_close: nothing is asked, or told, from here on; the loop must run on for its handles.
void ak_names_close(ak_names *names); // NULL-safe
void ak_names_free(ak_names *names);  // closed; NULL-safe

// ak_names_find gives what is known of a uid.  It lives as long as names.  ERR_LIMIT: AK_NAMES are
// known.
akssl_status ak_names_find(ak_names *names, uid_t uid, ak_name **out) AKSSL_MUST_CHECK;

// ak_name_ask has the system asked, unless there is a name, or it is being asked; one without a
// name is asked about again after a minute, or with `again` if the last look had no answer.
void ak_name_ask(ak_name *name, bool again);

// ak_name_without gives the text of a uid without a name, which no token's user can have.
void ak_name_without(uid_t uid, char text[AK_PERSON_NAME]);

#endif
