// worker/uplink/ask.c -- Commit and Finish: asked until they are answered.

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/uplink/inside.h"

// ---- the commit that is pending

// forget leaves nothing of a commit but the memory for the next one's tensors.
static void forget(ak_uplink_pending *p)
{
    for (int i = 0; i < p->tensor_count; i++)
        free((char *)p->tensors[i].name);
    for (int i = 0; i < p->count; i++) {
        free((char *)p->files[i].name);
        free((char *)p->files[i].digest);
    }
    memset(p, 0, offsetof(ak_uplink_pending, copies));
}

void ak_uplink_free_pending(ak_uplink_pending *p)
{
    forget(p);
    for (int i = 0; i < AK_UPLINK_TENSORS; i++)
        free(p->copies[i].data);
    memset(p, 0, sizeof *p);
}

void ak_uplink_drop_pending(ak_uplink *u)
{
    forget(&u->pending);
    pthread_cond_broadcast(&u->changed);
}

// remove_superseded removes the files of a commit that nobody will ask for any more, and that no
// coordinator can have: a run that is alone for long would fill the disk with them.
static void remove_superseded(const ak_uplink *u, const ak_uplink_pending *p)
{
    ak_str folder = AK_STR_INIT, file = AK_STR_INIT;

    ak_str_format(&folder, "%s/commits/step-%" PRId64, u->welcome.folder, p->step);
    for (int i = 0; i < p->count; i++) {
        ak_str_clear(&file);
        ak_str_format(&file, "%s/%s", folder.text, p->files[i].name);
        (void)unlink(file.text); // what stays goes when the next run is prepared
    }
    (void)rmdir(folder.text);
    ak_str_fini(&file);
    ak_str_fini(&folder);
}

// set_older puts a commit that is held aside, until the files of the next one are durable;
// drop_older is for then.  give_up drops what is pending, and takes the older one up again: since
// there was no coordinator when it was put aside, none has newer tensors, unless one has taken the
// pending one's.
static void set_older(ak_uplink *u)
{
    if (!u->pending.held)
        return;
    ak_uplink_free_pending(&u->older);
    u->older = u->pending;
    memset(&u->pending, 0, sizeof u->pending);
}

static void drop_older(ak_uplink *u)
{
    if (u->older.held && !u->older.asked)
        remove_superseded(u, &u->older);
    ak_uplink_free_pending(&u->older);
}

static void give_up(ak_uplink *u)
{
    forget(&u->pending);
    if (u->older.held && !u->up) {
        ak_uplink_free_pending(&u->pending);
        u->pending = u->older;
        memset(&u->older, 0, sizeof u->older);
    }
    ak_uplink_free_pending(&u->older);
    pthread_cond_broadcast(&u->changed);
}

static akssl_status make_room(ak_uplink_copy *copy, size_t size)
{
    if (copy->room >= size)
        return AKSSL_OK;
    free(copy->data);
    copy->data = ak_try_alloc(size, 1);
    copy->room = copy->data ? size : 0;
    return copy->data ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static akssl_status copy_tensors(ak_uplink *u)
{
    ak_uplink_pending *p = &u->pending;

    for (int i = 0; i < u->tensor_count; i++) {
        ak_uplink_tensor *t = &p->tensors[i];

        *t = u->tensors[i].info;
        if (make_room(&p->copies[i], t->size) < 0)
            return ak_wrap(AKSSL_ERR_NO_MEMORY, "state '%s' of a commit", t->name);
        t->data = memcpy(p->copies[i].data, t->data, t->size);
        t->name = ak_strdup(t->name);
        p->tensor_count++;
    }
    return AKSSL_OK;
}

akssl_status ak_uplink_ask_commit(ak_uplink *u)
{
    const ak_uplink_pending *p = &u->pending;
    Akssl__V1__CommitRequest request = AKSSL__V1__COMMIT_REQUEST__INIT;
    Akssl__V1__CommitFile rows[AK_UPLINK_FILES], *refs[AK_UPLINK_FILES];
    ProtobufCMessage *reply;
    akssl_status rc;

    for (int i = 0; i < p->count; i++) {
        akssl__v1__commit_file__init(&rows[i]);
        rows[i].name = (char *)p->files[i].name;
        rows[i].has_size = 1;
        rows[i].size = p->files[i].size;
        rows[i].digest = (char *)p->files[i].digest;
        refs[i] = &rows[i];
    }
    request.has_job = request.has_step = request.has_tensors = 1;
    request.job = u->job;
    request.run = u->run;
    request.step = p->step;
    request.tensors = p->tensor_count;
    request.n_files = (size_t)p->count;
    request.files = refs;
    rc = ak_channel_call(u->channel, AK_RPC_commit, &request.base, AK_UPLINK_WAIT_MS, &reply);
    if (ak_is_unwritten(rc))
        atomic_store(&u->unstored, true);
    if (rc < 0)
        return ak_wrap(rc, "commit of step %" PRId64, p->step);
    protobuf_c_message_free_unpacked(reply, NULL);
    return AKSSL_OK;
}

// is_alone says whether there was no coordinator for too long, and none is coming; under lock,
// which it may leave: what else a caller waits for is to be looked at after it.
static bool is_alone(ak_uplink *u)
{
    while (u->meeting && !u->up && u->failed == 0)
        pthread_cond_wait(&u->changed, &u->lock);
    return u->orphaned && !u->up && u->failed == 0;
}

// waits_for_nobody says whether what is pending is held for a coordinator that is away, with nobody
// asking; under lock.
static bool waits_for_nobody(const ak_uplink *u)
{
    const ak_uplink_pending *p = &u->pending;

    return p->held && !p->asking && !p->handing && !u->up;
}

// settle waits until no commit is pending, or none can be asked for; under lock.  Its deadline is
// the keeper's: it comes back, fails, or is orphaned.
static void settle(ak_uplink *u)
{
    while (!is_alone(u) && u->pending.there && u->failed == 0)
        pthread_cond_wait(&u->changed, &u->lock);
}

static bool has_manifest(const ak_uplink *u)
{
    ak_str path = AK_STR_INIT;
    bool there;

    ak_str_format(&path, "%s/run/%s.commit", u->welcome.folder, u->run);
    there = access(path.text, F_OK) == 0;
    ak_str_fini(&path);
    return there;
}

// commit_alone makes what is pending durable without a coordinator; under lock.
static akssl_status commit_alone(ak_uplink *u)
{
    akssl_status rc;

    u->alone = true; // the keeper leaves it to us
    rc = ak_uplink_commit_alone(u);
    if (rc < 0 && u->older.held && !u->pending.asked && !has_manifest(u))
        remove_superseded(u, &u->pending); // the older one may fit then
    ak_uplink_drop_pending(u);
    return rc;
}

// begin puts the tensors of step aside; under lock.  It takes the place of a commit that is held,
// if it comes to be durable, so that steps go on while there is no coordinator.
static akssl_status begin(ak_uplink *u, int64_t step)
{
    akssl_status rc;

    while (!waits_for_nobody(u) && !is_alone(u) && u->pending.there && u->failed == 0)
        pthread_cond_wait(&u->changed, &u->lock); // it is asked for
    set_older(u);
    ak_uplink_drop_pending(u);
    rc = ak_uplink_failure(u);
    if (rc == 0)
        rc = copy_tensors(u);
    if (rc < 0) {
        give_up(u);
        return rc;
    }
    u->pending.there = true;
    u->pending.step = step;
    for (const ak_uplink_item *it = u->first; it; it = it->next)
        u->pending.before++;
    return AKSSL_OK;
}

akssl_status ak_uplink_hold(ak_uplink *u, int64_t step)
{
    akssl_status rc;

    pthread_mutex_lock(&u->lock);
    rc = begin(u, step);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

void ak_uplink_release(ak_uplink *u)
{
    pthread_mutex_lock(&u->lock);
    if (!u->pending.ready)
        give_up(u);
    pthread_mutex_unlock(&u->lock);
}

// wait_for_older waits until what is older than the commit is sent; false when the stream is gone.
// Under lock.
static bool wait_for_older(ak_uplink *u, int64_t generation)
{
    int64_t limit = ak_clock_ns() + AK_UPLINK_WAIT_MS * AK_UPLINK_MS;

    while (u->up && u->failed == 0 && u->generation == generation &&
           (u->pending.before > 0 || u->busy))
        if (!ak_uplink_wait(u, limit))
            ak_uplink_recycle(u);
    return u->up && u->failed == 0 && u->generation == generation;
}

// ask_once asks for what is pending over the stream of now; true when that is over, with *rc. Under
// lock.
static bool ask_once(ak_uplink *u, akssl_status *rc)
{
    int64_t generation = u->generation;

    if (!wait_for_older(u, generation))
        return false;
    u->pending.asking = u->pending.asked = true;
    pthread_mutex_unlock(&u->lock);
    *rc = ak_uplink_ask_commit(u);
    pthread_mutex_lock(&u->lock);
    u->pending.asking = false;
    pthread_cond_broadcast(&u->changed);
    while (u->pending.handing) // the keeper sends its tensors
        pthread_cond_wait(&u->changed, &u->lock);
    if (*rc == 0 || !ak_uplink_passes(*rc, false))
        return true;
    if (u->generation == generation)
        ak_uplink_recycle(u); // it may be dead without our knowing
    return false;
}

static void set_files(ak_uplink_pending *p, const ak_uplink_file *files, int count)
{
    for (int i = 0; i < count; i++)
        p->files[p->count++] =
            (ak_uplink_file){ ak_strdup(files[i].name), files[i].size, ak_strdup(files[i].digest) };
    p->ready = true;
}

akssl_status ak_uplink_commit(ak_uplink *u, int64_t step, const ak_uplink_file *files, int count)
{
    ak_uplink_pending *p = &u->pending;
    akssl_status rc = AKSSL_OK;
    bool over = false;

    if (count > AK_UPLINK_FILES)
        return ak_fail(AKSSL_ERR_LIMIT, "commit of step %" PRId64 ": at most %d files", step,
                       AK_UPLINK_FILES);
    pthread_mutex_lock(&u->lock);
    if (!p->there || p->ready || p->step != step)
        rc = begin(u, step);
    if (rc == 0)
        rc = ak_uplink_failure(u);
    if (rc == 0)
        set_files(p, files, count);
    pthread_cond_broadcast(&u->changed);
    while (rc == 0 && p->there && !over) {
        over = true;
        if (is_alone(u))
            rc = p->there ? commit_alone(u) : AKSSL_OK;
        else if (p->there && !u->up && u->failed == 0)
            p->held = true;
        else if (p->there)
            over = ask_once(u, &rc);
        if (!over)
            rc = ak_uplink_failure(u);
    }
    if (rc < 0 && (!p->there || p->step == step)) // else begin has given up
        give_up(u);
    if (rc == 0)
        drop_older(u);
    if (rc == 0 && !p->held)
        ak_uplink_drop_pending(u);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

// ---- the end

typedef struct finish {
    Akssl__V1__FinishRequest request;
    Akssl__V1__Metric rows[AK_UPLINK_METRICS], *refs[AK_UPLINK_METRICS];
} finish;

static void fill(finish *f, ak_uplink *u, const ak_uplink_metric *results, int count)
{
    akssl__v1__finish_request__init(&f->request);
    for (int i = 0; i < count && i < AK_UPLINK_METRICS; i++) {
        akssl__v1__metric__init(&f->rows[i]);
        f->rows[i].name = (char *)results[i].name;
        f->rows[i].has_value = 1;
        f->rows[i].value = results[i].value;
        f->refs[i] = &f->rows[i];
        f->request.n_results++;
    }
    f->request.results = f->refs;
    f->request.has_job = 1;
    f->request.job = u->job;
    f->request.run = u->run;
}

// wait_for_all waits until the coordinator has all but the end; false when there is none.
static bool wait_for_all(ak_uplink *u, akssl_status *rc)
{
    bool alone;

    pthread_mutex_lock(&u->lock);
    settle(u);
    while (!is_alone(u) && !u->up && u->failed == 0)
        pthread_cond_wait(&u->changed, &u->lock);
    alone = is_alone(u) || u->alone;
    if (alone && u->pending.there)
        *rc = commit_alone(u);
    u->alone = alone;
    u->finishing = !alone && u->failed < 0;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    return !alone;
}

// tell asks until it is answered, or there was no coordinator for too long.
static akssl_status tell(ak_uplink *u, const Akssl__V1__FinishRequest *request)
{
    int64_t since = ak_clock_ns(), wait_ms = AK_UPLINK_BACKOFF_MS;
    ProtobufCMessage *reply;
    akssl_status rc;

    for (;;) {
        int64_t until;

        rc =
            ak_channel_call(u->channel, AK_RPC_finish, &request->base, AK_UPLINK_FINISH_MS, &reply);
        if (rc == 0)
            protobuf_c_message_free_unpacked(reply, NULL);
        if (rc == 0 || !ak_uplink_passes(rc, true) || u->failed < 0)
            return rc;
        if ((ak_clock_ns() - since) / AK_UPLINK_MS >= u->orphan_ms)
            return AKSSL_OK; // nobody is there to hear it: the job goes on from its last commit
        until = ak_clock_ns() + wait_ms * AK_UPLINK_MS;
        pthread_mutex_lock(&u->lock);
        while (ak_uplink_wait(u, until))
            continue;
        pthread_mutex_unlock(&u->lock);
        wait_ms = wait_ms * 2 < AK_UPLINK_BACKOFF_MOST_MS ? wait_ms * 2 : AK_UPLINK_BACKOFF_MOST_MS;
    }
}

akssl_status ak_uplink_finish(ak_uplink *u, const char *outcome, const char *reason,
                              const ak_uplink_metric *results, int count, const char *weights)
{
    akssl_status rc = AKSSL_OK;
    bool whole;
    finish f;

    do {
        if (!wait_for_all(u, &rc))
            return rc; // the coordinator that comes later finds what there is
        whole = ak_uplink_drain(u, true) == 0; // what went wrong before, `reason` tells
        pthread_mutex_lock(&u->lock);
        u->finishing |= u->up;
        pthread_mutex_unlock(&u->lock);
    } while (!u->finishing);
    fill(&f, u, results, count);
    f.request.outcome = (char *)outcome;
    f.request.reason = (char *)reason;
    f.request.weights = (char *)weights;
    rc = tell(u, &f.request);
    if (rc < 0)
        return ak_wrap(rc, "finish of run '%s'", u->run);
    pthread_mutex_lock(&u->lock);
    u->finished = whole && u->stream && ak_stream_close_send(u->stream) == 0;
    pthread_mutex_unlock(&u->lock);
    return AKSSL_OK;
}
