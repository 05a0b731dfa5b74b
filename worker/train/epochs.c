// worker/train/epochs.c -- the mean loss of each epoch for TensorBoard, by AK_SSL's tags.

#include "worker/train/epochs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "worker/train/events.h"

struct ak_epochs {
    ak_events *events;
    const char *tag;
    int64_t steps; // an epoch's
    double sum;    // of the losses of the epoch under way
};

// The losses of steps after `first`, a line each.
static akssl_status read_losses(ak_epochs *e, const char *folder, int64_t first)
{
    ak_str path = AK_STR_INIT;
    char *line = NULL;
    size_t room = 0;
    int64_t step;
    double loss;
    FILE *file;

    ak_str_format(&path, "%s/metrics.jsonl", folder);
    file = fopen(path.text, "re");
    if (!file) {
        akssl_status rc = ak_fail_errno(errno, "metrics '%s' cannot be read", path.text);

        ak_str_fini(&path);
        return rc;
    }
    while (getline(&line, &room, file) > 0)
        if (sscanf(line, "{\"step\": %" SCNd64 ", \"epoch\": %*f, \"loss\": %lf", &step, &loss) ==
                2 &&
            step > first)
            e->sum += loss;
    free(line);
    fclose(file);
    ak_str_fini(&path);
    return AKSSL_OK;
}

akssl_status ak_epochs_open(ak_epochs **out, const ak_session *session, int64_t epoch_steps)
{
    ak_epochs *e = ak_alloc(1, sizeof *e);
    int64_t done = session->resume_step / epoch_steps;
    akssl_status rc;

    e->steps = epoch_steps;
    e->tag = strcmp(session->spec->kind, "pretrain") == 0 ? "Pretext Task/Loss/train"
                                                          : "Downstream Task/Loss/train";
    rc = ak_events_open(&e->events, session->folder, "epochs", done);
    if (rc == AKSSL_OK && session->resume_step % epoch_steps)
        rc = read_losses(e, session->folder, done * epoch_steps);
    if (rc == AKSSL_OK)
        *out = e;
    else
        ak_epochs_close(e);
    return rc;
}

akssl_status ak_epochs_add(ak_epochs *epochs, int64_t step, double loss)
{
    double mean;

    epochs->sum += loss;
    if (step % epochs->steps)
        return AKSSL_OK;
    mean = epochs->sum / (double)epochs->steps;
    epochs->sum = 0;
    ak_events_begin(epochs->events, step / epochs->steps);
    ak_events_scalar(epochs->events, epochs->tag, mean);
    return ak_events_end(epochs->events);
}

void ak_epochs_close(ak_epochs *epochs)
{
    if (!epochs)
        return;
    ak_events_close(epochs->events);
    free(epochs);
}
