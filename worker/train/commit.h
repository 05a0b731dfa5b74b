// worker/train/commit.h -- a run's files: commits and the export.
//
//     commits/step-N/model.safetensors      every parameter and buffer, momentum networks too
//     commits/step-N/optimizer.safetensors  SLOT.NAME for each trained parameter
//     commits/step-N/state.safetensors      the coordinator's part, which it writes itself
//     export/backbone.safetensors           the backbone by torchvision's names
//     export/classifier.safetensors         the linear layer that was trained on it, if one was
//
// What is written never depends on the number of ranks.  All functions but those of a draft are
// collective; rank 0 writes, and all ranks learn of a failure.
//
// The compute thread copies a commit's files into memory, and another thread writes them (saver.h):
// a disk takes seconds for what memory takes in a fraction of a tenth of one.

#ifndef AK_TRAIN_COMMIT_H
#define AK_TRAIN_COMMIT_H

#include "proto/format/digest.h"
#include "proto/format/safetensors.h"
#include "worker/train/results.h"
#include "worker/train/trainer.h"

enum { AK_COMMIT_FILES = 2 };

typedef struct ak_commit_file {
    const char *name;
    uint64_t size;
    char digest[AK_DIGEST_TEXT];
} ak_commit_file;

// Where rank 0 keeps a commit's files until they are on disk; from one commit to the next, for the
// first touch of memory costs more than the copying.  Zeroed: none yet.
typedef struct ak_commit_memory {
    ak_safetensors_buffer files[AK_COMMIT_FILES];
} ak_commit_memory;

// ak_commit_size is the bytes that a commit of the trainer will take, a little more at most;
// ak_commit_reserve makes room for them on rank 0.
int64_t ak_commit_size(const ak_trainer *trainer);
akssl_status ak_commit_reserve(ak_commit_memory *memory,
                               const ak_trainer *trainer) AKSSL_MUST_CHECK;
void ak_commit_memory_fini(ak_commit_memory *memory);

// Files that are complete, but neither on disk nor under their names.  Zeroed: none.
typedef struct ak_commit_draft {
    ak_safetensors_writer *writers[AK_COMMIT_FILES];
    char *folder, *commits; // the job's, and commits/ in it
    int64_t step;
} ak_commit_draft;

// ak_commit_draw copies model and optimizer of trainer->step for folder/commits/step-N.  results so
// far and trainer->watch are kept as the model's metadata.  draft is filled on rank 0, also when
// that fails; until it is dropped the memory is its own.
akssl_status ak_commit_draw(ak_trainer *trainer, const ak_results *results, const char *folder,
                            ak_commit_memory *memory, ak_commit_draft *draft) AKSSL_MUST_CHECK;

// ak_commit_flush writes a draft, makes it durable and gives it its names; any thread.
akssl_status ak_commit_flush(ak_commit_draft *draft,
                             ak_commit_file files[AK_COMMIT_FILES]) AKSSL_MUST_CHECK;

// ak_commit_drop removes what was not flushed.
void ak_commit_drop(ak_commit_draft *draft);

// ak_commit_read takes both files of a commit's folder; every rank reads.  step must be the
// commit's.
akssl_status ak_commit_read(ak_trainer *trainer, ak_results *results, const char *commit,
                            int64_t step) AKSSL_MUST_CHECK;

// ak_commit_is_elsewhere: a code that the reading of a commit gives when this host does not have it
// as it was made, or has no room for it now.  Another may; an older commit may.
bool ak_commit_is_elsewhere(akssl_status rc);

// A file of export/: the parameters of model whose names start with `only`, without those letters.
typedef struct ak_export {
    const ak_model *model;
    const ak_encoder *encoder; // whose backbone's options are told
    const char *only, *file, *method;
    int64_t step;
} ak_export;

// ak_export_write writes folder/export/FILE, with what a reader must know (about.h) as metadata;
// path receives its name.
akssl_status ak_export_write(const ak_export *what, const ak_spec *spec, ak_comm *comm,
                             const char *folder, ak_str *path) AKSSL_MUST_CHECK;

// ak_export_backbone does so for a trainer's backbone: export/backbone.safetensors.
akssl_status ak_export_backbone(ak_trainer *trainer, const ak_spec *spec, const char *folder,
                                ak_str *path) AKSSL_MUST_CHECK;

#endif
