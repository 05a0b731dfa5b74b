// tests/fuzz/lab.h -- a whole akssld, without gRPC and without processes: what a fuzzer says to it
// reaches the real handlers, jobs, runs, state and store.
//
// lab.c stands in for what starts processes (uv_spawn, the check of a spec), for the thread pool
// (work waits in a queue) and for gRPC (a call is a struct).  Time passes when it is told to.

#ifndef AK_TESTS_FUZZ_LAB_H
#define AK_TESTS_FUZZ_LAB_H

#include "daemon/control.h"
#include "daemon/handler/handler.h"
#include "daemon/run.h"
#include "tests/fuzz/fuzz.h"

enum { LAB_SLOTS = 4 };

enum { LAB_TIMERS = 256 };

// A timer that runs, by its start, and when it is due by the lab's own clock.
typedef struct lab_timer {
    uv_timer_t *timer;
    uint64_t start, due_ms;
} lab_timer;

typedef struct lab {
    ak_daemon d;
    ak_config config;
    ak_log log;
    ak_call *calls;         // that are not over
    struct lab_work *works; // that wait, oldest first
    struct ak_tool *tools;  // that run, oldest first
    bool full;              // callers that do not read
    uint64_t now_ms;        // the loop's clock hardly moves here
    lab_timer timers[LAB_TIMERS];
    int timer_count;
} lab;

// lab_folder is the state folder, emptied by lab_clear; lab_database is the path of its database.
const char *lab_folder(void);
const char *lab_database(void);
void lab_clear(void);

// lab_new_database puts an empty database of the newest version there.
void lab_new_database(void);

// lab_start starts the daemon on what is in the folder; false when it refuses.
bool lab_start(lab *l);

// lab_leave stops the daemon, and its runs go on; lab_stop ends them too.
void lab_leave(lab *l);
void lab_stop(lab *l);

// lab_submit submits a job with this spec, which the check lets through as it is.
void lab_submit(lab *l, const ak_spec *spec);

// lab_call makes a call; the message stays the caller's.  secret: of a run, or "".  Returns NULL
// when the call was over at once.
ak_call *lab_call(lab *l, ak_rpc_id rpc, const ProtobufCMessage *request, const char *secret);
ak_call *lab_find(lab *l, ak_rpc_id rpc); // the newest of those that are not over, or NULL
void lab_receive(lab *l, ak_call *call, const ProtobufCMessage *message); // of a bidi call
void lab_hang_up(lab *l, ak_call *call);
void lab_drain(lab *l); // all callers have read what there was

ak_run *lab_run(lab *l, int64_t job); // the job's, else any, else NULL

void lab_tool_answers(lab *l, fuzz_bytes body); // the oldest check or catalogue
void lab_process_ends(lab *l, int code, int signal);
void lab_time_passes(lab *l); // to the next timer
void lab_settle(lab *l);      // work is done, and what follows from it

#endif
