// daemon/seed.c -- a job whose state starts from another's.

#include "daemon/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"

enum { PIECE = 1 << 20 };

struct ak_seed {
    ak_daemon *d;
    ak_seed_done done;
    void *ctx;
    int64_t source, step;
    int fd;     // of the source's file, which may be pruned meanwhile
    char *path; // of the copy
    char digest[AK_DIGEST_TEXT];
    bool working, dropped;
};

// ---- the copy

static akssl_status compare(const char *path, const char *digest)
{
    char found[AK_DIGEST_TEXT];
    akssl_status rc = ak_digest_file(path, NULL, found);

    if (rc == AKSSL_OK && strcmp(found, digest) != 0)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "file '%s' has digest %s, but %s was committed", path,
                     found, digest);
    return rc;
}

static int copy_bytes(int from, int to)
{
    char *piece = ak_alloc(1, PIECE);
    int error = 0;
    ssize_t n = 1;

    while (n && !error) {
        ssize_t done = 0;

        n = read(from, piece, PIECE);
        if (n < 0)
            error = errno;
        while (!error && done < n) {
            ssize_t written = write(to, piece + done, (size_t)(n - done));

            if (written < 0)
                error = errno;
            else
                done += written;
        }
    }
    free(piece);
    return error ? error : fsync(to) < 0 ? errno : 0;
}

static akssl_status copy(void *ctx)
{
    ak_seed *s = ctx;
    int to = open(s->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error = to < 0 ? errno : copy_bytes(s->fd, to);
    akssl_status rc;

    if (to >= 0 && close(to) < 0 && !error)
        error = errno;
    rc = error ? ak_fail_errno(error, "file '%s' cannot be written", s->path)
               : compare(s->path, s->digest);
    return rc < 0 ? ak_wrap(rc, "state_from: the state of job %" PRId64 " at step %" PRId64,
                            s->source, s->step)
                  : AKSSL_OK;
}

static void on_copied(void *ctx, akssl_status rc, const char *error)
{
    ak_seed *s = ctx;

    s->working = false;
    s->d->seeding--;
    if (s->dropped)
        ak_seed_free(s);
    else
        s->done(s->ctx, rc, error);
}

const char *ak_seed_path(const ak_seed *seed)
{
    return seed->path;
}

void ak_seed_free(ak_seed *seed)
{
    if (!seed)
        return;
    seed->dropped = true;
    if (seed->working)
        return; // on_copied comes back
    if (seed->fd >= 0)
        close(seed->fd);
    unlink(seed->path);
    free(seed->path);
    free(seed);
}

// ---- the source

static akssl_status find_digest(const ak_commit *commit, ak_spec *spec, char *digest)
{
    for (int i = 0; i < commit->file_count; i++)
        if (strcmp(commit->files[i].name, AK_COMMIT_STATE_FILE) == 0)
            memcpy(digest, commit->files[i].digest, AK_DIGEST_TEXT);
    if (!commit->tensor_count || !digest[0])
        return ak_fail(AKSSL_ERR_INVALID,
                       "state_from: the coordinator holds no state for job %" PRId64
                       ": name a job whose method has a queue, a centre or prototypes",
                       spec->state_from);
    if (spec->state_digest[0] && strcmp(spec->state_digest, digest) != 0)
        return ak_fail(AKSSL_ERR_INVALID,
                       "state_digest: the newest commit of job %" PRId64 ", of step %" PRId64
                       ", has state %s, not %.64s: leave state_digest out to take it",
                       spec->state_from, commit->step, digest, spec->state_digest);
    ak_text_set(&spec->state_digest, digest);
    return AKSSL_OK;
}

static akssl_status find_source(ak_seed *s, ak_spec *spec)
{
    const ak_job *source;
    ak_job *stored;
    ak_commit commit;
    char *folder, *path;
    akssl_status rc = ak_control_find(s->d, spec->state_from, &source, &stored);

    ak_job_free(stored);
    if (rc == AKSSL_OK)
        rc = ak_store_find_commit(s->d->store, spec->state_from, &commit);
    if (rc < 0)
        return ak_wrap(rc, "state_from");
    s->source = spec->state_from;
    s->step = commit.step;
    rc = find_digest(&commit, spec, s->digest);
    if (rc < 0)
        return rc;
    folder = ak_control_folder(s->d, spec->state_from);
    path = ak_path("%s/commits/step-%" PRId64 "/%s", folder, commit.step, AK_COMMIT_STATE_FILE);
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        rc = ak_fail_errno(errno, "state_from: file '%s'", path);
    free(path);
    free(folder);
    return rc;
}

akssl_status ak_seed_start(ak_seed **out, ak_daemon *d, ak_spec *spec, ak_seed_done done, void *ctx)
{
    ak_seed *s;
    akssl_status rc;

    if (d->seeding == AK_SEED_UNDER_WAY)
        return ak_fail(AKSSL_ERR_LIMIT, "state_from: %d states are being copied: try again later",
                       AK_SEED_UNDER_WAY);
    s = ak_alloc(1, sizeof *s);
    *s = (ak_seed){ .d = d, .done = done, .ctx = ctx, .fd = -1 };
    s->path = ak_path("%s/tmp/state-%" PRId64 ".safetensors", d->config->state_dir, ++d->seeds);
    rc = find_source(s, spec);
    if (rc < 0) {
        ak_seed_free(s);
        return rc;
    }
    s->working = true;
    d->seeding++;
    *out = s;
    ak_work_start(&d->loop, copy, on_copied, s);
    return AKSSL_OK;
}

akssl_status ak_seed_read(ak_state **out, const char *folder, const char *digest)
{
    char *path = ak_path("%s/" AK_SEED_FILE, folder);
    akssl_status rc = compare(path, digest);

    if (rc == AKSSL_OK)
        rc = ak_state_read(out, path);
    free(path);
    return rc < 0 ? ak_wrap(rc, "state_from") : AKSSL_OK;
}
