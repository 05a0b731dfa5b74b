// tests/unit/daemon/backup.c -- tests daemon/backup.c, daemon/restore.c and
// daemon/store/snapshot.c.

#include "daemon/backup.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/restore.h"
#include "daemon/store/store.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "tests/unit/daemon/folder.h"

static void put(const char *folder, const char *name, const char *text)
{
    char *path = ak_path("%s/%s", folder, name);
    char *parent = ak_path("%.*s", (int)(strrchr(path, '/') - path), path);

    ck_assert_int_eq(ak_files_make(parent), 0);
    ck_assert_int_eq(ak_files_write(path, text, strlen(text)), 0);
    free(parent);
    free(path);
}

static char *get(const char *folder, const char *name)
{
    char *path = ak_path("%s/%s", folder, name);
    ak_str text = AK_STR_INIT;

    if (access(path, F_OK) == 0)
        ck_assert_int_eq(ak_files_read(path, 1 << 20, &text), 0);
    else
        ak_str_append(&text, "(none)");
    free(path);
    return ak_str_take(&text);
}

static void check(const char *folder, const char *name, const char *text)
{
    char *found = get(folder, name);

    ck_assert_str_eq(found, text);
    free(found);
}

// A state folder with one job that runs, its commit, and the draft of the next one.
static char *make_state(void)
{
    char *state = folder_make(), *path = ak_path("%s/akssld.db", state), *yaml;
    ak_commit commit = { .job = 1, .step = 4, .made_ms = 5 };
    ak_spec spec;
    ak_store *store;
    ak_job *job;

    ak_spec_init(&spec);
    yaml = ak_path("name: a\ndataset: packed:%s/a.packed,from=folder:/data%s/b\n", state, state);
    job = ak_job_new(&spec, yaml);
    free(yaml);
    ak_spec_fini(&spec);
    job->state = AK_JOB_RUNNING;
    job->committed_step = 4;
    ak_text_set(&job->run_id, "0123456789abcdef0123456789abcdef");
    free(job->weights);
    job->weights = ak_path("%s/jobs/9/export/backbone.safetensors", state);
    ck_assert_int_eq(ak_store_open(&store, path), 0);
    ck_assert_int_eq(ak_store_insert(store, job), 0);
    put(state, "jobs/1/commits/step-4/model.safetensors", "model");
    snprintf(commit.files[0].name, sizeof commit.files[0].name, "model.safetensors");
    commit.files[0].size = 5;
    ak_digest_memory("model", 5, commit.files[0].digest);
    commit.file_count = 1;
    ck_assert_int_eq(ak_store_add_commit(store, &commit), 0);
    ak_store_close(store);
    ak_job_free(job);
    put(state, "jobs/1/commits/step-6/model.safetensors", "draft");
    put(state, "jobs/1/run/x.secret", "secret");
    put(state, "jobs/1/log", "");
    put(state, "jobs/1/metrics.jsonl", "{}\n");
    put(state, "jobs/1/export/features.npy", "npy");
    put(state, "tls/ca.key", "key");
    put(state, "audit.jsonl", "{}\n");
    free(path);
    return state;
}

// collect writes a backup out; gives the warnings, yours.
static char *collect(const char *state, const char *folder)
{
    char *staging = ak_path("%s/tmp/backup", state);
    ak_backup *b = ak_backup_new(state, staging);
    ak_backup_piece *piece = ak_alloc(1, sizeof *piece);
    ak_str file = AK_STR_INIT, warnings = AK_STR_INIT;
    char *name = NULL;
    bool more = true;

    ck_assert_int_eq(ak_backup_prepare(b), 0);
    while (more) {
        ck_assert_int_eq(ak_backup_next(b, piece, &more), 0);
        if (piece->warning)
            ak_str_append(&warnings, piece->warning);
        if (name && (piece->path || !more)) {
            char *path = ak_path("%s/%s", folder, name);
            char *parent = ak_path("%.*s", (int)(strrchr(path, '/') - path), path);

            ck_assert_int_eq(ak_files_make(parent), 0);
            ck_assert_int_eq(ak_files_write(path, file.text ? file.text : "", file.length), 0);
            free(parent);
            free(path);
            ak_str_clear(&file);
        }
        if (piece->path) {
            free(name);
            name = ak_strdup(piece->path);
        }
        ak_str_append_n(&file, piece->data, piece->size);
    }
    ak_backup_free(b);
    ck_assert_int_ne(access(staging, F_OK), 0);
    free(name);
    free(staging);
    free(piece);
    ak_str_fini(&file);
    return ak_str_take(&warnings);
}

START_TEST(there_and_back)
{
    char *state = make_state(), *copy = folder_make(), *back = folder_make(), *wanted;
    char *warnings = collect(state, copy), *path = ak_path("%s/akssld.db", back);
    ak_restored done;
    ak_store *store;
    ak_job *job;

    ck_assert_str_eq(warnings, "");
    check(copy, "jobs/1/commits/step-4/model.safetensors", "model");
    check(copy, "jobs/1/commits/step-6/model.safetensors", "(none)");
    check(copy, "jobs/1/run/x.secret", "(none)");
    check(copy, "tls/ca.key", "(none)");
    check(copy, "jobs/1/export/features.npy", "npy");
    put(back, "akssld.db-wal", "of a database that was moved away");
    ck_assert_int_eq(ak_restore(copy, back, &done), 0);
    check(back, "akssld.db-wal", "(none)");
    ck_assert_int_eq(done.files, 6);
    ck_assert_int_eq(done.commits, 1);
    ck_assert_int_eq(done.damaged, 0);
    check(back, "jobs/1/metrics.jsonl", "{}\n");
    check(back, "jobs/1/log", "");
    check(back, AK_RESTORE_MARK, "(none)");
    ck_assert_int_eq(ak_store_open(&store, path), 0);
    ck_assert_int_eq(ak_store_find(store, 1, &job), 0);
    ck_assert_int_eq(job->state, AK_JOB_RUNNING);
    ck_assert_int_eq(job->committed_step, 4);
    ck_assert_str_eq(job->run_id, ""); // whoever takes it up has no run to look for
    wanted = ak_path("%s/jobs/9/export/backbone.safetensors", back);
    ck_assert_str_eq(job->weights, wanted);
    free(wanted);
    wanted = ak_path("name: a\ndataset: packed:%s/a.packed,from=folder:/data%s/b\n", back, state);
    ck_assert_str_eq(job->yaml, wanted); // a path that holds the folder's name is none of ours
    ak_job_free(job);
    ak_store_close(store);
    ck_assert_int_eq(ak_restore(copy, back, &done), AKSSL_ERR_EXISTS);
    free(wanted);
    free(path);
    free(warnings);
    folder_remove(back);
    folder_remove(copy);
    folder_remove(state);
}
END_TEST

START_TEST(damage_is_told)
{
    char *state = make_state(), *copy = folder_make(), *back = folder_make();
    char *warnings, *model;
    ak_restored done;

    put(state, "jobs/1/commits/step-4/model.safetensors", "m0del");
    warnings = collect(state, copy);
    ck_assert_ptr_nonnull(strstr(warnings, "model.safetensors' has digest"));
    ck_assert_int_eq(ak_restore(copy, back, &done), 0); // as it was
    ck_assert_int_eq(done.damaged, 1);
    free(warnings);
    folder_remove(copy);
    folder_remove(back);

    copy = folder_make();
    folder_remove(state);
    state = make_state();
    model = ak_path("%s/jobs/1/commits/step-4/model.safetensors", state);
    ck_assert_int_eq(unlink(model), 0);
    free(model);
    warnings = collect(state, copy);
    ck_assert_ptr_nonnull(strstr(warnings, "is missing"));
    free(warnings);
    folder_remove(copy);
    folder_remove(state);
}
END_TEST

START_TEST(a_manifest_is_checked)
{
    static const char *const heads[] = { "", "akssl-backup 2\n", "akssl-backup 1\nversion 1\n",
                                         "akssl-backup 1\nversion 1\nmade 1\nstate here\n" };
    static const char *const lines[] = {
        "",
        "end",
        "file 1 0123456789abcdef0123456789abcdef\nend\n",
        "file 1 0123456789abcdef0123456789abcde a\nend\n",
        "file 1 0123456789abcdef0123456789abcdef ../a\nend\n",
        "file 1 0123456789abcdef0123456789abcdef /a\nend\n",
        "file 1 0123456789abcdef0123456789abcdef a/./b\nend\n",
        "file 1 0123456789abcdef0123456789abcdef a//b\nend\n",
        "file 1 0123456789abcdef0123456789abcdef a/\nend\n",
        "file 1 0123456789abcdef0123456789abcdef a\n",
        "else\nend\n",
    };
    char *copy = folder_make(), *back = folder_make();
    ak_restored done;

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        put(copy, AK_BACKUP_MANIFEST, heads[i]);
        ck_assert_msg(ak_restore(copy, back, &done) == AKSSL_ERR_CORRUPT, "head %zu", i);
    }
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *text = ak_path("akssl-backup 1\nversion 1\nmade 1\nstate /s\n%s", lines[i]);

        put(copy, AK_BACKUP_MANIFEST, text);
        ck_assert_msg(ak_restore(copy, back, &done) == AKSSL_ERR_CORRUPT, "line %zu: %s", i,
                      ak_error_text());
        check(back, AK_RESTORE_MARK, "(none)"); // nothing was begun
        free(text);
    }
    folder_remove(back);
    folder_remove(copy);
}
END_TEST

AK_TEST_MAIN(AK_CASE(there_and_back), AK_CASE(damage_is_told), AK_CASE(a_manifest_is_checked))
