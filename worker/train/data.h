// worker/train/data.h -- a job's images: which, whether they are still the same, and the bad ones.

#ifndef AK_TRAIN_DATA_H
#define AK_TRAIN_DATA_H

#include "proto/spec/spec.h"
#include "worker/comm/comm.h"
#include "worker/data/dataset.h"

// ak_data_open opens a part of the spec's data set.  Training images whose fingerprint is not the
// spec's are ERR_STATE, unless the spec says to ignore that.
akssl_status ak_data_open(ak_dataset **out, const ak_spec *spec, ak_split split) AKSSL_MUST_CHECK;

// ak_data_look is the same for a check of the spec: nothing is packed for it.
akssl_status ak_data_look(ak_dataset **out, const ak_spec *spec, ak_split split) AKSSL_MUST_CHECK;

// ak_data_settle writes the fingerprint of the open training images into a spec that has none.
akssl_status ak_data_settle(ak_spec *spec, const ak_dataset *train) AKSSL_MUST_CHECK;

// ak_data_tell prints the bad images that were not told yet, a line each, to stderr.
void ak_data_tell(const ak_dataset *set, const ak_comm *comm);

// ak_data_count_bad counts the images that any rank has found bad.  Collective.
int64_t ak_data_count_bad(const ak_dataset *set, ak_comm *comm);

// ak_data_is_elsewhere: a code that data sets give when files are gone, changed or not readable,
// which is no fault of the job.
bool ak_data_is_elsewhere(akssl_status rc);

#endif
