// daemon/handler/submit.c -- Submit: check the spec, store the job, queue it.
//
// The reply goes out only once the row is durable, so that a client that holds an id can find its
// job again even if the daemon dies on the very next line.  A client that is gone before the
// worker's check is done gets no job.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef struct submission {
    ak_daemon *d;
    ak_call *call;
    bool dry_run;
    ak_check *check; // while it is under way
} submission;

// Of a source's augmentation a job that trains a classifier takes how pixels are prepared, not what
// was done to them.
static bool takes_pair(const ak_spec *spec, const char *key, bool augment_given)
{
    if (strcmp(spec->kind, "linear") != 0 && strcmp(spec->kind, "finetune") != 0)
        return !augment_given;
    return (strcmp(key, "normalize") == 0 || strcmp(key, "interpolation") == 0) &&
           !ak_spec_pair_find(&spec->augment, key);
}

// inherit takes what belongs to the weights from their job's spec, where the new one does not say
// it: the network, and the images as it has seen them.
static void inherit(ak_spec *spec, const ak_spec *source, const Akssl__V1__JobSpec *given)
{
    if (!given->method)
        ak_text_set(&spec->method, source->method);
    if (!given->backbone)
        ak_text_set(&spec->backbone, source->backbone);
    if (!given->dataset)
        ak_text_set(&spec->dataset, source->dataset);
    if (!given->has_image_size)
        spec->image_size = source->image_size;
    for (int i = 0; i < source->augment.count; i++)
        if (takes_pair(spec, source->augment.keys[i], given->n_augment > 0) &&
            ak_spec_pair(&spec->augment, source->augment.keys[i], source->augment.values[i]) < 0)
            return; // cannot be: the source kept the bounds
}

// A job that starts from another one's export takes its weights, and what it does not say itself.
static akssl_status resolve_from_job(ak_daemon *d, ak_spec *spec, const Akssl__V1__JobSpec *given)
{
    const ak_job *source;
    ak_job *stored;
    char *folder, *path;
    akssl_status rc = ak_control_find(d, spec->from_job, &source, &stored);

    if (rc < 0)
        return ak_wrap(rc, "from_job");
    folder = ak_control_folder(d, spec->from_job);
    path = ak_path("%s/export/backbone.safetensors", folder);
    if (access(path, R_OK) < 0) {
        rc = ak_fail(AKSSL_ERR_STATE,
                     "from_job: job %" PRId64 " is %s and has exported no backbone: name one that "
                     "has SUCCEEDED",
                     source->id, ak_job_state_text(source->state));
    } else {
        ak_text_set(&spec->weights, path);
        inherit(spec, &source->spec, given);
    }
    free(path);
    free(folder);
    ak_job_free(stored);
    return rc;
}

static void reply(submission *s, int64_t id, const ak_check_result *result)
{
    Akssl__V1__SubmitReply message = AKSSL__V1__SUBMIT_REPLY__INIT;

    message.has_id = 1;
    message.id = id;
    message.spec = ak_rpc_spec_encode(result->spec);
    message.estimate = (char *)result->estimate;
    ak_call_reply(s->call, &message.base);
    akssl__v1__job_spec__free_unpacked(message.spec, NULL);
}

static void on_checked(void *ctx, const ak_check_result *result)
{
    submission *s = ctx;
    int64_t id = 0;
    akssl_status rc = result->rc;
    const char *sentence = result->sentence;

    s->check = NULL;
    if (rc == AKSSL_OK && !s->dry_run) {
        rc = ak_control_submit(s->d, result->spec, result->yaml, &id);
        sentence = ak_error_text();
    }
    if (rc < 0) {
        ak_call_fail(s->call, rc, sentence);
        return;
    }
    reply(s, id, result);
    ak_control_schedule(s->d);
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__SubmitRequest *message = (const Akssl__V1__SubmitRequest *)request;
    submission *s;
    ak_spec spec;
    akssl_status rc;

    if (!message->spec)
        return ak_fail(AKSSL_ERR_INVALID, "submit: there is no spec in the request");
    if (d->stopping)
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld is stopping: submit again once it is back");
    s = ak_alloc(1, sizeof *s);
    *s = (submission){ .d = d, .call = call, .dry_run = message->dry_run };
    ak_spec_init(&spec);
    rc = ak_rpc_spec_decode(&spec, message->spec);
    if (rc == AKSSL_OK && spec.from_job)
        rc = resolve_from_job(d, &spec, message->spec);
    if (rc == AKSSL_OK)
        rc = ak_checker_start(&s->check, d->checker, &spec, on_checked, s);
    ak_spec_fini(&spec);
    if (rc < 0)
        free(s);
    else
        ak_call_set_user(call, s);
    return rc;
}

static void ended(ak_daemon *d, ak_call *call)
{
    submission *s = ak_call_user(call);

    (void)d;
    if (!s)
        return;
    ak_check_cancel(s->check);
    free(s);
}

const ak_handler ak_handler_submit = { .started = started, .ended = ended };
