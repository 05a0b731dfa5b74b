// worker/train/commit.c -- a run's files: commits and the export.

#include "worker/train/commit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/format/folder.h"
#include "worker/train/about.h"
#include "worker/train/machine.h"

static const char results_key[] = "results"; // name=value;name=value
static const char watch_key[] = "watch";     // watch.h
static const char *const names[AK_COMMIT_FILES] = { "model.safetensors", "optimizer.safetensors" };

// Rank 0's outcome becomes everybody's.
static akssl_status agree(ak_comm *comm, akssl_status rc)
{
    char sentence[512] = "";

    if (rc < 0)
        snprintf(sentence, sizeof sentence, "%s", ak_error_text());
    ak_comm_broadcast(comm, &rc, sizeof rc);
    ak_comm_broadcast(comm, sentence, sizeof sentence);
    return rc < 0 ? ak_fail(rc, "%s", sentence) : AKSSL_OK;
}

static akssl_status finish_file(ak_safetensors_writer *w, akssl_status rc, ak_commit_file *file)
{
    if (rc == AKSSL_OK)
        rc = ak_safetensors_commit(w, &file->size, file->digest);
    ak_safetensors_writer_free(w);
    return rc;
}

static void set_number(ak_safetensors_writer *w, const char *key, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, value);
    ak_safetensors_set_meta(w, key, text);
}

static akssl_status create(ak_safetensors_writer **out, const char *path,
                           ak_safetensors_buffer *buffer)
{
    akssl_status rc = ak_safetensors_create(out, path);

    if (rc == AKSSL_OK)
        ak_safetensors_gather(*out, buffer, SIZE_MAX);
    return rc;
}

static akssl_status draw_model(ak_trainer *t, const ak_results *results, const char *path,
                               ak_safetensors_buffer *buffer, ak_safetensors_writer **out)
{
    ak_str text = AK_STR_INIT;
    ak_safetensors_writer *w;
    akssl_status rc = create(out, path, buffer);

    if (rc < 0)
        return rc;
    w = *out;
    ak_safetensors_set_meta(w, "format", "pt");
    set_number(w, "step", t->step);
    ak_safetensors_set_meta(w, AK_MACHINE_KEY, ak_isa_name(t->world.isa));
    ak_safetensors_set_meta(w, "precision", t->world.bf16 ? "bf16" : "fp32");
    for (int i = 0; i < results->count; i++)
        ak_str_format(&text, "%s=%.17g;", results->row[i].name, results->row[i].value);
    if (results->count)
        ak_safetensors_set_meta(w, results_key, text.text);
    if (t->watch.length)
        ak_safetensors_set_meta(w, watch_key, t->watch.text);
    ak_str_fini(&text);
    ak_model_declare(&t->model, w, "");
    return ak_model_write(&t->model, w, "");
}

static akssl_status take(void *ctx, const float *values, int64_t count)
{
    return ak_safetensors_write(ctx, values, (size_t)count * sizeof *values);
}

static void declare_slots(const ak_trainer *t, ak_safetensors_writer *w)
{
    for (int slot = 0; slot < AK_OPTIM_SLOTS && t->optim->slots[slot]; slot++) {
        for (int i = 0; i < t->model.count; i++) {
            const ak_param *p = t->model.params[i];
            ak_str name = AK_STR_INIT;

            if (p->role != AK_ROLE_TRAINED)
                continue;
            ak_str_format(&name, "%s.%s", t->optim->slots[slot], p->name);
            ak_safetensors_declare(w, name.text, AK_F32, p->dims, p->shape);
            ak_str_fini(&name);
        }
    }
}

static akssl_status ignore(void *ctx, const float *values, int64_t count)
{
    (void)ctx;
    (void)values;
    (void)count;
    return AKSSL_OK;
}

// The slices arrive in the order of the flat vector, which is the order of the declarations.
// rc: rank 0's so far; after a failure the slices are still received, and dropped.
static akssl_status draw_optimizer(ak_trainer *t, akssl_status rc, const char *path,
                                   ak_safetensors_buffer *buffer, ak_safetensors_writer **out)
{
    bool root = ak_comm_rank(t->world.comm) == 0;

    if (root && rc == AKSSL_OK)
        rc = create(out, path, buffer);
    if (root && rc == AKSSL_OK) {
        ak_safetensors_set_meta(*out, "optimizer", t->optim->name);
        set_number(*out, "step", t->step);
        declare_slots(t, *out);
    }
    for (int slot = 0; slot < AK_OPTIM_SLOTS && t->optim->slots[slot]; slot++) {
        akssl_status gathered = ak_slices_gather(t->slices, t->world.comm, t->slots[slot],
                                                 rc == AKSSL_OK ? take : ignore, *out);

        rc = rc == AKSSL_OK ? gathered : rc;
    }
    return root ? rc : AKSSL_OK;
}

// What a tensor's line of the header takes at most, and the header's metadata.
enum { LINE = 256, METADATA = 64 << 10 };

static void file_sizes(const ak_trainer *t, size_t size[AK_COMMIT_FILES])
{
    int slots = 0;

    while (slots < AK_OPTIM_SLOTS && t->optim->slots[slots])
        slots++;
    size[0] = size[1] = METADATA;
    for (int i = 0; i < t->model.count; i++) {
        const ak_param *p = t->model.params[i];
        size_t bytes = LINE + (size_t)p->numel * sizeof(float);

        size[0] += bytes;
        if (p->role == AK_ROLE_TRAINED)
            size[1] += (size_t)slots * bytes;
    }
}

int64_t ak_commit_size(const ak_trainer *t)
{
    size_t size[AK_COMMIT_FILES];

    file_sizes(t, size);
    return (int64_t)(size[0] + size[1]);
}

akssl_status ak_commit_reserve(ak_commit_memory *memory, const ak_trainer *t)
{
    akssl_status rc = AKSSL_OK;
    size_t size[AK_COMMIT_FILES];

    file_sizes(t, size);
    for (int i = 0; i < AK_COMMIT_FILES && rc == AKSSL_OK && ak_comm_rank(t->world.comm) == 0; i++)
        rc = ak_safetensors_buffer_reserve(&memory->files[i], size[i]);
    return rc < 0 ? ak_wrap(rc, "memory for commits") : rc;
}

void ak_commit_memory_fini(ak_commit_memory *memory)
{
    for (int i = 0; i < AK_COMMIT_FILES; i++)
        ak_safetensors_buffer_fini(&memory->files[i]);
}

akssl_status ak_commit_draw(ak_trainer *t, const ak_results *results, const char *folder,
                            ak_commit_memory *memory, ak_commit_draft *draft)
{
    bool root = ak_comm_rank(t->world.comm) == 0;
    ak_str commits = AK_STR_INIT, path = AK_STR_INIT;
    akssl_status rc = AKSSL_OK;

    *draft = (ak_commit_draft){ .step = t->step };
    ak_str_format(&commits, "%s/commits", folder);
    ak_str_format(&path, "%s/step-%" PRId64, commits.text, t->step);
    if (root) {
        rc = ak_folder_make(commits.text);
        if (rc == AKSSL_OK)
            rc = ak_folder_make(path.text);
        ak_str_format(&path, "/%s", names[0]);
        if (rc == AKSSL_OK)
            rc = draw_model(t, results, path.text, &memory->files[0], &draft->writers[0]);
        ak_str_clear(&path);
        ak_str_format(&path, "%s/step-%" PRId64 "/%s", commits.text, t->step, names[1]);
        draft->folder = ak_strdup(folder);
        draft->commits = ak_str_take(&commits);
    }
    rc = draw_optimizer(t, rc, path.text, &memory->files[1], &draft->writers[1]);
    rc = agree(t->world.comm, rc);
    ak_str_fini(&commits);
    ak_str_fini(&path);
    return rc < 0 ? ak_wrap(rc, "commit of step %" PRId64, t->step) : rc;
}

akssl_status ak_commit_flush(ak_commit_draft *draft, ak_commit_file files[AK_COMMIT_FILES])
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < AK_COMMIT_FILES && rc == AKSSL_OK; i++)
        rc = ak_safetensors_sync(draft->writers[i]); // or none stays on a disk that is full
    for (int i = 0; i < AK_COMMIT_FILES && rc == AKSSL_OK; i++) {
        files[i].name = names[i];
        rc = ak_safetensors_commit(draft->writers[i], &files[i].size, files[i].digest);
    }
    // Once more: a run that was cut off may have made these folders without flushing them.
    if (rc == AKSSL_OK)
        rc = ak_folder_sync(draft->commits);
    if (rc == AKSSL_OK)
        rc = ak_folder_sync(draft->folder);
    return rc < 0 ? ak_wrap(rc, "commit of step %" PRId64, draft->step) : rc;
}

void ak_commit_drop(ak_commit_draft *draft)
{
    for (int i = 0; i < AK_COMMIT_FILES; i++)
        ak_safetensors_writer_free(draft->writers[i]);
    free(draft->folder);
    free(draft->commits);
    *draft = (ak_commit_draft){ .step = draft->step };
}

// ---- reading

// Copies what of a parameter lies in a stretch of this rank's slice.
static void take_stretch(float *slot, const float *values, const ak_param *p, const ak_stretch *in)
{
    int64_t from = in->from > p->offset ? in->from : p->offset;
    int64_t to = in->to < p->offset + p->numel ? in->to : p->offset + p->numel;

    if (from < to)
        memcpy(slot + in->at + from - in->from, values + (from - p->offset),
               (size_t)(to - from) * sizeof(float));
}

static akssl_status read_slot(ak_trainer *t, const ak_safetensors *file, int slot,
                              const ak_param *p)
{
    const ak_safetensors_entry *e;
    ak_str name = AK_STR_INIT;
    akssl_status rc = AKSSL_OK;

    ak_str_format(&name, "%s.%s", t->optim->slots[slot], p->name);
    e = ak_safetensors_find(file, name.text);
    if (!e || e->dtype != AK_F32 || ak_safetensors_numel(e) != p->numel)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "'%s' is missing or of another size", name.text);
    ak_str_fini(&name);
    for (int b = 0; b < t->slices->buckets && rc == AKSSL_OK; b++) {
        ak_stretch in = ak_slices_stretch(t->slices, b);

        take_stretch(t->slots[slot], ak_safetensors_data(file, e), p, &in);
    }
    return rc;
}

static akssl_status read_optimizer(ak_trainer *t, const char *path)
{
    ak_safetensors *file = NULL;
    akssl_status rc = ak_safetensors_open(&file, path);

    for (int slot = 0; slot < AK_OPTIM_SLOTS && t->optim->slots[slot]; slot++)
        for (int i = 0; i < t->model.count && rc == AKSSL_OK; i++)
            if (t->model.params[i]->role == AK_ROLE_TRAINED)
                rc = read_slot(t, file, slot, t->model.params[i]);
    ak_safetensors_close(file);
    return rc;
}

static void read_results(ak_results *results, const ak_safetensors *file)
{
    const char *at = ak_safetensors_meta(file, results_key);

    while (at && *at) {
        char name[AK_RESULT_NAME];
        double value;
        int used = 0;

        if (sscanf(at, "%47[^=]=%lf;%n", name, &value, &used) != 2 || !used)
            return; // of another version: figures of a finished evaluation, no state
        ak_results_put(results, "", name, value);
        at += used;
    }
}

static const char *text_of(const ak_safetensors *file, const char *key)
{
    const char *text = ak_safetensors_meta(file, key);

    return text ? text : "";
}

static akssl_status check_step(const ak_safetensors *file, int64_t step)
{
    const char *text = ak_safetensors_meta(file, "step");

    if (!text || strtoll(text, NULL, 10) != step)
        return ak_fail(AKSSL_ERR_CORRUPT, "the files are of step %.32s, not %" PRId64,
                       text ? text : "?", step);
    return AKSSL_OK;
}

akssl_status ak_commit_read(ak_trainer *t, ak_results *results, const char *commit, int64_t step)
{
    ak_str path = AK_STR_INIT;
    ak_safetensors *file;
    akssl_status rc;

    ak_str_format(&path, "%s/model.safetensors", commit);
    rc = ak_safetensors_open(&file, path.text);
    if (rc == AKSSL_OK) {
        rc = check_step(file, step);
        if (rc == AKSSL_OK)
            rc = ak_model_read(&t->model, file, true, "");
        read_results(results, file);
        ak_str_clear(&t->watch);
        ak_str_append(&t->watch, text_of(file, watch_key));
        ak_safetensors_close(file);
    }
    if (rc == AKSSL_OK) {
        ak_str_clear(&path);
        ak_str_format(&path, "%s/optimizer.safetensors", commit);
        rc = read_optimizer(t, path.text);
    }
    t->step = step;
    ak_str_fini(&path);
    return rc < 0 ? ak_wrap(rc, "resume from '%s'", commit) : rc;
}

bool ak_commit_is_elsewhere(akssl_status rc)
{
    return ak_is_unwritten(rc) || rc == AKSSL_ERR_NOT_FOUND || rc == AKSSL_ERR_CORRUPT ||
           rc == AKSSL_ERR_LIMIT || rc == AKSSL_ERR_NO_MEMORY;
}

// ---- export

static akssl_status write_export(const ak_export *e, const ak_spec *spec, const char *path)
{
    ak_commit_file file;
    ak_spec_pairs about = { 0 };
    ak_safetensors_writer *w;
    akssl_status rc = ak_safetensors_create(&w, path);

    if (rc < 0)
        return rc;
    ak_safetensors_set_meta(w, "format", "pt");
    rc = ak_about_run(&about, spec, e->method, e->step);
    if (rc == AKSSL_OK)
        rc = ak_about_backbone(&about, e->encoder->backbone, e->encoder->self);
    for (int i = 0; i < about.count; i++)
        ak_safetensors_set_meta(w, about.keys[i], about.values[i]);
    ak_spec_pairs_fini(&about);
    ak_model_declare(e->model, w, e->only);
    return finish_file(w, rc < 0 ? rc : ak_model_write(e->model, w, e->only), &file);
}

akssl_status ak_export_write(const ak_export *e, const ak_spec *spec, ak_comm *comm,
                             const char *folder, ak_str *path)
{
    akssl_status rc = AKSSL_OK;

    ak_str_clear(path);
    ak_str_format(path, "%s/export", folder);
    if (ak_comm_rank(comm) == 0)
        rc = ak_folder_make(path->text);
    if (ak_comm_rank(comm) == 0 && rc == AKSSL_OK)
        rc = ak_folder_sync(folder);
    ak_str_format(path, "/%s", e->file);
    if (ak_comm_rank(comm) == 0 && rc == AKSSL_OK)
        rc = write_export(e, spec, path->text);
    rc = agree(comm, rc);
    return rc < 0 ? ak_wrap(rc, "export") : rc;
}

akssl_status ak_export_backbone(ak_trainer *t, const ak_spec *spec, const char *folder,
                                ak_str *path)
{
    const ak_export what = { .model = &t->model,
                             .encoder = ak_trainer_encoder(t),
                             .only = "backbone.",
                             .file = "backbone.safetensors",
                             .method = t->method->name,
                             .step = t->step };

    return ak_export_write(&what, spec, t->world.comm, folder, path);
}
