// daemon/harden.h -- what akssld gives up for itself, and not for its ranks.

#ifndef AK_DAEMON_HARDEN_H
#define AK_DAEMON_HARDEN_H

#include <stdbool.h>

// ak_harden has the kernel refuse this process memory that is or was writable and can be executed.
// Processes that it starts are free to: oneDNN compiles its kernels at run time, and a filter that
// children inherit, as systemd's MemoryDenyWriteExecute, would end every run.  False where the
// kernel is older than Linux 6.6 and knows no such thing.  Called once, before other threads.
bool ak_harden(void);

#endif
