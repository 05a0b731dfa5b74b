// worker/train/epochs.h -- what TensorBoard shows of each epoch: tensorboard/epochs.
//
// The mean loss by AK_SSL's tags, so that its curves lie beside these: "Pretext Task/Loss/train" of
// pretraining, "Downstream Task/Loss/train" of the rest, over epochs from 1.  Histograms of the
// weights, "weights/NAME" each, and of the numbers in some embeddings of the epoch's last batch,
// "embeddings", where the method shows any.
//
// A long run has histograms of some of its epochs only, and a large network of its first arrays, so
// that a file is of 20 MB at most.

#ifndef AK_TRAIN_EPOCHS_H
#define AK_TRAIN_EPOCHS_H

#include "worker/train/session.h"
#include "worker/train/trainer.h"

enum {
    AK_EPOCHS_HISTOGRAMS = 100, // epochs of a run that have them, spread evenly
    AK_EPOCHS_ARRAYS = 256,     // that have one, in the model's order
};

typedef struct ak_epochs ak_epochs;

// ak_epochs_open goes on behind resume_step; the losses of an epoch that had begun are taken from
// the job's metrics.jsonl, as ak_metrics_open has left it.
akssl_status ak_epochs_open(ak_epochs **out, const ak_session *session,
                            int64_t epoch_steps) AKSSL_MUST_CHECK;

// ak_epochs_add counts the loss of the step that the trainer has just taken, and writes at the end
// of an epoch.
akssl_status ak_epochs_add(ak_epochs *epochs, const ak_trainer *trainer,
                           double loss) AKSSL_MUST_CHECK;
void ak_epochs_close(ak_epochs *epochs); // NULL-safe

#endif
