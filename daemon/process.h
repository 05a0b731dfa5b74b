// daemon/process.h -- processes as /proc shows them: found by a mark, not by their parents.
//
// Ranks leave every tree one can hold on to: each is a process group of its own, and when mpirun
// is killed they are handed to another parent.  What they cannot lose is the environment they were
// started with, so a run's processes are those that hold its mark there or on the command line.

#ifndef AK_DAEMON_PROCESS_H
#define AK_DAEMON_PROCESS_H

#include <signal.h>
#include <stdint.h>
#include <uv.h>

#include "akssl/status.h"

// ak_process_signal sends signal (0: only look) to every live process of this user, zombies and
// ourselves aside, whose environment or command line holds mark (16 bytes or longer, or nothing is
// found).  Returns their number; one more where something could not be looked at for lack of
// descriptors or memory.
int ak_process_signal(const char *mark, int signal);

// ak_process_signal_guard does so to the run's guard alone (guard.h): 1, or 0 when it is gone.
int ak_process_signal_guard(const char *mark, int signal);

// ak_process_end_marked sends SIGTERM, then SIGKILL after grace_ms, and waits until none is left,
// at most grace_ms + 5 s.  Blocks: for the guard.  Returns how many there still are.
int ak_process_end_marked(const char *mark, int64_t grace_ms);

// An ak_reaper waits for orphans that the kernel hands to us as their sub-reaper; children that
// libuv knows are left to it.  Loop thread only.
typedef struct ak_reaper {
    uv_signal_t signal;
    uv_timer_t retry;
} ak_reaper;

akssl_status ak_reaper_start(ak_reaper *reaper, uv_loop_t *loop) AKSSL_MUST_CHECK;
void ak_reaper_stop(ak_reaper *reaper); // closes its handles

#endif
