// worker/leash.h -- a rank dies with the mpirun that started it, and with its run.
//
// mpirun ends its ranks, but not when it is killed itself: what it leaves then would hold the cores
// of the run that takes its place.  The kernel's own word of a parent's death (PR_SET_PDEATHSIG)
// comes when the thread that forked has ended, be the parent alive or not, and OpenMPI forks many
// ranks from threads; so a thread waits for the parent's end.
//
// On another host mpirun's end may not be heard of: that host is cut off, say.  What akssld removes
// when a run is over, and the job may start elsewhere, is the run's secret; so the same thread
// looks once a second whether that is there, and what is cut off from everything but the disk does
// not write beside the run that took its place.  A disk that fails or stands still is not taken for
// it.

#ifndef AK_WORKER_LEASH_H
#define AK_WORKER_LEASH_H

// ak_leash_start begins to watch; once the parent is gone, or secret_file, if that was there
// before, this process removes what OpenMPI leaves (leftover.h) and gets SIGKILL.  secret_file must
// last; "" for none.
void ak_leash_start(const char *secret_file);

#endif
