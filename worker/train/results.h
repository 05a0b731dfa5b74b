// worker/train/results.h -- figures of evaluations, by name: "before.knn.top1" and the like.

#ifndef AK_TRAIN_RESULTS_H
#define AK_TRAIN_RESULTS_H

enum { AK_RESULTS = 32, AK_RESULT_NAME = 48 };

typedef struct ak_results {
    int count;
    struct {
        char name[AK_RESULT_NAME];
        double value;
    } row[AK_RESULTS];
} ak_results;

// ak_results_put adds or replaces one; the name is prefix and name together.
void ak_results_put(ak_results *results, const char *prefix, const char *name, double value);

#endif
