// daemon/handler/edit.c -- Edit: other values for keys of a job that waits.
//
// Judged as a submission is, then stored in the row and in the folder's spec.yaml.  What decides
// the result (and the state that it starts from) may change only while nothing of it was committed.

#include <stdlib.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "daemon/queue.h"
#include "daemon/seed.h"
#include "daemon/wire.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef struct edit {
    ak_daemon *d;
    ak_call *call;
    int64_t id;
    ak_check *check; // while it is under way
    Akssl__V1__JobSpec *given;
    char *before; // the job's YAML when the two were merged
    int64_t committed;
} edit;

// may_change says what a job that has begun may still be told.
static bool may_change(const char *key)
{
    static const char *const keys[] = { "name", "priority", "time",     "after", "max_restarts",
                                        "keep", "ranks",    "launcher", "map" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static akssl_status check_keys(const ak_job *job, const ak_spec *given)
{
    const ak_option *table = ak_spec_table();

    if (given->given[0] || given->from_job || given->state_from || given->state_digest[0])
        return ak_fail(AKSSL_ERR_INVALID, "edit: kind, from_job and state_from stay as they were "
                                          "submitted: submit another job");
    if (job->committed_step < 0)
        return AKSSL_OK;
    for (size_t i = 0; table[i].name; i++)
        if (given->given[i] && !may_change(table[i].name))
            return ak_fail(AKSSL_ERR_STATE,
                           "edit: job %lld has begun, and '%s' decides its result: change name, "
                           "priority, time, after, ranks, launcher, keep, max_restarts or map",
                           (long long)job->id, table[i].name);
    if (given->option.count || given->augment.count)
        return ak_fail(AKSSL_ERR_STATE, "edit: job %lld has begun: its options stay",
                       (long long)job->id);
    return AKSSL_OK;
}

static akssl_status find(ak_daemon *d, int64_t id, ak_job **job)
{
    akssl_status rc = ak_control_active(d, id, job);

    if (rc == AKSSL_OK && (*job)->state != AK_JOB_QUEUED && (*job)->state != AK_JOB_PAUSED)
        rc = ak_fail(AKSSL_ERR_STATE, "job %lld is %s: only one that waits is edited",
                     (long long)id, ak_job_state_text((*job)->state));
    return rc;
}

static bool gives(const ak_spec *given, const char *key)
{
    const ak_option *table = ak_spec_table();

    for (size_t i = 0; table[i].name; i++)
        if (given->given[i] && strcmp(table[i].name, key) == 0)
            return true;
    return false;
}

// forget clears what was settled when the job was submitted, by what is given anew.
static akssl_status forget(ak_spec *spec, const ak_spec *given)
{
    static const struct {
        const char *key, *by;
    } settled[] = {
        { "data_fingerprint", "dataset" },
        { "data_fingerprint", "train_list" },
        { "data_fingerprint", "classes" },
        { "data_fingerprint", "limit_images" },
        { "data_fingerprint", "on_bad_image" },
        { "exclude_1d", "optimizer" },
        { "batch_norm", "method" },
    };
    bool recipe = ak_spec_pair_find(&given->augment, "recipe");
    akssl_status rc = AKSSL_OK;

    for (size_t i = 0; i < sizeof settled / sizeof *settled && rc == AKSSL_OK; i++)
        if (gives(given, settled[i].by))
            rc = ak_spec_set(spec, settled[i].key, "");
    if (gives(given, "weights")) {
        spec->image_size = spec->from_job = 0;
        ak_spec_pair_remove(&spec->augment, "crop_pct");
    }
    if (recipe || gives(given, "weights")) { // which say how pixels are prepared
        ak_spec_pair_remove(&spec->augment, "normalize");
        ak_spec_pair_remove(&spec->augment, "interpolation");
    }
    return rc;
}

// merge puts what is given, which it decodes, on top of the job's spec.
static akssl_status merge(const edit *e, const ak_job *job, ak_spec *given, ak_spec *spec)
{
    const ak_caller *caller = ak_call_caller(e->call);
    ak_terms terms = { 0 };
    akssl_status rc;

    ak_spec_init(given);
    rc = ak_rpc_spec_decode(given, e->given);
    if (rc == AKSSL_OK)
        rc = check_keys(job, given);
    if (rc == AKSSL_OK && e->given->has_priority)
        rc = ak_auth_check_priority(caller, given->priority, job->spec.priority);
    ak_spec_copy(spec, &job->spec);
    if (rc == AKSSL_OK)
        rc = forget(spec, given);
    if (rc == AKSSL_OK)
        rc = ak_rpc_spec_decode(spec, e->given);
    if (rc == AKSSL_OK)
        rc = ak_terms_parse(&terms, spec->time, spec->after);
    if (rc == AKSSL_OK)
        rc = ak_queue_check_after(e->d, &terms, job->id);
    if (rc == AKSSL_OK && e->given->launcher)
        rc = ak_launcher_settle(e->d, spec);
    return rc;
}

// store_ranks forgets what a resize has asked for, which goes before the spec's number.
static akssl_status store_ranks(ak_daemon *d, ak_job *job)
{
    int64_t asked = job->asked_ranks;
    akssl_status rc;

    job->asked_ranks = -1;
    rc = ak_control_save(d, job);
    if (rc < 0)
        job->asked_ranks = asked;
    else
        job->growing = job->keeps_ranks = false;
    return rc;
}

static akssl_status store(ak_daemon *d, ak_job *job, const ak_check_result *result)
{
    char *folder = ak_control_folder(d, job->id);
    char *path = ak_path("%s/spec.yaml", folder);
    char *yaml = ak_strdup(result->yaml), *old = job->yaml;
    ak_spec spec = job->spec;
    akssl_status rc;

    memset(&job->spec, 0, sizeof job->spec);
    ak_spec_copy(&job->spec, result->spec);
    job->yaml = yaml;
    rc = ak_store_update_spec(d->store, job);
    if (rc == AKSSL_OK) { // the row counts; the file is for people
        if (ak_files_write(path, yaml, strlen(yaml)) < 0)
            ak_log_write(d->log, AK_LOG_WARN, "%s", ak_error_text());
        free(old);
        ak_spec_fini(&spec);
        rc = ak_terms_parse(&job->terms, job->spec.time, job->spec.after);
    } else {
        ak_spec_fini(&job->spec);
        job->spec = spec;
        job->yaml = old;
        free(yaml);
    }
    free(path);
    free(folder);
    return rc;
}

static void on_checked(void *ctx, const ak_check_result *result)
{
    edit *e = ctx;
    const char *sentence = result->sentence;
    akssl_status rc = result->rc;
    ak_job *job;

    e->check = NULL;
    if (rc == AKSSL_OK) {
        rc = find(e->d, e->id, &job); // it may have started meanwhile
        if (rc == AKSSL_OK &&
            (strcmp(job->yaml, e->before) != 0 || job->committed_step != e->committed))
            rc = ak_fail(AKSSL_ERR_STATE, "job %lld was changed meanwhile: edit it again",
                         (long long)e->id);
        if (rc == AKSSL_OK)
            rc = store(e->d, job, result);
        if (rc == AKSSL_OK && e->given->has_ranks)
            rc = store_ranks(e->d, job);
        sentence = ak_error_text();
    }
    if (rc < 0) {
        ak_call_fail(e->call, rc, sentence);
        return;
    }
    ak_control_schedule(e->d);
    job = ak_jobs_find(&e->d->jobs, e->id);
    if (job)
        ak_wire_reply(e->call, job, e->d->config->state_dir);
    else // a time limit that is over already, or a job that did not succeed
        ak_call_fail(e->call, AKSSL_ERR_STATE, "by what it was changed to, the job has ended");
}

static void edit_free(edit *e)
{
    ak_check_cancel(e->check);
    akssl__v1__job_spec__free_unpacked(e->given, NULL);
    free(e->before);
    free(e);
}

// keep copies what the request says, which goes when `started` returns.
static Akssl__V1__JobSpec *keep(const Akssl__V1__JobSpec *spec)
{
    size_t size = akssl__v1__job_spec__get_packed_size(spec);
    uint8_t *bytes = ak_alloc(size + 1, 1);
    Akssl__V1__JobSpec *copy;

    akssl__v1__job_spec__pack(spec, bytes);
    copy = akssl__v1__job_spec__unpack(NULL, size, bytes);
    free(bytes);
    return copy;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__EditRequest *message = (const Akssl__V1__EditRequest *)request;
    ak_spec given = { 0 }, spec = { 0 };
    const ak_caller *caller = ak_call_caller(call);
    ak_check_ask ask = { .spec = &spec,
                         .named = &given,
                         .admin = caller->access == AK_ACCESS_ADMIN };
    char *folder, *seeded = NULL;
    ak_job *job;
    edit *e;
    akssl_status rc = find(d, message->id, &job);

    if (rc == AKSSL_OK && !message->spec)
        rc = ak_fail(AKSSL_ERR_INVALID, "edit: there is no spec in the request");
    if (rc < 0)
        return rc;
    folder = ak_control_folder(d, job->id);
    e = ak_alloc(1, sizeof *e);
    *e = (edit){ .d = d,
                 .call = call,
                 .id = message->id,
                 .given = keep(message->spec),
                 .before = ak_strdup(job->yaml),
                 .committed = job->committed_step };
    rc = merge(e, job, &given, &spec);
    if (spec.state_from && job->committed_step < 0)
        ask.state = seeded = ak_path("%s/" AK_SEED_FILE, folder);
    if (rc == AKSSL_OK)
        rc = ak_checker_start(&e->check, d->checker, &ask, on_checked, e);
    free(seeded);
    free(folder);
    ak_spec_fini(&given);
    ak_spec_fini(&spec);
    if (rc < 0)
        edit_free(e);
    else
        ak_call_set_user(call, e);
    return rc;
}

static void ended(ak_daemon *d, ak_call *call)
{
    edit *e = ak_call_user(call);

    (void)d;
    if (e)
        edit_free(e);
}

const ak_handler ak_handler_edit = {
    .access = AK_ACCESS_SUBMIT,
    .job_at = offsetof(Akssl__V1__EditRequest, id),
    .started = started,
    .ended = ended,
};
