// worker/train/machine.c -- what of a run's result depends on the machines it runs on.

#include "worker/train/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "proto/format/safetensors.h"
#include "worker/train/agree.h"
#include "worker/train/commit.h"

// The commit's; "" when it was made before commits named it, or there is none.
static akssl_status read_commit(ak_str *name, const char *commit)
{
    ak_str path = AK_STR_INIT;
    ak_safetensors *file;
    akssl_status rc;
    const char *found;

    if (!commit[0])
        return AKSSL_OK;
    ak_str_format(&path, "%s/model.safetensors", commit);
    rc = ak_safetensors_open(&file, path.text);
    ak_str_fini(&path);
    if (rc < 0)
        return ak_wrap(rc, "resume from '%s'", commit);
    found = ak_safetensors_meta(file, AK_MACHINE_KEY);
    ak_str_append(name, found ? found : "");
    ak_safetensors_close(file);
    return AKSSL_OK;
}

static ak_isa least_of_ranks(ak_comm *comm)
{
    int mine = (int)ak_isa_of_cpu(), size = ak_comm_size(comm), least = mine;
    int *all = ak_alloc((size_t)size, sizeof *all);

    ak_comm_all_gather(comm, &mine, all, sizeof mine);
    for (int r = 0; r < size; r++)
        least = all[r] < least ? all[r] : least;
    free(all);
    return (ak_isa)least;
}

// of: whose the name is.
static akssl_status find(ak_isa *isa, const char *name, const char *of)
{
    char host[256] = "";
    ak_isa cpu = ak_isa_of_cpu();
    akssl_status rc = ak_isa_find(isa, name);

    if (rc < 0 || ak_isa_runs_on(*isa, cpu))
        return rc;
    (void)gethostname(host, sizeof host - 1);
    return ak_fail(AKSSL_ERR_STATE,
                   "the CPU of %s does not compute with %s, as %s does: let it run where all CPUs "
                   "do, or submit it anew with --instructions %s",
                   host, ak_isa_name(*isa), of, ak_isa_name(cpu));
}

static akssl_status check_precision(const ak_spec *spec, ak_isa isa)
{
    char host[256] = "";

    if (strcmp(spec->precision, "bf16") != 0 || (isa == AK_ISA_AVX512 && ak_isa_has_bf16()))
        return AKSSL_OK;
    if (isa != AK_ISA_AVX512)
        return ak_fail(AKSSL_ERR_STATE,
                       "precision bf16 needs AVX512_BF16, and the run computes with %s: submit it "
                       "anew with --precision fp32",
                       ak_isa_name(isa));
    (void)gethostname(host, sizeof host - 1);
    return ak_fail(AKSSL_ERR_STATE,
                   "the CPU of %s has no AVX512_BF16, which precision bf16 needs: let it run where "
                   "all CPUs do, or submit it anew with --precision fp32",
                   host);
}

akssl_status ak_machine_settle(ak_spec *spec, const char *commit, ak_comm *comm, bool *elsewhere)
{
    ak_isa isa, least = least_of_ranks(comm);
    ak_str name = AK_STR_INIT;
    akssl_status first, rc = read_commit(&name, commit);

    if (!name.length)
        ak_str_append(&name, spec->instructions[0] ? spec->instructions : ak_isa_name(least));
    if (rc == AKSSL_OK)
        rc = find(&isa, name.text, commit[0] ? "the commit that it goes on from" : "its spec");
    if (rc == AKSSL_OK)
        rc = check_precision(spec, isa);
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, AK_MACHINE_KEY, name.text);
    ak_str_fini(&name);
    rc = ak_agree_first(comm, rc, &first);
    *elsewhere = first == AKSSL_ERR_STATE || (commit[0] && ak_commit_is_elsewhere(first));
    return rc;
}

akssl_status ak_machine_sample(ak_spec *sample, const ak_spec *spec, int64_t images)
{
    int64_t most = spec->batch / spec->shards;

    ak_spec_copy(sample, spec);
    sample->batch = images < most ? images : most;
    sample->shards = 1;
    if (!ak_isa_has_bf16() && ak_spec_set(sample, "precision", "fp32") < 0)
        return AKSSL_ERR_INTERNAL;
    return ak_spec_set(sample, AK_MACHINE_KEY, "");
}

akssl_status ak_machine_world(ak_world *world, const ak_spec *spec, ak_comm *comm)
{
    akssl_status rc = ak_world_init(world, comm, spec->shards, spec->threads_per_shard);

    if (rc == AKSSL_OK)
        rc = find(&world->isa, spec->instructions, "its spec");
    if (rc == AKSSL_OK)
        rc = check_precision(spec, world->isa);
    world->bf16 = strcmp(spec->precision, "bf16") == 0;
    world->exact = strcmp(spec->convolution, "exact") == 0;
    return rc;
}
