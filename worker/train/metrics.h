// worker/train/metrics.h -- figures over time: one JSON object a line.
//
// metrics.jsonl, a line a step:
//     {"step": 1, "epoch": 0.025641, "loss": 6.23210049, "lr": 0.001, "images_per_s": 350.2, ...}
// evaluations.jsonl, a line an evaluation during pretraining:
//     {"step": 195, "epoch": 5.000000, "knn.top1": 77.01, ...}
//
// The same for TensorBoard is in tensorboard/metrics and tensorboard/evaluations (events.h).

#ifndef AK_TRAIN_METRICS_H
#define AK_TRAIN_METRICS_H

#include "worker/train/session.h"

typedef struct ak_metrics ak_metrics;

// ak_metrics_open continues the file called name in folder behind the line of resume_step: later
// lines, of steps that will be taken again, are cut off.
akssl_status ak_metrics_open(ak_metrics **out, const char *folder, const char *name,
                             int64_t resume_step) AKSSL_MUST_CHECK;
akssl_status ak_metrics_write(ak_metrics *metrics, const ak_progress *progress) AKSSL_MUST_CHECK;

// ak_metrics_write_results writes the results whose name begins with prefix, without it.
akssl_status ak_metrics_write_results(ak_metrics *metrics, int64_t step, double epoch,
                                      const char *prefix,
                                      const ak_results *results) AKSSL_MUST_CHECK;
int64_t ak_metrics_last(const ak_metrics *metrics); // step of the last line at the open, -1: none
akssl_status ak_metrics_sync(ak_metrics *metrics) AKSSL_MUST_CHECK; // durable
void ak_metrics_close(ak_metrics *metrics);                         // NULL-safe

#endif
