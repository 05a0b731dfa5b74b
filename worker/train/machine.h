// worker/train/machine.h -- what of a run's result depends on the machines it runs on, and how it
// is kept from changing.
//
// The instruction set alone does (worker/tensor/isa.h).  A run begins with the widest that all its
// ranks' CPUs have, or with the spec's; each commit names it, and whoever goes on from there takes
// the same, on whatever hosts.

#ifndef AK_TRAIN_MACHINE_H
#define AK_TRAIN_MACHINE_H

#include "proto/spec/spec.h"
#include "worker/tensor/world.h"

#define AK_MACHINE_KEY "instructions" // of the spec, and of the metadata of a commit's model

// ak_machine_settle makes spec->instructions what all ranks compute with.  commit: the folder of
// the commit that the run goes on from, "" at the start.  ERR_STATE when a rank's CPU lacks it;
// *elsewhere is then true on every rank: other hosts may have it.  Collective.
akssl_status ak_machine_settle(ak_spec *spec, const char *commit, ak_comm *comm,
                               bool *elsewhere) AKSSL_MUST_CHECK;

// ak_machine_sample makes *sample the spec of one shard of so many images, or of as many as spec's
// have, for a trainer that tells of the job's on whatever CPU; to ak_spec_fini.
akssl_status ak_machine_sample(ak_spec *sample, const ak_spec *spec,
                               int64_t images) AKSSL_MUST_CHECK;

// ak_machine_world cuts the batch of a checked spec among comm's ranks; ERR_STATE when this CPU
// lacks the spec's instructions.
akssl_status ak_machine_world(ak_world *world, const ak_spec *spec, ak_comm *comm) AKSSL_MUST_CHECK;

#endif
