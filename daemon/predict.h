// daemon/predict.h -- how fast, for how long and from when a job would run, before it is submitted.
//
// Speed is that of the newest recorded run of the same shape (kind, method, backbone, images,
// batch, threads, precision, ranks); without one it is a model: the newest of the same method and
// backbone, by the pixels of a view and the cores.  Which of them is said, as is when nobody knows.

#ifndef AK_DAEMON_PREDICT_H
#define AK_DAEMON_PREDICT_H

#include "daemon/daemon.h"

// ak_predict gives a sentence that continues estimate, the worker's, which starts with the number
// of steps.  Yours to free.  Loop thread only.
char *ak_predict(ak_daemon *d, const ak_spec *spec, const char *owner, const char *estimate);

#endif
