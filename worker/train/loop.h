// worker/train/loop.h -- the steps of a run that trains: state, metrics, commits, stopping.
//
//     [ begin, fill, compute, update, push, metrics, commit? ]* -> commit
//
// Who trains what makes the trainer and fills the views (session.c: pretraining; classify.c: linear
// layers and fine-tuning).  A run that resumes starts behind its commit.  Rank 0 alone knows when
// to stop; each step ends with an agreement.  All functions are collective.

#ifndef AK_TRAIN_LOOP_H
#define AK_TRAIN_LOOP_H

#include "worker/data/dataset.h"
#include "worker/optim/optim.h"
#include "worker/train/epochs.h"
#include "worker/train/metrics.h"
#include "worker/train/saver.h"
#include "worker/train/session.h"
#include "worker/train/watch.h"

enum { AK_LOOP_WARNINGS = 4, AK_LOOP_WARNING = 256 }; // of a run; bytes of one, with its NUL

typedef struct ak_loop {
    // The caller's, before ak_loop_prepare.
    const ak_session *session;
    ak_outcome *outcome;
    ak_trainer *trainer;
    int64_t epoch_steps, images; // images: of the data set
    // fill makes views and labels of step trainer->step, after ak_trainer_begin; it may fail on one
    // rank alone.
    akssl_status (*fill)(void *ctx, ak_trainer *trainer);
    // between is called every `every` steps but the last, before their commit.  Optional.
    akssl_status (*between)(void *ctx);
    int64_t every;
    void *ctx;
    // The loop's.
    ak_rate rate;
    ak_metrics *metrics;     // rank 0
    ak_epochs *epochs;       // rank 0
    ak_saver saver;          // rank 0
    ak_commit_memory memory; // rank 0, of the commit that the saver has
    int64_t total, commit_every;
    int64_t committed; // step of the last commit that was begun, -1: none
    double pace;       // seconds a step, smoothed
    ak_progress last;  // as reported; its gauges live in `gauges`
    ak_gauge gauges[AK_METHOD_GAUGES];
    ak_watch watch;                 // rank 0
    char collapse[AK_LOOP_WARNING]; // the watch's sentence, and the last healthy commit
    bool collapsed;
    int64_t healthy; // step of the last commit before any sign of collapse, -1: none
    char warning[AK_LOOP_WARNINGS][AK_LOOP_WARNING];
    const char *warnings[AK_LOOP_WARNINGS];
} ak_loop;

// ak_loop_prepare takes up the commit that the session resumes from, or declares a fresh run's
// state.  rc is the caller's outcome so far on this rank: a failure of any rank fails all.
akssl_status ak_loop_prepare(ak_loop *loop, akssl_status rc) AKSSL_MUST_CHECK;

// ak_loop_train takes the steps that are left, and commits at the end or where it is asked to stop
// (outcome->stopped).
akssl_status ak_loop_train(ak_loop *loop) AKSSL_MUST_CHECK;

// ak_loop_tell reports the results so far, between steps.
void ak_loop_tell(ak_loop *loop);

// ak_loop_agree makes each rank's outcome everybody's, so that none waits for one that has failed.
akssl_status ak_loop_agree(const ak_loop *loop, akssl_status rc) AKSSL_MUST_CHECK;

// ak_loop_agree_data is the same for what reads images: files that are gone, or are not those that
// the job began on, pause it.
akssl_status ak_loop_agree_data(const ak_loop *loop, akssl_status rc) AKSSL_MUST_CHECK;

// ak_loop_count_bad puts data.bad_images into the results when there were any.
void ak_loop_count_bad(ak_loop *loop, const ak_dataset *set);

void ak_loop_fini(ak_loop *loop);

#endif
