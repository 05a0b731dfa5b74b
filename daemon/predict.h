// daemon/predict.h -- how fast, for how long and from when a job would run, before it is submitted.
//
// Speed is that of the newest recorded run of the same shape (kind, method, backbone, images,
// batch, threads, precision, recompute, ranks); without one it is a model: the newest of the same
// method and backbone, by the pixels of a view and the cores.  Which of them is said, as is when
// nobody knows.

#ifndef AK_DAEMON_PREDICT_H
#define AK_DAEMON_PREDICT_H

#include "daemon/daemon.h"

enum { AK_PREDICT_VALUES = 9 };

// What is known of steps, parameters, memory_gib (over all ranks), decoded_images_gib (beside that,
// at most), images_per_s, training_s, by_job (whose run tells the speed), same_shape (1: without
// scaling) and start_in_s.
typedef struct ak_prediction {
    char *sentence; // on the heap
    int count;
    struct {
        const char *name;
        double value;
    } values[AK_PREDICT_VALUES];
} ak_prediction;

// ak_predict fills in a prediction whose sentence continues estimate, the worker's, which starts
// with steps, parameters and memory.  Loop thread only.
void ak_predict(ak_daemon *d, const ak_spec *spec, const char *owner, const char *estimate,
                ak_prediction *out);
void ak_prediction_fini(ak_prediction *prediction); // NULL-safe

#endif
