// daemon/launcher/mpirun.h -- what launchers that end in mpirun share.
//
// Works with OpenMPI 4.1 (ORTE) and 5.0 (PRRTE).  What differs between them is given in the
// environment, where either ignores the other's names.

#ifndef AK_DAEMON_LAUNCHER_MPIRUN_H
#define AK_DAEMON_LAUNCHER_MPIRUN_H

#include "daemon/launcher/launcher.h"

// ak_mpirun_begin adds mpirun, the number of ranks and its options; ak_mpirun_worker what a rank
// is.  What a launcher adds of its own comes between them.  ERR_NOT_FOUND without an mpirun.
akssl_status ak_mpirun_begin(const ak_launch *launch, ak_args *argv) AKSSL_MUST_CHECK;
void ak_mpirun_worker(const ak_launch *launch, ak_args *argv);

// ak_mpirun_environment sets what mpirun and ranks on this host need.
void ak_mpirun_environment(const ak_launch *launch, ak_args *env);

// ak_mpirun_elsewhere keeps mpirun's session folders in OpenMPI's own places: those of other hosts
// are nobody's here to make or remove (guard.h).
void ak_mpirun_elsewhere(ak_args *env);

// ak_mpirun_agent sets the remote shell; "/bin/false" where none is needed, since both look for
// one, and OpenMPI 4 gives up when ssh is not installed.
void ak_mpirun_agent(const char *agent, ak_args *env);

#endif
