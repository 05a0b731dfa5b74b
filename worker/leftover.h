// worker/leftover.h -- what OpenMPI leaves on a host when its daemon there is killed.
//
// OpenMPI 4.1's mpirun and orted remove their session folder and the ranks' shared memory when they
// end.  One that is killed does not, and on another host nobody but the ranks is left to do it:
// each run that loses its orted would keep 4 MiB of the host's memory a rank, until it is booted.
// Where akssld's guard keeps both in a folder of the run's (daemon/guard.h) this comes first, and
// does no harm.

#ifndef AK_WORKER_LEFTOVER_H
#define AK_WORKER_LEFTOVER_H

// ak_leftover_remove removes the session folder of this process's mpirun or orted, and the shared
// memory that ranks have made on this host, as far as this process has it mapped.  For a process
// that is about to kill itself, since its run is over; several ranks may do it at once.
void ak_leftover_remove(void);

#endif
