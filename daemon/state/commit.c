// daemon/state/commit.c -- a commit: the files of one step, with the state of the same step.

#include "daemon/state/commit.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/files.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"

enum { MAX_ASIDE = 100 };

static bool is_plain_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);

    return length && length <= AK_COMMIT_MAX_FILE_NAME && name[0] != '.' &&
           strspn(name, allowed) == length;
}

akssl_status ak_commit_add_file(ak_commit *commit, const char *name, uint64_t size,
                                const char *digest)
{
    ak_commit_file *file = &commit->files[commit->file_count];

    if (!is_plain_name(name) || strcmp(name, AK_COMMIT_STATE_FILE) == 0)
        return ak_fail(AKSSL_ERR_INVALID, "commit: '%.64s' is no name for a worker's file", name);
    if (commit->file_count + 1 >= AK_COMMIT_MAX_FILES)
        return ak_fail(AKSSL_ERR_LIMIT, "commit: more than %d files", AK_COMMIT_MAX_FILES - 1);
    if (strlen(digest) != 32 || strspn(digest, "0123456789abcdef") != 32)
        return ak_fail(AKSSL_ERR_INVALID, "commit: %s has no digest of 32 hexadecimal digits",
                       name);
    for (int i = 0; i < commit->file_count; i++)
        if (strcmp(commit->files[i].name, name) == 0)
            return ak_fail(AKSSL_ERR_INVALID, "commit: %s is given twice", name);
    memset(file, 0, sizeof *file);
    memcpy(file->name, name, strlen(name));
    memcpy(file->digest, digest, 32);
    file->size = size;
    commit->file_count++;
    return AKSSL_OK;
}

static akssl_status check_size(const ak_commit_file *file, const char *folder)
{
    char *path = ak_path("%s/%s", folder, file->name);
    uint64_t size = 0;
    akssl_status rc = ak_files_size(path, &size);

    if (rc == AKSSL_OK && size != file->size)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "file '%s' has %" PRIu64 " bytes, not %" PRIu64, path, size,
                     file->size);
    free(path);
    return rc;
}

static void add_state(ak_commit *commit, const ak_state *state, const ak_commit_file *file)
{
    commit->files[commit->file_count++] = *file;
    for (int i = 0; i < state->count; i++) {
        const ak_state_info *info = &state->tensors[i].info;
        ak_commit_tensor *tensor = &commit->tensors[commit->tensor_count++];

        memcpy(tensor->name, info->name, sizeof tensor->name);
        tensor->version = info->version;
        tensor->filled = info->filled;
        tensor->position = info->position;
    }
}

akssl_status ak_commit_make(ak_commit *commit, const char *folder, const ak_state *frozen)
{
    ak_commit_file file = { .name = AK_COMMIT_STATE_FILE };
    char *path = ak_path("%s/%s", folder, AK_COMMIT_STATE_FILE);
    char *parent = ak_path("%s/..", folder);
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < commit->file_count && rc == AKSSL_OK; i++)
        rc = check_size(&commit->files[i], folder);
    if (rc == AKSSL_OK)
        rc = ak_state_write(frozen, commit->step, path, &file.size, file.digest);
    if (rc == AKSSL_OK)
        rc = ak_files_sync(folder);
    if (rc == AKSSL_OK)
        rc = ak_files_sync(parent);
    if (rc == AKSSL_OK)
        add_state(commit, frozen, &file);
    free(parent);
    free(path);
    return rc < 0 ? ak_wrap(rc, "commit of step %" PRId64, commit->step) : AKSSL_OK;
}

static akssl_status verify_file(const ak_commit_file *file, const char *folder)
{
    char *path = ak_path("%s/%s", folder, file->name);
    char digest[AK_DIGEST_TEXT] = "";
    uint64_t size = 0;
    akssl_status rc = ak_digest_file(path, &size, digest);

    if (rc == AKSSL_OK && size != file->size)
        rc = ak_fail(AKSSL_ERR_CORRUPT,
                     "file '%s' has %" PRIu64 " bytes, but %" PRIu64 " were committed", path, size,
                     file->size);
    else if (rc == AKSSL_OK && strcmp(digest, file->digest) != 0)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "file '%s' has digest %s, but %s was committed", path,
                     digest, file->digest);
    free(path);
    return rc;
}

akssl_status ak_commit_verify(const ak_commit *commit, const char *folder)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < commit->file_count && rc == AKSSL_OK; i++)
        rc = verify_file(&commit->files[i], folder);
    return rc;
}

static bool is_of(const ak_commit *commit, const char *name)
{
    for (int i = 0; i < commit->file_count; i++)
        if (strcmp(commit->files[i].name, name) == 0)
            return true;
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

akssl_status ak_commit_check_extra(const ak_commit *commit, const char *folder)
{
    DIR *entries = opendir(folder);
    akssl_status rc = AKSSL_OK;
    struct dirent *entry;

    if (!entries)
        return ak_fail_errno(errno, "folder '%s'", folder);
    while (rc == AKSSL_OK && (entry = readdir(entries)))
        if (!is_of(commit, entry->d_name))
            rc = ak_fail(AKSSL_ERR_CORRUPT, "file '%s/%.64s' is none that was committed", folder,
                         entry->d_name);
    closedir(entries);
    return rc;
}

// ---- the newest that is whole

static akssl_status load(const ak_commit *commit, const char *commits_folder, ak_state **state)
{
    char *folder = ak_path("%s/step-%" PRId64, commits_folder, commit->step);
    char *path = ak_path("%s/%s", folder, AK_COMMIT_STATE_FILE);
    akssl_status rc = ak_commit_verify(commit, folder);

    if (rc == AKSSL_OK)
        rc = ak_state_read(state, path);
    free(path);
    free(folder);
    return rc < 0 ? ak_wrap(rc, "step %" PRId64, commit->step) : AKSSL_OK;
}

akssl_status ak_commit_choose(const ak_commit *newest_first, int count, const char *commits_folder,
                              int *chosen, ak_state **state, ak_str *wrong)
{
    for (int i = 0; i < count; i++) {
        akssl_status rc = load(&newest_first[i], commits_folder, state);

        if (rc == AKSSL_OK) {
            *chosen = i;
            return AKSSL_OK;
        }
        if (rc != AKSSL_ERR_CORRUPT && rc != AKSSL_ERR_NOT_FOUND)
            return rc;
        ak_str_format(wrong, "%s%s", wrong->length ? "; " : "", ak_error_text());
    }
    return ak_fail(AKSSL_ERR_CORRUPT, "%s", wrong->length ? wrong->text : "there is no commit");
}

akssl_status ak_commit_set_aside(const char *commits_folder, int64_t step, char **name)
{
    char *from = ak_path("%s/step-%" PRId64, commits_folder, step);
    akssl_status rc = AKSSL_ERR_EXISTS;

    *name = NULL;
    for (int i = 1; i <= MAX_ASIDE && rc == AKSSL_ERR_EXISTS; i++) {
        char *to = i == 1 ? ak_path("%s/aside-step-%" PRId64, commits_folder, step)
                          : ak_path("%s/aside-step-%" PRId64 ".%d", commits_folder, step, i);

        if (access(to, F_OK) == 0)
            rc = ak_fail(AKSSL_ERR_EXISTS, "'%s' and its like are there: remove some", to);
        else if (rename(from, to) == 0)
            rc = AKSSL_OK;
        else
            rc = ak_fail_errno(errno, "'%s' cannot be renamed to '%s'", from, to);
        if (rc == AKSSL_OK)
            *name = ak_strdup(strrchr(to, '/') + 1);
        free(to);
    }
    if (rc == AKSSL_ERR_NOT_FOUND)
        rc = AKSSL_OK; // was set aside before, or is gone
    else if (rc == AKSSL_OK)
        rc = ak_files_sync(commits_folder);
    free(from);
    return rc;
}

// ---- what is no commit

static bool is_kept(const char *name, const int64_t *steps, int count)
{
    char text[32];

    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "step-%" PRId64, steps[i]);
        if (strcmp(text, name) == 0)
            return true;
    }
    return false;
}

akssl_status ak_commit_sweep(const char *commits_folder, const int64_t *steps, int count,
                             int64_t before)
{
    DIR *folder = opendir(commits_folder);
    akssl_status rc = AKSSL_OK;
    struct dirent *entry;

    if (!folder)
        return errno == ENOENT ? AKSSL_OK : ak_fail_errno(errno, "folder '%s'", commits_folder);
    while (rc == AKSSL_OK && (entry = readdir(folder))) {
        char *path;

        if (strncmp(entry->d_name, "step-", 5) != 0 ||
            strtoll(entry->d_name + 5, NULL, 10) >= before || is_kept(entry->d_name, steps, count))
            continue;
        path = ak_path("%s/%s", commits_folder, entry->d_name);
        rc = ak_files_remove(path);
        free(path);
    }
    closedir(folder);
    return rc;
}
