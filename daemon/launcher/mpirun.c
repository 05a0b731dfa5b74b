// daemon/launcher/mpirun.c -- what launchers that end in mpirun share.
//
// --bind-to none: else every job would bind to core 0.  mpi_yield_when_idle: ranks may outnumber
// the cores.  pml ob1: no search for network hardware.  ..._ALLOW_RUN_AS_ROOT: the daemon may be
// root in a container.

#include "daemon/launcher/mpirun.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/files.h"
#include "proto/base/error.h"

akssl_status ak_mpirun_begin(const ak_launch *l, ak_args *argv)
{
    const char *name = getenv("AKSSL_MPIRUN");
    char *path = ak_files_program(name && name[0] ? name : "mpirun");

    if (!path)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "'%s' cannot be run: install openmpi-bin, or set AKSSL_MPIRUN to its path",
                       name && name[0] ? name : "mpirun");
    ak_args_add(argv, "%s", path);
    free(path);
    ak_args_add(argv, "-np");
    ak_args_add(argv, "%" PRId64, l->ranks);
    ak_args_add_words(argv, "--bind-to none --oversubscribe --mca mpi_yield_when_idle 1 "
                            "--mca pml ob1");
    return AKSSL_OK;
}

// Files alone: nothing secret is on a command line or in an environment.
static void add_tls(const ak_config *config, ak_args *argv)
{
    const struct {
        const char *flag, *path;
    } files[] = { { "--ca", config->uplink_ca },
                  { "--cert", config->uplink_cert },
                  { "--key", config->uplink_key } };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!files[i].path || !files[i].path[0])
            continue;
        ak_args_add(argv, "%s", files[i].flag);
        ak_args_add(argv, "%s", files[i].path);
    }
}

void ak_mpirun_worker(const ak_launch *l, ak_args *argv)
{
    ak_args_add(argv, "%s", l->config->worker);
    ak_args_add(argv, "run");
    ak_args_add(argv, "--server");
    ak_args_add(argv, "%s", l->config->uplink);
    add_tls(l->config, argv);
    ak_args_add(argv, "--job");
    ak_args_add(argv, "%" PRId64, l->job->id);
    ak_args_add(argv, "--run");
    ak_args_add(argv, "%s", l->run);
    ak_args_add(argv, "--secret-file");
    ak_args_add(argv, "%s", l->secret_file);
    ak_args_add(argv, "--orphan-timeout");
    ak_args_add(argv, "%" PRId64, l->config->orphan_timeout);
}

void ak_mpirun_agent(const char *agent, ak_args *env)
{
    ak_args_set(env, "OMPI_MCA_plm_rsh_agent", agent);
    ak_args_set(env, "PRTE_MCA_plm_ssh_agent", agent);
}

void ak_mpirun_environment(const ak_launch *l, ak_args *env)
{
    char threads[24];

    snprintf(threads, sizeof threads, "%" PRId64, l->job->spec.threads_per_shard);
    ak_args_set(env, "OMP_NUM_THREADS", threads);
    ak_args_set(env, "OPENBLAS_NUM_THREADS", threads);
    ak_args_set(env, "AKSSL_RUN", l->run); // how leftovers are found: process.h
    if (geteuid() == 0) {
        ak_args_set(env, "OMPI_ALLOW_RUN_AS_ROOT", "1");
        ak_args_set(env, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        ak_args_set(env, "PRTE_ALLOW_RUN_AS_ROOT", "1");
        ak_args_set(env, "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
}

void ak_mpirun_elsewhere(ak_args *env)
{
    ak_args_set(env, "OMPI_MCA_orte_tmpdir_base", "/tmp");
    ak_args_set(env, "PRTE_MCA_prte_tmpdir_base", "/tmp");
    ak_args_set(env, "OMPI_MCA_btl_vader_backing_directory", "/dev/shm");
    ak_args_set(env, "OMPI_MCA_btl_sm_backing_directory", "/dev/shm");
    ak_args_set(env, "OMPI_MCA_osc_sm_backing_directory", "/dev/shm");
}
