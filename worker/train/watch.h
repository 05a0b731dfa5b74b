// worker/train/watch.h -- does a run still learn, or have its embeddings collapsed?
//
// From what a method shows of a step (ak_health) come gauges for people, and a verdict: a sign of
// collapse that stands for AK_WATCH_PATIENCE steps in a row (the effective rank, which jumps from
// batch to batch: their mean).  All figures are functions of the
// global batch, never of the number of ranks.

#ifndef AK_TRAIN_WATCH_H
#define AK_TRAIN_WATCH_H

#include "proto/base/str.h"
#include "worker/method/method.h"

enum {
    AK_WATCH_PATIENCE = 20, // steps
    AK_WATCH_ROWS = 64,     // of the embeddings that the effective rank looks at
    AK_WATCH_SENTENCE = 192,
};

typedef struct ak_watch {
    int row[5];                      // steps in a row with each sign
    int64_t seen;                    // steps
    double ranks[AK_WATCH_PATIENCE]; // of the last steps
    bool noticed;                    // a collapse has been told
    char sentence[AK_WATCH_SENTENCE];
} ak_watch;

// ak_watch_gauges appends to out, which holds count: embedding_std (mean over dimensions of the
// deviation of rows of length 1: about 1/sqrt(width) when healthy, 0 when collapsed),
// effective_rank (Roy & Vetterli 2007: exp of the entropy of the normalised eigenvalues of their
// covariance), teacher_entropy, prototype_usage.  Returns the new count.
int ak_watch_gauges(const ak_health *health, ak_gauge out[AK_METHOD_GAUGES], int count);

// ak_watch_print appends what a commit keeps of the watch, so that a run that resumes judges as one
// that was never cut off; after a collapse was told, only that.
void ak_watch_print(const ak_watch *watch, ak_str *text);

// ak_watch_parse takes that up: false when it was said after a collapse, and the watch begins anew,
// as it does with text of another version, or NULL.
bool ak_watch_parse(ak_watch *watch, const char *text);

// ak_watch_suspects says that the last step showed a sign of collapse, certain or not.
bool ak_watch_suspects(const ak_watch *watch);

// ak_watch_see takes the gauges of a step and returns true once, when a collapse is certain;
// watch->sentence then says which.
bool ak_watch_see(ak_watch *watch, const ak_health *health, const ak_gauge *gauges, int count,
                  double loss);

#endif
