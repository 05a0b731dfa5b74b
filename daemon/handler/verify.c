// daemon/handler/verify.c -- Verify: every commit of a job, read through and compared with what was
// recorded when it was made.
//
// The rows are taken on the loop thread, the files read on the thread pool, and the steps asked for
// again afterwards: a commit that was pruned or given up meanwhile is none any more, whatever its
// files looked like.

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { MAX_UNDER_WAY = 2, LIMIT_S = 600, MAX_OTHERS = 256 };

typedef struct verification {
    ak_daemon *d;
    ak_call *call; // NULL: it has ended
    atomic_bool given_up;
    int64_t job, until_ns;
    bool runs;    // then a commit may be on its way
    char *folder; // of the commits
    ak_commit *commits;
    int count;
    char **wrong; // by commit; NULL: nothing
    char *others[MAX_OTHERS];
    size_t other_count;
} verification;

// ---- on the thread pool

static char *verify(const verification *v, const ak_commit *commit)
{
    char *folder = ak_path("%s/step-%" PRId64, v->folder, commit->step);
    akssl_status rc = ak_commit_verify(commit, folder);

    if (rc == AKSSL_OK)
        rc = ak_commit_check_extra(commit, folder);
    free(folder);
    return rc < 0 ? ak_strdup(ak_error_text()) : NULL;
}

static bool is_commit(const verification *v, const char *name)
{
    char text[32];

    for (int i = 0; i < v->count; i++) {
        snprintf(text, sizeof text, "step-%" PRId64, v->commits[i].step);
        if (strcmp(text, name) == 0)
            return true;
    }
    return name[0] == '.' || (v->runs && strncmp(name, "step-", 5) == 0);
}

static akssl_status find_others(verification *v)
{
    DIR *folder = opendir(v->folder);
    struct dirent *entry;

    if (!folder)
        return errno == ENOENT ? AKSSL_OK : ak_fail_errno(errno, "folder '%s'", v->folder);
    while (v->other_count < MAX_OTHERS && (entry = readdir(folder)))
        if (!is_commit(v, entry->d_name))
            v->others[v->other_count++] = ak_strdup(entry->d_name);
    closedir(folder);
    return AKSSL_OK;
}

static akssl_status look(void *ctx)
{
    verification *v = ctx;

    for (int i = 0; i < v->count; i++) {
        if (atomic_load(&v->given_up))
            return ak_fail(AKSSL_ERR_CANCELLED, "the caller is gone");
        if (ak_clock_ns() > v->until_ns)
            return ak_fail(AKSSL_ERR_DEADLINE,
                           "job %" PRId64 ": %d of its %d commits could be read in %d s", v->job, i,
                           v->count, LIMIT_S);
        v->wrong[i] = verify(v, &v->commits[i]);
    }
    return find_others(v);
}

// ---- on the loop thread

static void verification_free(verification *v)
{
    for (int i = 0; i < v->count; i++)
        free(v->wrong[i]);
    for (size_t i = 0; i < v->other_count; i++)
        free(v->others[i]);
    free(v->wrong);
    free(v->commits);
    free(v->folder);
    free(v);
}

static bool is_among(int64_t step, const int64_t *steps, int count)
{
    for (int i = 0; i < count; i++)
        if (steps[i] == step)
            return true;
    return false;
}

static void describe(Akssl__V1__VerifiedCommit *row, const ak_commit *commit, char *wrong)
{
    akssl__v1__verified_commit__init(row);
    row->has_step = row->has_files = row->has_bytes = row->has_made_ms = 1;
    row->step = commit->step;
    row->made_ms = commit->made_ms;
    row->files = commit->file_count;
    for (int i = 0; i < commit->file_count; i++)
        row->bytes += commit->files[i].size;
    row->wrong = wrong;
}

static void reply(const verification *v, const int64_t *steps, int count)
{
    Akssl__V1__VerifyReply message = AKSSL__V1__VERIFY_REPLY__INIT;
    Akssl__V1__VerifiedCommit *rows = ak_alloc((size_t)v->count + 1, sizeof *rows);
    Akssl__V1__VerifiedCommit **list = ak_alloc((size_t)v->count + 1, sizeof *list);

    for (int i = 0; i < v->count; i++) {
        if (!is_among(v->commits[i].step, steps, count))
            continue;
        describe(&rows[i], &v->commits[i], v->wrong[i]);
        list[message.n_commits++] = &rows[i];
    }
    message.commits = list;
    message.others = (char **)v->others;
    message.n_others = v->other_count;
    ak_call_reply(v->call, &message.base);
    free(list);
    free(rows);
}

static void answer(const verification *v)
{
    int64_t *steps = NULL;
    int count = 0;
    akssl_status rc = ak_store_commit_steps(v->d->store, v->job, &steps, &count);

    if (rc < 0)
        ak_call_fail(v->call, rc, ak_error_text());
    else
        reply(v, steps, count);
    free(steps);
}

static void on_looked(void *ctx, akssl_status rc, const char *error)
{
    verification *v = ctx;

    v->d->verifications--;
    if (v->call) {
        ak_call_set_user(v->call, NULL);
        if (rc < 0)
            ak_call_fail(v->call, rc, error);
        else
            answer(v);
    }
    verification_free(v);
}

static akssl_status find_commits(ak_daemon *d, int64_t id, verification *v)
{
    const ak_job *job;
    ak_job *stored;
    char *folder;
    akssl_status rc = ak_control_find(d, id, &job, &stored);

    if (rc < 0)
        return rc;
    folder = ak_control_folder(d, id);
    v->folder = ak_path("%s/commits", folder);
    v->job = id;
    v->runs = job->run != NULL;
    rc = ak_store_commits(d->store, id, &v->commits, &v->count);
    v->wrong = ak_alloc((size_t)v->count + 1, sizeof *v->wrong);
    ak_job_free(stored);
    free(folder);
    return rc;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__JobRequest *message = (const Akssl__V1__JobRequest *)request;
    verification *v;
    akssl_status rc;

    if (d->verifications == MAX_UNDER_WAY)
        return ak_fail(AKSSL_ERR_LIMIT, "%d calls of Verify are under way: try again later",
                       MAX_UNDER_WAY);
    v = ak_alloc(1, sizeof *v);
    v->d = d;
    v->call = call;
    v->until_ns = ak_clock_ns() + (int64_t)LIMIT_S * 1000000000;
    rc = find_commits(d, message->id, v);
    if (rc < 0) {
        verification_free(v);
        return rc;
    }
    ak_call_set_user(call, v);
    d->verifications++;
    ak_work_start(&d->loop, look, on_looked, v);
    return AKSSL_OK;
}

static void ended(ak_daemon *d, ak_call *call)
{
    verification *v = ak_call_user(call);

    (void)d;
    if (!v)
        return;
    v->call = NULL;
    atomic_store(&v->given_up, true);
}

const ak_handler ak_handler_verify = {
    .access = AK_ACCESS_READ,
    .started = started,
    .ended = ended,
};
