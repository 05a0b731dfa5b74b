// daemon/guard.h -- the parent of mpirun, which outlives the daemon.
//
//     akssld -- akssld --guard FILE COMMAND... -- mpirun -- ranks
//
// A run goes on when its daemon is killed, stopped or replaced, and somebody must be there when it
// ends.  The guard has a session of its own and one thread.  It passes on one SIGTERM, however many
// come: mpirun takes a second one as an order to leave at once, without its ranks.  When mpirun has
// ended it ends what is left of the run, which it knows by AKSSL_RUN (process.h), and then writes
// into FILE, durably, how mpirun ended, for a daemon that comes later: code 0 when the guard was
// told to end, as everything is by a machine that is shut down.  mpirun is told by the kernel when
// the guard dies, and the ranks watch mpirun (worker/leash.h).
//
// mpirun has 4 s to end after SIGTERM, or as many as AKSSL_GRACE says: a launcher's command may
// have others to ask.
//
// A killed mpirun leaves its session folder and its ranks' shared memory behind: both are kept in a
// folder of the run's, which the guard makes and removes.  Over several hosts they are in OpenMPI's
// own places, and the ranks remove them (worker/leftover.h): they have 1 s for it.

#ifndef AK_DAEMON_GUARD_H
#define AK_DAEMON_GUARD_H

#include "akssl/status.h"

// ak_guard is the program's hidden mode; argv is FILE and COMMAND (argv[1] an absolute path).  It
// ends with the command's exit code, or 128 and the signal that ended it.
int ak_guard(char **argv);

// ak_guard_read_exit reads what a guard wrote: mpirun's exit code, or the signal that ended it.
// ERR_NOT_FOUND while there is no such file.
akssl_status ak_guard_read_exit(const char *path, int *code, int *signal) AKSSL_MUST_CHECK;

// ak_guard_clean removes the run's scratch folder, for a guard that could not.
void ak_guard_clean(const char *run);

#endif
