// worker/train/saver.h -- makes a commit durable beside the steps that follow it.
//
//     compute thread   copy the files, hold the state | step N+1, N+2, ...
//     saver's thread                                   | write, flush, rename; Commit(N)
//
// Rank 0 only.  One commit at a time: the next one waits for it, and so does the end of the run.

#ifndef AK_TRAIN_SAVER_H
#define AK_TRAIN_SAVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "worker/train/metrics.h"
#include "worker/train/session.h"

enum { AK_SAVER_SENTENCE = 1024 };

typedef struct ak_saver {
    const ak_link *link; // NULL: the files are all
    ak_metrics *metrics; // flushed with them; NULL: none
    ak_commit_draft draft;
    pthread_t thread;
    bool running;
    // The thread's, until it has ended.
    atomic_bool over;
    bool wrote; // the files: what fails later is no write
    akssl_status rc;
    char sentence[AK_SAVER_SENTENCE];
} ak_saver;

// ak_saver_start takes the draft, whose state the link holds, and returns at once.  None may be
// under way.
void ak_saver_start(ak_saver *saver, ak_commit_draft *draft, const ak_link *link,
                    ak_metrics *metrics);

// ak_saver_over says that one was started and ended, and waits for ak_saver_end.
bool ak_saver_over(const ak_saver *saver);

// ak_saver_end waits for it, and says how it went; OK when there is none.  A write that failed is
// told to outcome (ak_outcome_wrote).
akssl_status ak_saver_end(ak_saver *saver, ak_outcome *outcome) AKSSL_MUST_CHECK;

// ak_saver_fini waits for it; how it went is lost.
void ak_saver_fini(ak_saver *saver);

#endif
