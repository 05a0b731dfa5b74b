// worker/leash.h -- a rank dies with the mpirun that started it.
//
// mpirun ends its ranks, but not when it is killed itself: what it leaves then would hold the cores
// of the run that takes its place.  The kernel's own word of a parent's death (PR_SET_PDEATHSIG)
// comes when the thread that forked has ended, be the parent alive or not, and OpenMPI forks many
// ranks from threads; so a thread waits for the parent's end.

#ifndef AK_WORKER_LEASH_H
#define AK_WORKER_LEASH_H

// ak_leash_start begins to watch; once the parent is gone this process gets SIGKILL.
void ak_leash_start(void);

#endif
