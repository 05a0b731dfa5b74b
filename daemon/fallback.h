// daemon/fallback.h -- going on from an earlier commit than the newest.
//
// Commits are given up in this order: their folders are set aside (state/commit.h), then one
// transaction forgets their rows and says where the job goes on from.  A daemon that dies in
// between finds rows without files the next time, which is damage, and does the rest.  Nothing is
// removed: aside-step-N stays until a person removes it.  Loop thread only.

#ifndef AK_DAEMON_FALLBACK_H
#define AK_DAEMON_FALLBACK_H

#include "daemon/run.h"

// ak_fallback_take has a run that is being prepared resume from commits[chosen] of its job's
// commits, newest first, since those before it are damaged: wrong says how.  The job's log, the
// daemon's and the job's reason (run->note) tell it.
akssl_status ak_fallback_take(ak_run *run, const ak_commit *commits, int chosen,
                              const char *wrong) AKSSL_MUST_CHECK;

// ak_fallback_to_start sets all commits of a PAUSED job aside, so that it begins again.
akssl_status ak_fallback_to_start(ak_daemon *d, ak_job *job) AKSSL_MUST_CHECK;

#endif
