// worker/train/epochs.h -- the mean loss of each epoch for TensorBoard, by AK_SSL's tags.
//
// "Pretext Task/Loss/train" of pretraining, "Downstream Task/Loss/train" of the rest, over epochs
// from 1: tensorboard/epochs.  Curves of AK_SSL lie beside these.

#ifndef AK_TRAIN_EPOCHS_H
#define AK_TRAIN_EPOCHS_H

#include "worker/train/session.h"

typedef struct ak_epochs ak_epochs;

// ak_epochs_open goes on behind resume_step; the losses of an epoch that had begun are taken from
// the job's metrics.jsonl, as ak_metrics_open has left it.
akssl_status ak_epochs_open(ak_epochs **out, const ak_session *session,
                            int64_t epoch_steps) AKSSL_MUST_CHECK;

// ak_epochs_add counts a step's loss, and writes at the end of an epoch.
akssl_status ak_epochs_add(ak_epochs *epochs, int64_t step, double loss) AKSSL_MUST_CHECK;
void ak_epochs_close(ak_epochs *epochs); // NULL-safe

#endif
