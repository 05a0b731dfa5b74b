// daemon/state/commit.h -- a commit: the files of one step, with the state of the same step.
//
//     JOB/commits/step-N/         a commit once the store has its row; before, a draft that is
//     swept JOB/commits/aside-step-N/   a commit that was damaged, or given up: a person's to
//     remove

#ifndef AK_DAEMON_STATE_COMMIT_H
#define AK_DAEMON_STATE_COMMIT_H

#include "daemon/state/state.h"
#include "proto/base/str.h"

enum { AK_COMMIT_MAX_FILES = 16, AK_COMMIT_MAX_FILE_NAME = 64 };

typedef struct ak_commit_file {
    char name[AK_COMMIT_MAX_FILE_NAME + 1];
    uint64_t size;
    char digest[33];
} ak_commit_file;

typedef struct ak_commit_tensor {
    char name[AK_STATE_MAX_NAME + 1];
    int64_t version, filled, position;
} ak_commit_tensor;

typedef struct ak_commit {
    int64_t job, step, made_ms;
    int file_count, tensor_count;
    ak_commit_file files[AK_COMMIT_MAX_FILES]; // state.safetensors is one of them
    ak_commit_tensor tensors[AK_STATE_MAX_TENSORS];
} ak_commit;

#define AK_COMMIT_STATE_FILE "state.safetensors"

// ak_commit_add_file checks and adds a file that the worker has written: a plain name that is not
// the state's, a digest of 32 hexadecimal digits.
akssl_status ak_commit_add_file(ak_commit *commit, const char *name, uint64_t size,
                                const char *digest) AKSSL_MUST_CHECK;

// ak_commit_make checks that the worker's files are in folder with their sizes, writes the frozen
// state beside them, adds it to commit, and flushes the folder and its parent.  Any thread.
akssl_status ak_commit_make(ak_commit *commit, const char *folder,
                            const ak_state *frozen) AKSSL_MUST_CHECK;

// ak_commit_verify reads every file through; ERR_CORRUPT, naming file and digests, when one is not
// what was committed.  Any thread.
akssl_status ak_commit_verify(const ak_commit *commit, const char *folder) AKSSL_MUST_CHECK;

// ak_commit_check_extra fails with ERR_CORRUPT when folder holds what was not committed.  Any
// thread.
akssl_status ak_commit_check_extra(const ak_commit *commit, const char *folder) AKSSL_MUST_CHECK;

// ak_commit_choose looks through a job's commits, newest first, for one that is whole: *chosen is
// its index, *state its state (yours).  What is wrong with those before it is appended to wrong.  A
// file that is missing or is not what was committed is damage; any other failure (a disk that
// fails, permissions, memory) is returned at once: it may pass, and no commit is given up for it.
// ERR_CORRUPT, with all that is wrong, when none is whole.  Any thread.
akssl_status ak_commit_choose(const ak_commit *newest_first, int count, const char *commits_folder,
                              int *chosen, ak_state **state, ak_str *wrong) AKSSL_MUST_CHECK;

// ak_commit_set_aside durably renames step-N to aside-step-N (aside-step-N.2 and so on when there
// is one): no commit any more, but nothing is lost.  Fine if there is no step-N; then *name, which
// else is the new name (yours), is NULL.  Any thread.
akssl_status ak_commit_set_aside(const char *commits_folder, int64_t step,
                                 char **name) AKSSL_MUST_CHECK;

// ak_commit_sweep removes from the job's commits folder the step-N below `before` that are not
// among the steps.  What was set aside stays.  Any thread.
akssl_status ak_commit_sweep(const char *commits_folder, const int64_t *steps, int count,
                             int64_t before) AKSSL_MUST_CHECK;

#endif
