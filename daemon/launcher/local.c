// daemon/launcher/local.c -- ranks on this machine, by mpirun.
//
// Works with OpenMPI 4.1 (ORTE) and 5.0 (PRRTE).  What differs between them is given in the
// environment, where either ignores the other's names:
//   plm_rsh_agent, plm_ssh_agent   no remote shell is needed on one host, but both look for one
//                                  and OpenMPI 4 gives up when ssh is not installed
//   ..._ALLOW_RUN_AS_ROOT          the daemon may be root in a container
// --bind-to none: else every job would bind to core 0.  mpi_yield_when_idle: ranks may outnumber
// the cores.  pml ob1: no search for network hardware.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/launcher/launcher.h"
#include "proto/base/error.h"

static akssl_status add_mpirun(ak_args *argv)
{
    const char *name = getenv("AKSSL_MPIRUN");
    char *path = ak_files_program(name && name[0] ? name : "mpirun");

    if (!path)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "'%s' cannot be run: install openmpi-bin, or set AKSSL_MPIRUN to its path",
                       name && name[0] ? name : "mpirun");
    ak_args_add(argv, "%s", path);
    free(path);
    return AKSSL_OK;
}

static void set_environment(const ak_launch *l, ak_args *env)
{
    char threads[24];

    snprintf(threads, sizeof threads, "%" PRId64, l->job->spec.threads_per_shard);
    ak_args_set(env, "OMP_NUM_THREADS", threads);
    ak_args_set(env, "OPENBLAS_NUM_THREADS", threads);
    ak_args_set(env, "AKSSL_RUN", l->run); // how leftovers are found: process.h
    ak_args_set(env, "OMPI_MCA_plm_rsh_agent", "/bin/false");
    ak_args_set(env, "PRTE_MCA_plm_ssh_agent", "/bin/false");
    if (geteuid() == 0) {
        ak_args_set(env, "OMPI_ALLOW_RUN_AS_ROOT", "1");
        ak_args_set(env, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        ak_args_set(env, "PRTE_ALLOW_RUN_AS_ROOT", "1");
        ak_args_set(env, "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
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

static akssl_status command(const ak_launch *l, ak_args *argv, ak_args *env)
{
    static const char *const options[] = {
        "--bind-to", "none", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca",
        "pml",       "ob1",
    };
    akssl_status rc = add_mpirun(argv);

    if (rc < 0)
        return rc;
    ak_args_add(argv, "-np");
    ak_args_add(argv, "%" PRId64, l->ranks);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        ak_args_add(argv, "%s", options[i]);
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
    set_environment(l, env);
    return AKSSL_OK;
}

const ak_launcher ak_launcher_local = {
    .name = "local",
    .title = "mpirun on this machine",
    .command = command,
};
