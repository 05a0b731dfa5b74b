// worker/train/saver.c -- makes a commit durable beside the steps that follow it.

#include "worker/train/saver.h"

#include <stdio.h>

#include "proto/base/error.h"

static akssl_status save(ak_saver *s)
{
    ak_commit_file files[AK_COMMIT_FILES];
    akssl_status rc = ak_commit_flush(&s->draft, files);

    if (rc == AKSSL_OK && s->metrics)
        rc = ak_metrics_sync(s->metrics);
    s->wrote = rc == AKSSL_OK;
    if (rc == AKSSL_OK && s->link)
        rc = s->link->commit(s->link->ctx, s->draft.step, files, AK_COMMIT_FILES);
    if (rc < 0 && !s->wrote) {
        ak_commit_drop(&s->draft); // what is taken up again may need the room
        if (s->link)
            s->link->release(s->link->ctx);
    }
    return rc;
}

static void *run(void *arg)
{
    ak_saver *s = arg;

    s->rc = save(s);
    snprintf(s->sentence, sizeof s->sentence, "%s", s->rc < 0 ? ak_error_text() : "");
    ak_commit_drop(&s->draft);
    atomic_store(&s->over, true);
    return NULL;
}

void ak_saver_start(ak_saver *s, ak_commit_draft *draft, const ak_link *link, ak_metrics *metrics)
{
    s->link = link;
    s->metrics = metrics;
    s->draft = *draft;
    *draft = (ak_commit_draft){ .step = draft->step };
    s->wrote = false;
    atomic_store(&s->over, false);
    s->running = pthread_create(&s->thread, NULL, run, s) == 0;
    if (!s->running)
        run(s); // no thread is to be had: the steps wait
}

bool ak_saver_over(const ak_saver *s)
{
    return atomic_load(&s->over);
}

void ak_saver_fini(ak_saver *s)
{
    if (s->running)
        pthread_join(s->thread, NULL);
    s->running = false;
}

akssl_status ak_saver_end(ak_saver *s, ak_outcome *outcome)
{
    akssl_status rc;

    ak_saver_fini(s);
    if (!atomic_exchange(&s->over, false) || s->rc == AKSSL_OK)
        return AKSSL_OK;
    rc = ak_fail(s->rc, "%s", s->sentence);
    return s->wrote ? rc : ak_outcome_wrote(outcome, rc);
}
