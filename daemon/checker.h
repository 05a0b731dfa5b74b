// daemon/checker.h -- is this spec one that a worker will run?  `akssl-worker check` says.
//
// The daemon knows the keys of a spec and their ranges, not what they mean: the one judge is the
// program that will run the job.  At most AK_CHECKER_RUNNING are asked at once; more wait.  Specs
// that differ in what only scheduling looks at (name, priority, time, after) are one question,
// which is asked once at a time, and whose answer is kept for a while (verdicts.h).
//
// Before that, a look (look.h) says whether the asker may name the paths (auth/roots.h), and
// whether the files of a kept answer are what they were: nothing here waits for a file server. Loop
// thread only.

#ifndef AK_DAEMON_CHECKER_H
#define AK_DAEMON_CHECKER_H

#include <uv.h>

#include "daemon/config.h"
#include "proto/spec/spec.h"

enum { AK_CHECKER_RUNNING = 8, AK_CHECKER_WAITING = 512 };

typedef struct ak_checker ak_checker;
typedef struct ak_check ak_check;

// What came of it; borrowed for the call.
typedef struct ak_check_result {
    akssl_status rc;
    const char *sentence; // rc < 0: the judge's
    const ak_spec *spec;  // resolved: no key is left to settle
    const char *yaml;     // the same
    const char *estimate; // "" when the worker gave none
} ak_check_result;

typedef void (*ak_check_done)(void *ctx, const ak_check_result *result);

// ak_checker_new uses the folder state_dir/tmp, which it empties.
akssl_status ak_checker_new(ak_checker **out, uv_loop_t *loop,
                            const ak_config *config) AKSSL_MUST_CHECK;
void ak_checker_free(ak_checker *checker); // cancels all; NULL-safe

// What is judged; copied.
typedef struct ak_check_ask {
    const ak_spec *spec;
    const ak_spec *named; // of it what the asker says, whose paths the roots must cover
    bool admin;           // so is the asker
    const char
        *state; // the file of another job's state that it starts from, which stays; NULL: none
} ak_check_ask;

// ak_checker_start: done is called later, once, unless ak_check_cancel comes first.  *out lives
// until then.  ERR_LIMIT when too many wait.
akssl_status ak_checker_start(ak_check **out, ak_checker *checker, const ak_check_ask *ask,
                              ak_check_done done, void *ctx) AKSSL_MUST_CHECK;
void ak_check_cancel(ak_check *check); // NULL-safe

#endif
