// daemon/guard.h -- the parent of mpirun, which outlives the daemon just long enough.
//
//     akssld -- akssld --guard PARENT COMMAND... -- mpirun -- ranks
//
// A run must not outlive a daemon that was killed.  The kernel can tell a child of its parent's
// death (PR_SET_PDEATHSIG), but libuv cannot ask for it, and when a parent with several threads is
// killed the signal comes several times: mpirun takes a second SIGTERM as an order to leave at
// once, without its ranks.  So a small process in between takes the signal, passes on one SIGTERM,
// waits, and ends what is left of the run, which it knows by AKSSL_RUN (process.h).

#ifndef AK_DAEMON_GUARD_H
#define AK_DAEMON_GUARD_H

// ak_guard is the program's hidden mode; argv is PARENT (a process id) and COMMAND (argv[1] an
// absolute path).  It ends with the command's exit code, or 128 and the signal that ended it.
int ak_guard(char **argv);

#endif
