// daemon/handler/submit.c -- Submit: check the spec, store the job, queue it.
//
// The reply goes out only once the row is durable, so that a client that holds an id can find its
// job again even if the daemon dies on the very next line.  A client that is gone before the
// worker's check is done gets no job.
//
//     [state_from: copy the other job's state (daemon/seed.h) ->] check -> row and folder -> reply

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "daemon/predict.h"
#include "daemon/queue.h"
#include "daemon/seed.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/option.h"

typedef struct submission {
    ak_daemon *d;
    ak_call *call;
    bool dry_run, hold;
    ak_check *check; // while it is under way
    ak_seed *seed;   // the state to start from; NULL: none
    ak_spec named;   // as the client gave it
    ak_spec spec;    // until the check
} submission;

// Of a source's augmentation a job that trains a classifier takes how pixels are prepared, not what
// was done to them.
static bool takes_pair(const ak_spec *spec, const char *key, bool augment_given)
{
    if (strcmp(spec->kind, "linear") != 0 && strcmp(spec->kind, "finetune") != 0)
        return !augment_given;
    return (strcmp(key, "normalize") == 0 || strcmp(key, "interpolation") == 0 ||
            ak_option_same_name(key, "crop_pct")) &&
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
    if (!given->dataset) {
        ak_text_set(&spec->dataset, source->dataset);
        if (!given->train_list)
            ak_text_set(&spec->train_list, source->train_list);
        if (!given->test_list)
            ak_text_set(&spec->test_list, source->test_list);
        if (!given->classes)
            ak_text_set(&spec->classes, source->classes);
    }
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

static void predict(submission *s, const ak_check_result *result)
{
    Akssl__V1__SubmitReply message = AKSSL__V1__SUBMIT_REPLY__INIT;
    Akssl__V1__Metric values[AK_PREDICT_VALUES], *at[AK_PREDICT_VALUES];
    ak_prediction p;

    ak_predict(s->d, result->spec, ak_caller_name(ak_call_caller(s->call)), result->estimate, &p);
    for (int i = 0; i < p.count; i++) {
        at[i] = &values[i];
        akssl__v1__metric__init(at[i]);
        values[i].name = (char *)p.values[i].name;
        values[i].has_value = 1;
        values[i].value = p.values[i].value;
    }
    message.has_id = 1; // 0: there is no job
    message.spec = ak_rpc_spec_encode(result->spec);
    message.estimate = p.sentence;
    message.prediction = at;
    message.n_prediction = (size_t)p.count;
    ak_call_reply(s->call, &message.base);
    akssl__v1__job_spec__free_unpacked(message.spec, NULL);
    ak_prediction_fini(&p);
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
    ak_caller *caller = ak_call_caller(s->call);
    int64_t id = 0;
    akssl_status rc = result->rc;
    const char *sentence = result->sentence;

    s->check = NULL;
    if (rc == AKSSL_OK && !s->dry_run) {
        const ak_order order = { .spec = result->spec,
                                 .yaml = result->yaml,
                                 .seed = s->seed ? ak_seed_path(s->seed) : NULL,
                                 .owner = ak_caller_name(caller),
                                 .hold = s->hold };

        rc = ak_control_submit(s->d, &order, &id);
        caller->job = id;
        sentence = ak_error_text();
    }
    if (rc < 0) {
        ak_call_fail(s->call, rc, sentence);
        return;
    }
    if (s->dry_run) {
        predict(s, result);
        return;
    }
    reply(s, id, result);
    ak_control_schedule(s->d);
}

static akssl_status start_check(submission *s)
{
    const ak_caller *caller = ak_call_caller(s->call);
    const ak_check_ask ask = { .spec = &s->spec,
                               .named = &s->named,
                               .admin = caller->access == AK_ACCESS_ADMIN,
                               .state = s->seed ? ak_seed_path(s->seed) : NULL };

    return ak_checker_start(&s->check, s->d->checker, &ask, on_checked, s);
}

static void on_seeded(void *ctx, akssl_status rc, const char *error)
{
    submission *s = ctx;

    if (rc == AKSSL_OK) {
        rc = start_check(s);
        error = ak_error_text();
    }
    if (rc < 0)
        ak_call_fail(s->call, rc, error);
}

static akssl_status start_submission(submission *s, const Akssl__V1__JobSpec *given)
{
    const ak_caller *caller = ak_call_caller(s->call);
    akssl_status rc = ak_rpc_spec_decode(&s->spec, given);
    ak_terms terms = { 0 };

    if (rc == AKSSL_OK)
        rc = ak_terms_parse(&terms, s->spec.time, s->spec.after);
    if (rc == AKSSL_OK)
        rc = ak_queue_check_after(s->d, &terms, 0);
    if (rc == AKSSL_OK)
        rc = ak_auth_check_priority(caller, s->spec.priority, 0);
    if (rc == AKSSL_OK)
        rc = ak_launcher_settle(s->d, &s->spec);
    ak_spec_copy(&s->named, &s->spec);
    if (rc == AKSSL_OK && s->spec.from_job)
        rc = resolve_from_job(s->d, &s->spec, given);
    if (rc == AKSSL_OK && s->spec.state_digest[0] && !s->spec.state_from)
        rc = ak_fail(AKSSL_ERR_INVALID, "state_digest is of state_from's state, and there is none: "
                                        "give both or neither");
    if (rc < 0)
        return rc;
    return s->spec.state_from ? ak_seed_start(&s->seed, s->d, &s->spec, on_seeded, s)
                              : start_check(s);
}

static void submission_free(submission *s)
{
    ak_check_cancel(s->check);
    ak_seed_free(s->seed);
    ak_spec_fini(&s->named);
    ak_spec_fini(&s->spec);
    free(s);
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__SubmitRequest *message = (const Akssl__V1__SubmitRequest *)request;
    submission *s;
    akssl_status rc;

    if (!message->spec)
        return ak_fail(AKSSL_ERR_INVALID, "submit: there is no spec in the request");
    if (d->stopping)
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld is stopping: submit again once it is back");
    s = ak_alloc(1, sizeof *s);
    *s = (submission){ .d = d, .call = call, .dry_run = message->dry_run, .hold = message->hold };
    ak_spec_init(&s->spec);
    rc = start_submission(s, message->spec);
    if (rc < 0)
        submission_free(s);
    else
        ak_call_set_user(call, s);
    return rc;
}

static void ended(ak_daemon *d, ak_call *call)
{
    submission *s = ak_call_user(call);

    (void)d;
    if (s)
        submission_free(s);
}

const ak_handler ak_handler_submit = {
    .access = AK_ACCESS_SUBMIT,
    .started = started,
    .ended = ended,
};
