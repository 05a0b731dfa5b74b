// daemon/restore.c -- `akssld --restore DIR`: a state folder made of a backup.

#include "daemon/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/backup.h"
#include "daemon/files.h"
#include "daemon/lock.h"
#include "daemon/store/snapshot.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef struct restore {
    const char *folder, *state_dir;
    char original[AK_BACKUP_MAX_PATH]; // the folder that the backup is of
    ak_restored done;
    char block[1 << 16];
} restore;

static bool there_is(const restore *r, const char *name)
{
    char *path = ak_path("%s/%s", r->state_dir, name);
    bool found = access(path, F_OK) == 0;

    free(path);
    return found;
}

static akssl_status remove_old(const restore *r, const char *name)
{
    char *path = ak_path("%s/%s", r->state_dir, name);
    akssl_status rc = ak_files_remove(path);

    free(path);
    return rc;
}

// make_room removes what an earlier restore has left, and the log of a database that was moved
// away: SQLite would play it into the restored one.
static akssl_status make_room(const restore *r)
{
    static const char *const names[] = {
        "jobs",          "audit.jsonl",  AK_RESTORE_MARK "-wal", AK_RESTORE_MARK "-shm",
        "akssld.db-wal", "akssld.db-shm"
    };
    akssl_status rc = AKSSL_OK;

    if (there_is(r, "akssld.db") || (there_is(r, "jobs") && !there_is(r, AK_RESTORE_MARK)))
        return ak_fail(AKSSL_ERR_EXISTS,
                       "state folder '%s' has jobs of its own: give an empty --state-dir, or move "
                       "what is there away",
                       r->state_dir);
    for (size_t i = 0; i < sizeof names / sizeof *names && rc == AKSSL_OK; i++)
        rc = remove_old(r, names[i]);
    return rc;
}

// ---- files

static akssl_status pump(restore *r, int from, int to, const ak_backup_file *file, const char *path)
{
    ak_digest *digest = ak_digest_new();
    char found[AK_DIGEST_TEXT];
    uint64_t size = 0;
    akssl_status rc = AKSSL_OK;
    ssize_t n = 0;
    int error = 0;

    while (!error && (n = read(from, r->block, sizeof r->block)) > 0) {
        ak_digest_add(digest, r->block, (size_t)n);
        size += (uint64_t)n;
        error = ak_files_put(to, r->block, (size_t)n);
    }
    ak_digest_end(digest, found);
    if (error)
        rc = ak_fail_errno(error, "file '%s' cannot be written", path);
    else if (n < 0)
        rc = ak_fail_errno(errno, "file '%s/%s'", r->folder, file->path);
    if (rc == AKSSL_OK && (size != file->size || strcmp(found, file->digest) != 0))
        rc = ak_fail(AKSSL_ERR_CORRUPT,
                     "file '%s/%s' has %" PRIu64 " bytes and digest %s, but the manifest says "
                     "%" PRIu64 " and %s: take another backup",
                     r->folder, file->path, size, found, file->size, file->digest);
    r->done.bytes += (int64_t)size;
    return rc;
}

static akssl_status make_parent(const char *path)
{
    char *parent = ak_path("%.*s", (int)(strrchr(path, '/') - path), path);
    akssl_status rc = ak_files_make(parent);

    free(parent);
    return rc;
}

// copy_file copies one, and compares; the database under the name that it has meanwhile.
static akssl_status copy_file(restore *r, const ak_backup_file *file)
{
    bool database = strcmp(file->path, "akssld.db") == 0;
    char *source = ak_path("%s/%s", r->folder, file->path);
    char *path = ak_path("%s/%s", r->state_dir, database ? AK_RESTORE_MARK : file->path);
    int from = open(source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), to = -1;
    akssl_status rc = from < 0 ? ak_fail_errno(errno, "file '%s'", source) : make_parent(path);

    if (rc == AKSSL_OK) {
        to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        rc = to < 0 ? ak_fail_errno(errno, "file '%s' cannot be made", path) : AKSSL_OK;
    }
    if (rc == AKSSL_OK)
        rc = pump(r, from, to, file, path);
    if (from >= 0)
        close(from);
    if (to >= 0 && close(to) < 0 && rc == AKSSL_OK)
        rc = ak_fail_errno(errno, "file '%s' cannot be written", path);
    r->done.files++;
    free(path);
    free(source);
    return rc;
}

static akssl_status mark(const restore *r)
{
    char *path = ak_path("%s/" AK_RESTORE_MARK, r->state_dir);
    akssl_status rc = ak_files_write(path, "", 0);

    free(path);
    return rc;
}

// each reads the manifest, which is open, and shows its files to what (NULL: to nobody).
static akssl_status each(restore *r, FILE *manifest,
                         akssl_status (*what)(restore *r, const ak_backup_file *file))
{
    ak_backup_file file;
    bool more = true;
    akssl_status rc;

    rewind(manifest);
    rc = ak_backup_read_head(manifest, r->original);
    while (rc == AKSSL_OK && more) {
        rc = ak_backup_read_file(manifest, &file, &more);
        if (rc == AKSSL_OK && more && what)
            rc = what(r, &file);
    }
    return rc;
}

static akssl_status copy_all(restore *r)
{
    char *path = ak_path("%s/" AK_BACKUP_MANIFEST, r->folder);
    FILE *manifest = fopen(path, "rbe");
    akssl_status rc = manifest
                          ? each(r, manifest, NULL)
                          : ak_fail_errno(errno, "'%s' is no backup, or none that is whole: '%s'",
                                          r->folder, path);

    if (rc == AKSSL_OK)
        rc = mark(r);
    if (rc == AKSSL_OK)
        rc = each(r, manifest, copy_file);
    if (manifest)
        fclose(manifest);
    free(path);
    return rc;
}

// ---- the database

static bool take_id(void *ctx, const ak_job *job)
{
    int64_t *newest = ctx;

    *newest = job->id;
    return false;
}

static akssl_status verify_job(restore *r, ak_store *store, int64_t id)
{
    ak_commit *commits = NULL;
    int count = 0;
    akssl_status rc = ak_store_commits(store, id, &commits, &count);

    for (int i = 0; i < count && rc == AKSSL_OK; i++) {
        char *folder =
            ak_path("%s/jobs/%" PRId64 "/commits/step-%" PRId64, r->state_dir, id, commits[i].step);

        r->done.commits++;
        if (ak_commit_verify(&commits[i], folder) < 0) {
            r->done.damaged++;
            fprintf(stderr, "akssld: --restore: warning: %s\n", ak_error_text());
        }
        free(folder);
    }
    free(commits);
    return rc;
}

static akssl_status look_through(restore *r, ak_store *store)
{
    char *from = ak_path("%s/", r->original), *to = ak_path("%s/", r->state_dir);
    const ak_filter newest = { .limit = 1 };
    int64_t last = 0;
    akssl_status rc = ak_store_check(store);

    if (rc == AKSSL_OK && strcmp(from, to) != 0)
        rc = ak_store_relocate(store, from, to);
    if (rc == AKSSL_OK)
        rc = ak_store_list(store, &newest, take_id, &last);
    for (int64_t id = 1; id <= last && rc == AKSSL_OK; id++)
        rc = verify_job(r, store, id);
    free(to);
    free(from);
    return rc;
}

static akssl_status settle_database(restore *r)
{
    char *path = ak_path("%s/" AK_RESTORE_MARK, r->state_dir);
    ak_store *store = NULL;
    akssl_status rc = ak_store_open(&store, path); // of an older akssld: brought up to date

    if (rc == AKSSL_OK)
        rc = look_through(r, store);
    if (rc == AKSSL_OK)
        rc = ak_store_settle(store);
    ak_store_close(store);
    free(path);
    return rc;
}

// ---- the end

static int give(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    struct stat root;

    (void)kind;
    (void)at;
    (void)st;
    return stat(".", &root) < 0 || lchown(path, root.st_uid, root.st_gid) < 0 ? errno : 0;
}

// give_all lets root restore for the user that akssld runs as.
static akssl_status give_all(const restore *r)
{
    int error = geteuid() ? 0 : chdir(r->state_dir) < 0 ? errno : nftw(".", give, 16, FTW_PHYS);

    return error ? ak_fail_errno(error, "state folder '%s': its files cannot be given to its owner",
                                 r->state_dir)
                 : AKSSL_OK;
}

static akssl_status conclude(const restore *r)
{
    char *from = ak_path("%s/" AK_RESTORE_MARK, r->state_dir);
    char *to = ak_path("%s/akssld.db", r->state_dir);
    int folder = open(r->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    akssl_status rc = give_all(r);

    if (rc == AKSSL_OK &&
        (folder < 0 || syncfs(folder) < 0 || rename(from, to) < 0 || fsync(folder) < 0))
        rc = ak_fail_errno(errno, "state folder '%s'", r->state_dir);
    if (folder >= 0)
        close(folder);
    free(to);
    free(from);
    return rc;
}

static akssl_status restore_locked(restore *r)
{
    akssl_status rc = make_room(r);

    if (rc == AKSSL_OK)
        rc = copy_all(r);
    if (rc == AKSSL_OK)
        rc = settle_database(r);
    return rc < 0 ? rc : conclude(r);
}

akssl_status ak_restore(const char *folder, const char *state_dir, ak_restored *restored)
{
    restore *r = ak_alloc(1, sizeof *r);
    char *lock = NULL, *what = ak_path("state folder '%s'", state_dir), *real = NULL;
    int fd = -1;
    akssl_status rc = ak_files_make(state_dir);

    if (rc == AKSSL_OK && !(real = realpath(state_dir, NULL)))
        rc = ak_fail_errno(errno, "'%s'", state_dir);
    if (rc == AKSSL_OK) {
        lock = ak_path("%s/lock", real);
        rc = ak_lock_take(&fd, lock, what);
    }
    if (rc == AKSSL_OK) {
        r->folder = folder;
        r->state_dir = real;
        rc = restore_locked(r);
        *restored = r->done;
    }
    if (fd >= 0)
        close(fd);
    free(lock);
    free(what);
    free(real);
    free(r);
    return rc;
}
