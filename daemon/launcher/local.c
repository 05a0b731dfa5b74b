// daemon/launcher/local.c -- ranks on this machine, by mpirun.

#include "daemon/daemon.h"
#include "daemon/launcher/mpirun.h"

static int64_t slots(const ak_daemon *d, int64_t threads)
{
    (void)threads;
    return d->config->slots;
}

static akssl_status command(const ak_launch *l, ak_args *argv, ak_args *env)
{
    akssl_status rc = ak_mpirun_begin(l, argv);

    if (rc < 0)
        return rc;
    ak_mpirun_worker(l, argv);
    ak_mpirun_environment(l, env);
    ak_mpirun_agent("/bin/false", env);
    return AKSSL_OK;
}

const ak_launcher ak_launcher_local = {
    .name = "local",
    .title = "mpirun on this machine",
    .slots = slots,
    .command = command,
};
