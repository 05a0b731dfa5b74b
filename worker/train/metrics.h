// worker/train/metrics.h -- metrics.jsonl: one object a step.
//
//     {"step": 1, "epoch": 0.025641, "loss": 6.23210049, "lr": 0.001, "images_per_s": 350.2, ...}

#ifndef AK_TRAIN_METRICS_H
#define AK_TRAIN_METRICS_H

#include "worker/train/session.h"

typedef struct ak_metrics ak_metrics;

// ak_metrics_open continues folder/metrics.jsonl behind the line of resume_step: later lines, of
// steps that will be taken again, are cut off.
akssl_status ak_metrics_open(ak_metrics **out, const char *folder,
                             int64_t resume_step) AKSSL_MUST_CHECK;
akssl_status ak_metrics_write(ak_metrics *metrics, const ak_progress *progress) AKSSL_MUST_CHECK;
akssl_status ak_metrics_sync(ak_metrics *metrics) AKSSL_MUST_CHECK; // durable
void ak_metrics_close(ak_metrics *metrics);                         // NULL-safe

#endif
