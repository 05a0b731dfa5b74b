// daemon/daemon.h -- the program: what it owns, how it starts and ends.
//
// One libuv loop, and its thread owns all of this.  Other threads only ever see what they are
// handed for one piece of work (work.h).

#ifndef AK_DAEMON_DAEMON_H
#define AK_DAEMON_DAEMON_H

#include <uv.h>

#include "daemon/auth/audit.h"
#include "daemon/auth/auth.h"
#include "daemon/catalogue.h"
#include "daemon/checker.h"
#include "daemon/config.h"
#include "daemon/jobs.h"
#include "daemon/launcher/launcher.h"
#include "daemon/process.h"
#include "daemon/store/store.h"
#include "daemon/tail.h"
#include "daemon/watch.h"
#include "proto/base/log.h"
#include "proto/rpc/server.h"

enum {
    AK_DAEMON_STOP_MS = 30000,     // that running jobs have for their last commit
    AK_DAEMON_MAX_ACTIVE = 100000, // jobs that have not ended
    AK_INQUIRIES = 8,              // for jobs' states at once
};

typedef struct ak_hosts ak_hosts; // hosts.h
typedef struct ak_http ak_http;   // http/http.h

typedef struct ak_daemon {
    const ak_config *config;
    const ak_log *log;
    uv_loop_t loop;
    int lock, socket_lock; // descriptors, -1: not held
    ak_store *store;
    ak_jobs jobs;                 // that have not ended
    size_t waiting[AK_LAUNCHERS]; // of them, that would start if there were cores, at the last look
    ak_usage usage;               // of their owners (meter.h)
    int64_t metered_ns;           // when runs were charged last; 0: never yet
    int64_t usage_stored_ns;      // when that was stored last
    ak_server *server;
    ak_auth *auth;
    ak_audit *audit;
    ak_checker *checker;
    ak_catalogue *catalogue;
    ak_watches *watches;
    ak_tails *tails;
    ak_reaper reaper;
    uv_signal_t term, interrupt;
    uv_timer_t tick;    // one second: what the store refused is tried again
    uv_timer_t wake;    // a job's pause before its next launch is over
    uv_timer_t stop;    // the end of AK_DAEMON_STOP_MS
    int runs;           // under way
    int inquiries;      // for jobs' states, by call or HTTP, that are under way
    int verifications;  // of Verify
    int curve_reads;    // of Curves
    int showing;        // of Picture
    int saving;         // calls of SaveState under way
    int64_t saves;      // that there were so far; numbers their files
    int exporting;      // calls of Export under way
    int64_t exports;    // that there were so far; numbers their files
    int backups;        // calls of Backup under way, and folders of them that are being removed
    int health_watches; // streams of grpc.health.v1 Watch
    int seeding;        // states that are being copied (seed.h)
    int64_t seeds;      // that were copied so far; numbers their files
    ak_hosts *hosts;    // of launcher `hosts`; NULL: none
    ak_http *http;      // NULL: none is served
    int64_t ended[AK_JOB_STATE_END]; // jobs that came to these ends since the start
    bool behind;   // the store did not take something: nothing was launched meanwhile
    bool stopping; // a signal came: nothing new starts
    bool ending;   // and runs are to stop, too
    bool closing;  // no run is left: the server closes
} ak_daemon;

// ak_daemon_run serves until SIGTERM or SIGINT and returns how that went; config is settled.
akssl_status ak_daemon_run(const ak_config *config, const ak_log *log) AKSSL_MUST_CHECK;

// ak_daemon_run_over is told by run.c that a run is gone.
void ak_daemon_run_over(ak_daemon *d);

#endif
