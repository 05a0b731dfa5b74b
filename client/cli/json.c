// client/cli/json.c -- what --json prints; the man page is the schema.

#include "client/cli/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd.h"

enum { REAL_DIGITS = 15 };

// The bytes of the UTF-8 character at the start of bytes, or 0 when there is none.
static size_t character(const unsigned char *bytes, size_t length)
{
    static const unsigned lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned first = bytes[0], code;
    size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (n == 0 || n > length || first > 0xf4)
        return 0;
    if (n == 1)
        return 1;
    code = first & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3fu);
    }
    if (code < lowest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return n;
}

json_t *ak_json_text(const char *bytes, size_t length)
{
    char *clean = malloc(length * 3 + 1);
    size_t used = 0, n;
    json_t *text;

    if (!clean)
        return NULL;
    for (size_t at = 0; at < length; at += n) {
        n = character((const unsigned char *)bytes + at, length - at);
        memcpy(clean + used, n ? bytes + at : "\xef\xbf\xbd", n ? n : 3);
        used += n ? n : 3;
        n = n ? n : 1;
    }
    text = json_stringn(clean, used);
    free(clean);
    return text;
}

static json_t *text_of(const char *text)
{
    return ak_json_text(text, strlen(text));
}

json_t *ak_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

// -1 stands for "not known yet" in every count of the library.
static json_t *count_of(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

json_t *ak_json_values(const akssl_value *values, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, values[i].name, ak_json_real(values[i].value));
    return object;
}

static json_t *key_value(akssl_job_spec *spec, const akssl_key *key)
{
    const char *name, *value;
    json_t *pairs;

    if (key->type == AKSSL_KEY_INT)
        return json_integer(strtoll(akssl_job_spec_get(spec, key->name), NULL, 10));
    if (key->type == AKSSL_KEY_FLOAT)
        return ak_json_real(strtod(akssl_job_spec_get(spec, key->name), NULL));
    if (key->type == AKSSL_KEY_BOOL)
        return json_boolean(strcmp(akssl_job_spec_get(spec, key->name), "true") == 0);
    if (key->type == AKSSL_KEY_TEXT)
        return text_of(akssl_job_spec_get(spec, key->name));
    pairs = json_object();
    for (size_t i = 0; akssl_job_spec_pair(spec, key->name, i, &name, &value); i++)
        json_object_set_new(pairs, name, text_of(value));
    return pairs;
}

json_t *ak_json_spec(akssl_job_spec *spec)
{
    json_t *object;
    akssl_key key;

    if (!spec)
        return json_null();
    object = json_object();
    for (size_t i = 0; akssl_job_spec_key(i, &key); i++) {
        json_t *value = key_value(spec, &key);

        for (char *at = key.name; *at; at++)
            if (*at == '-')
                *at = '_';
        json_object_set_new(object, key.name, value);
    }
    return object;
}

static json_t *progress_of(const akssl_progress *p)
{
    json_t *object, *warnings;

    if (!p)
        return json_null();
    object = json_object();
    warnings = json_array();
    json_object_set_new(object, "step", count_of(p->step));
    json_object_set_new(object, "total_steps", count_of(p->total_steps));
    json_object_set_new(object, "epoch", ak_json_real(p->epoch));
    json_object_set_new(object, "loss", ak_json_real(p->loss));
    json_object_set_new(object, "lr", ak_json_real(p->lr));
    json_object_set_new(object, "images_per_s", ak_json_real(p->images_per_s));
    json_object_set_new(object, "eta_s", ak_json_real(p->eta_s));
    json_object_set_new(object, "gauges", ak_json_values(p->gauges, p->gauge_count));
    for (size_t i = 0; i < p->warning_count; i++)
        json_array_append_new(warnings, text_of(p->warnings[i]));
    json_object_set_new(object, "warnings", warnings);
    return object;
}

json_t *ak_json_job(const akssl_job *job)
{
    json_t *object = json_object();

    json_object_set_new(object, "id", json_integer(job->id));
    json_object_set_new(object, "state", json_string(akssl_job_state_text(job->state)));
    json_object_set_new(object, "reason", text_of(job->reason));
    json_object_set_new(object, "spec", ak_json_spec(job->spec));
    json_object_set_new(object, "progress", progress_of(job->progress));
    json_object_set_new(object, "submitted_ms", count_of(job->submitted_ms));
    json_object_set_new(object, "started_ms", count_of(job->started_ms));
    json_object_set_new(object, "ended_ms", count_of(job->ended_ms));
    json_object_set_new(object, "restarts", json_integer(job->restarts));
    json_object_set_new(object, "committed_step", count_of(job->committed_step));
    json_object_set_new(object, "ranks", count_of(job->ranks));
    json_object_set_new(object, "asked_ranks", count_of(job->asked_ranks));
    json_object_set_new(object, "resizing", json_boolean(job->resizing));
    json_object_set_new(object, "folder", text_of(job->folder));
    json_object_set_new(object, "results", ak_json_values(job->results, job->result_count));
    json_object_set_new(object, "weights", text_of(job->weights));
    json_object_set_new(object, "owner", text_of(job->owner));
    json_object_set_new(object, "held", json_boolean(job->held));
    json_object_set_new(object, "elapsed_s", ak_json_real(job->elapsed_s));
    json_object_set_new(object, "slurm_state", json_string(akssl_job_state_slurm(job->state)));
    return object;
}

json_t *ak_json_tensor(const akssl_tensor *tensor)
{
    json_t *object = json_object(), *shape = json_array();

    for (size_t i = 0; i < tensor->axes; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    json_object_set_new(object, "name", text_of(tensor->name));
    json_object_set_new(object, "shape", shape);
    json_object_set_new(object, "version", count_of(tensor->version));
    json_object_set_new(object, "filled", count_of(tensor->filled));
    json_object_set_new(object, "position", count_of(tensor->position));
    json_object_set_new(object, "digest", text_of(tensor->digest));
    json_object_set_new(object, "insight", ak_json_values(tensor->insight, tensor->insight_count));
    return object;
}

json_t *ak_json_commit(const akssl_commit *commit)
{
    json_t *object = json_object();

    json_object_set_new(object, "step", count_of(commit->step));
    json_object_set_new(object, "made_ms", count_of(commit->made_ms));
    json_object_set_new(object, "files", count_of(commit->files));
    json_object_set_new(object, "bytes", count_of(commit->bytes));
    json_object_set_new(object, "ok", json_boolean(!commit->wrong[0]));
    json_object_set_new(object, "wrong", text_of(commit->wrong));
    return object;
}

void ak_json_print(FILE *out, json_t *value)
{
    if (!value || json_dumpf(value, out, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS)) != 0)
        ak_cli_error(AK_EXIT_FAILED, "the answer cannot be written as JSON");
    fputc('\n', out);
    fflush(out);
    json_decref(value);
}
