// daemon/look.h -- looks at files of other people's: each on a thread of its own, with a deadline.
//
// A file server that hangs keeps whoever asks it, for days.  Neither the loop nor the thread pool,
// which writes the store, may wait for one: a look that is stuck keeps its own thread until the
// server is back, and who asked for it is told in time.  At most AK_LOOKS_AT_ONCE are under way,
// and a few of them at the same, stuck ones among them; more wait their turn.  Loop thread only,
// but for run and release.

#ifndef AK_DAEMON_LOOK_H
#define AK_DAEMON_LOOK_H

#include <stdint.h>
#include <uv.h>

#include "akssl/status.h"

enum { AK_LOOKS_AT_ONCE = 64, AK_LOOKS_ALIKE = 8, AK_LOOK_MS = 8000 };

typedef struct ak_looks ak_looks;
typedef struct ak_look ak_look;

typedef struct ak_look_kind {
    // run looks, on the look's thread; it touches nothing but sight, perhaps after the daemon is
    // gone.
    akssl_status (*run)(void *sight);
    // release frees sight: once, on the look's thread or the loop's.
    void (*release)(void *sight);
    // done hears what run returned and the sentence that it left, and sees what it left in sight.
    // At the deadline sight is NULL: with ERR_DEADLINE, and no sentence, of a look that hangs, with
    // ERR_LIMIT of one that had no turn.
    void (*done)(void *asker, void *sight, akssl_status rc, const char *error);
} ak_look_kind;

// ak_looks_new: ms is how long a look, and its wait for a turn, may take; alike how many may be at
// the same (AK_LOOKS_ALIKE).
ak_looks *ak_looks_new(uv_loop_t *loop, int64_t ms, int alike);
void ak_looks_free(ak_looks *looks); // all have been told or cancelled; NULL-safe

// ak_look_start takes sight, and copies at, a name for what is looked at; done is called later,
// once, unless ak_look_cancel comes first.  The look lives until then.
ak_look *ak_look_start(ak_looks *looks, const ak_look_kind *kind, const char *at, void *sight,
                       void *asker);
void ak_look_cancel(ak_look *look); // NULL-safe

#endif
