// daemon/launcher/hosts.c -- ranks on the hosts of --hosts, or of the Slurm allocation that akssld
// runs in, by mpirun.
//
// The hosts share the state folder, the data and akssl-worker, by the same paths.  mpirun reaches
// them by ssh or an agent of the site's own; inside an allocation, by Slurm itself.  Ranks are
// found by what is on their command line; environments are handed on by name.

#include <stdlib.h>

#include "daemon/daemon.h"
#include "daemon/hosts.h"
#include "daemon/launcher/mpirun.h"
#include "proto/base/confine.h"

static int64_t slots(const ak_daemon *d, int64_t threads)
{
    return ak_hosts_slots(d->hosts, threads);
}

static int64_t lacks(const ak_daemon *d)
{
    return ak_hosts_lost(d->hosts);
}

static bool unsure(const ak_daemon *d)
{
    return ak_hosts_unsure(d->hosts);
}

static bool place(const ak_daemon *d, const ak_job *job, const ak_gone *gone, int64_t *ranks,
                  ak_hostlist *places)
{
    return ak_hosts_place(d, job, gone, ranks, places);
}

static akssl_status command(const ak_launch *l, ak_args *argv, ak_args *env)
{
    static const char *const handed_on[] = { "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                             "AKSSL_RUN" };
    ak_str hosts = AK_STR_INIT;
    akssl_status rc = ak_mpirun_begin(l, argv);

    if (rc < 0)
        return rc;
    if (l->places)
        ak_hostlist_text(l->places, &hosts);
    ak_args_add(argv, "--host");
    ak_args_add(argv, "%s", hosts.length ? hosts.text : "localhost");
    ak_str_fini(&hosts);
    for (size_t i = 0; i < sizeof handed_on / sizeof *handed_on; i++) {
        ak_args_add(argv, "-x");
        ak_args_add(argv, "%s", handed_on[i]);
    }
    if (l->config->data_root[0]) { // what ranks there may read, as ranks here
        ak_args_add(argv, "-x");
        ak_args_add(argv, "%s", AK_CONFINE_ROOTS);
    }
    ak_mpirun_worker(l, argv);
    ak_mpirun_environment(l, env);
    if (l->config->allocated)
        ak_args_set(env, "SLURM_OVERLAP", "1"); // several jobs' steps on one node
    else
        ak_mpirun_agent(l->config->host_agent, env);
    ak_mpirun_elsewhere(env);
    return AKSSL_OK;
}

const ak_launcher ak_launcher_hosts = {
    .name = "hosts",
    .title = "mpirun over the hosts of --hosts, or of the Slurm allocation around akssld",
    .slots = slots,
    .command = command,
    .place = place,
    .lacks = lacks,
    .unsure = unsure,
};
