// worker/train/agree.h -- each rank's outcome becomes everybody's.

#ifndef AK_TRAIN_AGREE_H
#define AK_TRAIN_AGREE_H

#include "worker/comm/comm.h"

// ak_agree gives AKSSL_OK when all ranks say it; so that none waits for one that has failed.  A
// rank that has not failed itself gets ERR_CANCELLED, with the sentence of the first that has.
// Collective.
akssl_status ak_agree(ak_comm *comm, akssl_status rc) AKSSL_MUST_CHECK;

// ak_agree_first is the same and gives to all the code of the first rank that has failed by itself.
akssl_status ak_agree_first(ak_comm *comm, akssl_status rc, akssl_status *first) AKSSL_MUST_CHECK;

#endif
