// daemon/backup.c -- a consistent copy of the state folder, made while jobs run.

#include "daemon/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/store/snapshot.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { TRIES = 5, MAX_DEPTH = 8 };

// A file to be read: path in the backup, and where it is.
typedef struct entry {
    char *path, *source;
    char committed[AK_DIGEST_TEXT]; // "": any digest will do
} entry;

struct ak_backup {
    char *state_dir, *staging;
    entry *entries;
    size_t count, room, at; // at: the one that is being read
    int fd;                 // of it; -1: not open
    uint64_t left, size;    // of it
    ak_digest *digest;
    ak_str manifest, missing; // missing: warnings of prepare, a line each
    size_t manifest_at;       // bytes of it that were read
    bool ended;               // the manifest is whole
    char *warning;            // of the last piece
};

ak_backup *ak_backup_new(const char *state_dir, const char *staging)
{
    ak_backup *b = ak_alloc(1, sizeof *b);

    b->state_dir = ak_strdup(state_dir);
    b->staging = ak_strdup(staging);
    b->fd = -1;
    b->manifest = b->missing = (ak_str)AK_STR_INIT;
    return b;
}

static void forget(ak_backup *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->entries[i].path);
        free(b->entries[i].source);
    }
    b->count = 0;
}

void ak_backup_free(ak_backup *b)
{
    char text[AK_DIGEST_TEXT];

    if (!b)
        return;
    forget(b);
    if (b->fd >= 0)
        close(b->fd);
    if (b->digest)
        ak_digest_end(b->digest, text);
    if (ak_files_remove(b->staging) < 0)
        fprintf(stderr, "akssld: %s\n", ak_error_text()); // akssld's next start removes it
    ak_str_fini(&b->manifest);
    ak_str_fini(&b->missing);
    free(b->warning);
    free(b->entries);
    free(b->state_dir);
    free(b->staging);
    free(b);
}

// ---- what is in it

static akssl_status add(ak_backup *b, const char *path, const char *source, const char *committed)
{
    entry *e;

    if (b->count == AK_BACKUP_MAX_FILES || strlen(path) >= AK_BACKUP_MAX_PATH)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "a backup has at most %d files with paths of less than %d bytes: '%s'",
                       AK_BACKUP_MAX_FILES, AK_BACKUP_MAX_PATH, path);
    if (b->count == b->room) {
        b->room = b->room ? 2 * b->room : 256;
        b->entries = ak_realloc(b->entries, b->room, sizeof *b->entries);
    }
    e = &b->entries[b->count++];
    *e = (entry){ .path = ak_strdup(path), .source = ak_strdup(source) };
    snprintf(e->committed, sizeof e->committed, "%s", committed);
    return AKSSL_OK;
}

static akssl_status add_folder(ak_backup *b, const char *path, int depth);

static akssl_status add_one(ak_backup *b, const char *folder, const char *name, int depth)
{
    char *path = ak_path("%s/%s", folder, name), *source = ak_path("%s/%s", b->state_dir, path);
    size_t length = strlen(name);
    struct stat st;
    akssl_status rc = AKSSL_OK;

    if (strchr(name, '\n') || (length > 4 && strcmp(name + length - 4, ".tmp") == 0) ||
        lstat(source, &st) < 0)
        st.st_mode = 0;
    if (S_ISREG(st.st_mode))
        rc = add(b, path, source, "");
    else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
        rc = add_folder(b, path, depth + 1);
    free(source);
    free(path);
    return rc;
}

static bool is_left_out(const char *name, int depth)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           (depth == 0 && (strcmp(name, "run") == 0 || strcmp(name, "commits") == 0));
}

// add_folder adds the files below a folder, depth 0 being a job's own.
static akssl_status add_folder(ak_backup *b, const char *path, int depth)
{
    char *source = ak_path("%s/%s", b->state_dir, path);
    DIR *folder = opendir(source);
    struct dirent *at;
    akssl_status rc = AKSSL_OK;

    if (!folder && errno != ENOENT)
        rc = ak_fail_errno(errno, "folder '%s'", source);
    while (folder && rc == AKSSL_OK && (at = readdir(folder)))
        if (!is_left_out(at->d_name, depth))
            rc = add_one(b, path, at->d_name, depth);
    if (folder)
        closedir(folder);
    free(source);
    return rc;
}

// ---- the commits

typedef struct ids {
    int64_t *at;
    size_t count, room;
} ids;

static bool see(void *ctx, const ak_job *job)
{
    ids *list = ctx;

    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 256;
        list->at = ak_realloc(list->at, list->room, sizeof *list->at);
    }
    list->at[list->count++] = job->id;
    return true;
}

static unsigned states(bool ended)
{
    unsigned set = 0;

    for (int state = 1; state < AK_JOB_STATE_END; state++)
        if (ak_job_state_ended((ak_job_state)state) == ended)
            set |= 1U << state;
    return set;
}

// link_file holds a commit's file; *gone when there is none any more.
static akssl_status link_file(ak_backup *b, const ak_commit *commit, const ak_commit_file *file,
                              bool *gone)
{
    char *path = ak_path("jobs/%" PRId64 "/commits/step-%" PRId64 "/%s", commit->job, commit->step,
                         file->name);
    char *from = ak_path("%s/%s", b->state_dir, path), *to = ak_path("%s/%s", b->staging, path);
    akssl_status rc = AKSSL_OK;

    if (link(from, to) == 0)
        rc = add(b, path, to, file->digest);
    else if (errno == ENOENT)
        *gone = true;
    else
        rc = ak_fail_errno(errno, "file '%s' cannot be held for the backup", from);
    if (*gone)
        ak_str_format(&b->missing, "file '%s', which was committed, is missing\n", from);
    free(to);
    free(from);
    free(path);
    return rc;
}

static akssl_status link_commit(ak_backup *b, const ak_commit *commit, bool *gone)
{
    char *folder =
        ak_path("%s/jobs/%" PRId64 "/commits/step-%" PRId64, b->staging, commit->job, commit->step);
    akssl_status rc = ak_files_make(folder);

    for (int i = 0; i < commit->file_count && rc == AKSSL_OK; i++) {
        bool one = false;

        rc = link_file(b, commit, &commit->files[i], &one);
        *gone |= one;
    }
    free(folder);
    return rc;
}

static akssl_status link_job(ak_backup *b, ak_store *store, int64_t id, bool *gone)
{
    ak_commit *commits = NULL;
    int count = 0;
    akssl_status rc = ak_store_commits(store, id, &commits, &count);

    for (int i = 0; i < count && rc == AKSSL_OK; i++)
        rc = link_commit(b, &commits[i], gone);
    free(commits);
    return rc;
}

// link_jobs links the commits of the jobs that have ended, or have not, and adds the jobs to all.
static akssl_status link_jobs(ak_backup *b, ak_store *store, bool ended, ids *all, bool *gone)
{
    const ak_filter filter = { .states = states(ended), .limit = INT64_MAX };
    size_t first = all->count;
    akssl_status rc = ak_store_list(store, &filter, see, all);

    for (size_t i = first; i < all->count && rc == AKSSL_OK; i++)
        rc = link_job(b, store, all->at[i], gone);
    return rc;
}

// hold copies the database and links what it knows of: jobs that have not ended first, since theirs
// are the commits that are pruned.  *gone: a file of those is not there; at the last try that is no
// haste of ours any more, but damage, and is told.
static akssl_status hold(ak_backup *b, bool last, ids *all, bool *gone)
{
    char *path = ak_path("%s/akssld.db", b->state_dir);
    char *copy = ak_path("%s/akssld.db", b->staging);
    ak_store *store = NULL;
    bool damaged = false;
    akssl_status rc = ak_files_remove(b->staging);

    forget(b);
    ak_str_clear(&b->missing);
    all->count = 0;
    if (rc == AKSSL_OK)
        rc = ak_files_make(b->staging);
    if (rc == AKSSL_OK)
        rc = ak_store_snapshot(path, copy);
    if (rc == AKSSL_OK)
        rc = ak_store_open(&store, copy);
    if (rc == AKSSL_OK)
        rc = link_jobs(b, store, false, all, gone);
    if (rc == AKSSL_OK && (last || !*gone))
        rc = link_jobs(b, store, true, all, &damaged);
    ak_store_close(store);
    if (rc == AKSSL_OK)
        rc = add(b, "akssld.db", copy, "");
    free(copy);
    free(path);
    return rc;
}

static akssl_status hold_all(ak_backup *b, ids *all)
{
    bool gone = true;
    akssl_status rc = AKSSL_OK;

    for (int i = 1; gone && rc == AKSSL_OK && i <= TRIES; i++) {
        gone = false;
        rc = hold(b, i == TRIES, all, &gone);
    }
    return rc;
}

akssl_status ak_backup_prepare(ak_backup *b)
{
    char *audit = ak_path("%s/audit.jsonl", b->state_dir);
    ids all = { 0 };
    akssl_status rc = hold_all(b, &all);

    for (size_t i = 0; i < all.count && rc == AKSSL_OK; i++) {
        char *path = ak_path("jobs/%" PRId64, all.at[i]);

        rc = add_folder(b, path, 0);
        free(path);
    }
    if (rc == AKSSL_OK)
        rc = add(b, "audit.jsonl", audit, "");
    free(audit);
    ak_str_format(&b->manifest, "akssl-backup 1\nversion %s\nmade %" PRId64 "\nstate %s\n",
                  AKSSL_VERSION, ak_clock_wall_ms(), b->state_dir);
    free(all.at);
    return rc;
}

// ---- reading it

// open_next opens the next file that is there.
static akssl_status open_next(ak_backup *b, ak_backup_piece *piece)
{
    struct stat st;

    for (; b->at < b->count; b->at++) {
        const entry *e = &b->entries[b->at];

        b->fd = open(e->source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (b->fd < 0 && errno == ENOENT)
            continue; // a log that its job no longer has
        if (b->fd < 0 || fstat(b->fd, &st) < 0)
            return ak_fail_errno(errno, "file '%s'", e->source);
        b->left = (uint64_t)st.st_size;
        b->size = 0;
        b->digest = ak_digest_new();
        piece->path = e->path;
        return AKSSL_OK;
    }
    return AKSSL_OK;
}

static void close_file(ak_backup *b, ak_backup_piece *piece)
{
    const entry *e = &b->entries[b->at];
    char digest[AK_DIGEST_TEXT];

    ak_digest_end(b->digest, digest);
    b->digest = NULL;
    close(b->fd);
    b->fd = -1;
    b->at++;
    ak_str_format(&b->manifest, "file %" PRIu64 " %s %s\n", b->size, digest, e->path);
    if (!e->committed[0] || strcmp(digest, e->committed) == 0)
        return;
    b->warning =
        ak_path("file '%s' has digest %s, but %s was committed", e->path, digest, e->committed);
    piece->warning = b->warning;
}

// read_file reads on in the file that is open; it was as long as it is now when it was opened, and
// may have become shorter.
static akssl_status read_file(ak_backup *b, ak_backup_piece *piece)
{
    size_t wanted = b->left < AK_BACKUP_PIECE ? (size_t)b->left : AK_BACKUP_PIECE;
    ssize_t n = wanted ? read(b->fd, piece->data, wanted) : 0;

    if (n < 0)
        return ak_fail_errno(errno, "file '%s'", b->entries[b->at].source);
    ak_digest_add(b->digest, piece->data, (size_t)n);
    piece->size = (size_t)n;
    b->size += (uint64_t)n;
    b->left = n ? b->left - (uint64_t)n : 0;
    if (!b->left)
        close_file(b, piece);
    return AKSSL_OK;
}

static void read_manifest(ak_backup *b, ak_backup_piece *piece, bool *more)
{
    size_t left;

    if (!b->ended) {
        ak_str_append(&b->manifest, "end\n");
        piece->path = AK_BACKUP_MANIFEST;
        if (b->missing.length)
            piece->warning = b->missing.text;
        b->ended = true;
    }
    left = b->manifest.length - b->manifest_at;
    piece->size = left < AK_BACKUP_PIECE ? left : AK_BACKUP_PIECE;
    memcpy(piece->data, b->manifest.text + b->manifest_at, piece->size);
    b->manifest_at += piece->size;
    *more = piece->size > 0;
}

akssl_status ak_backup_next(ak_backup *b, ak_backup_piece *piece, bool *more)
{
    akssl_status rc = AKSSL_OK;

    free(b->warning);
    b->warning = NULL;
    piece->path = piece->warning = NULL;
    piece->size = 0;
    *more = true;
    if (b->fd < 0)
        rc = open_next(b, piece);
    if (rc == AKSSL_OK && b->fd >= 0)
        rc = read_file(b, piece);
    else if (rc == AKSSL_OK)
        read_manifest(b, piece, more);
    return rc;
}

// ---- the manifest

static akssl_status broken(const char *what)
{
    return ak_fail(AKSSL_ERR_CORRUPT, "the manifest is not that of a whole backup: %s", what);
}

// read_line gives a line without its end.
static bool read_line(FILE *manifest, char *line, size_t size)
{
    size_t length;

    if (!fgets(line, (int)size, manifest))
        return false;
    length = strlen(line);
    if (!length || line[length - 1] != '\n')
        return false;
    line[length - 1] = '\0';
    return true;
}

akssl_status ak_backup_read_head(FILE *manifest, char state_dir[AK_BACKUP_MAX_PATH])
{
    char line[AK_BACKUP_MAX_PATH + 16];

    if (!read_line(manifest, line, sizeof line) || strcmp(line, "akssl-backup 1") != 0)
        return broken("it does not start with 'akssl-backup 1' (a newer akssld's?)");
    for (int i = 0; i < 3; i++)
        if (!read_line(manifest, line, sizeof line))
            return broken("it is cut off");
    if (strncmp(line, "state /", 7) != 0 || strlen(line + 6) >= AK_BACKUP_MAX_PATH)
        return broken("it does not say of which folder");
    snprintf(state_dir, AK_BACKUP_MAX_PATH, "%s", line + 6);
    return AKSSL_OK;
}

static bool is_plain(const char *path)
{
    while (*path) {
        size_t length = strcspn(path, "/");

        if (!length || (length == 1 && path[0] == '.') ||
            (length == 2 && memcmp(path, "..", 2) == 0))
            return false;
        path += length;
        if (*path && !*++path)
            return false;
    }
    return true;
}

akssl_status ak_backup_read_file(FILE *manifest, ak_backup_file *file, bool *more)
{
    char line[AK_BACKUP_MAX_PATH + 128];
    int used = 0;

    *more = false;
    if (!read_line(manifest, line, sizeof line))
        return broken("it is cut off");
    if (strcmp(line, "end") == 0)
        return AKSSL_OK;
    if (sscanf(line, "file %" SCNu64 " %32[0-9a-f] %n", &file->size, file->digest, &used) != 2 ||
        !used || strlen(file->digest) != AK_DIGEST_TEXT - 1 || !line[used] ||
        !is_plain(line + used) || strlen(line + used) >= sizeof file->path)
        return broken("a line is none of its own");
    snprintf(file->path, sizeof file->path, "%s", line + used);
    *more = true;
    return AKSSL_OK;
}
