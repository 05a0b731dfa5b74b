// worker/train/epochs.c -- what TensorBoard shows of each epoch.

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
    int64_t steps;            // an epoch's
    int64_t histograms_every; // so many epochs
    double sum;               // of the losses of the epoch under way
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
    e->histograms_every = (session->spec->epochs + AK_EPOCHS_HISTOGRAMS - 1) / AK_EPOCHS_HISTOGRAMS;
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

static void add_histogram(ak_events *events, const char *tag, const float *values, int64_t count)
{
    ak_histogram histogram;

    ak_histogram_of(&histogram, values, count);
    ak_events_histogram(events, tag, &histogram);
}

static void add_histograms(ak_events *events, const ak_trainer *trainer)
{
    ak_str tag = AK_STR_INIT;
    ak_health health;
    int arrays = 0;

    ak_trainer_health(trainer, &health);
    if (health.rows)
        add_histogram(events, "embeddings", health.rows, health.count * health.width);
    for (int i = 0; i < trainer->model.count && arrays < AK_EPOCHS_ARRAYS; i++) {
        const ak_param *p = trainer->model.params[i];

        if (p->role != AK_ROLE_TRAINED)
            continue;
        ak_str_clear(&tag);
        ak_str_format(&tag, "weights/%s", p->name);
        add_histogram(events, tag.text, p->value, p->numel);
        arrays++;
    }
    ak_str_fini(&tag);
}

akssl_status ak_epochs_add(ak_epochs *epochs, const ak_trainer *trainer, double loss)
{
    int64_t epoch = trainer->step / epochs->steps;
    akssl_status rc;

    epochs->sum += loss;
    if (trainer->step % epochs->steps)
        return AKSSL_OK;
    ak_events_begin(epochs->events, epoch);
    ak_events_scalar(epochs->events, epochs->tag, epochs->sum / (double)epochs->steps);
    if (epoch % epochs->histograms_every == 0)
        add_histograms(epochs->events, trainer);
    epochs->sum = 0;
    rc = ak_events_end(epochs->events);
    return rc < 0 ? rc
                  : ak_events_sync(epochs->events); // the commit of this step may be the next thing
}

void ak_epochs_close(ak_epochs *epochs)
{
    if (!epochs)
        return;
    ak_events_close(epochs->events);
    free(epochs);
}
