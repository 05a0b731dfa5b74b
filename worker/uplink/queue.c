// worker/uplink/queue.c -- what waits to be sent, and the thread that sends it.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/uplink/inside.h"

// ---- the sender thread

static akssl_status send_item(ak_stream *stream, ak_uplink_item *it)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__TensorHead head = AKSSL__V1__TENSOR_HEAD__INIT;
    Akssl__V1__TensorChunk chunk = AKSSL__V1__TENSOR_CHUNK__INIT;
    Akssl__V1__RingPush push = AKSSL__V1__RING_PUSH__INIT;

    switch (it->kind) {
    case AK_UPLINK_HEAD:
        message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HEAD;
        message.head = &head;
        head.name = it->name;
        head.n_shape = (size_t)it->dims;
        head.shape = it->shape;
        head.has_version = head.has_filled = head.has_position = 1;
        head.version = it->version;
        head.filled = it->filled;
        head.position = it->position;
        break;
    case AK_UPLINK_CHUNK:
        message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_CHUNK;
        message.chunk = &chunk;
        chunk.name = it->name;
        chunk.has_offset = chunk.has_data = 1;
        chunk.offset = it->offset;
        chunk.data = (ProtobufCBinaryData){ it->size, it->data };
        break;
    case AK_UPLINK_PUSH:
        message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_PUSH;
        message.push = &push;
        push.name = it->name;
        push.has_version = push.has_rows = 1;
        push.version = it->version;
        push.has_more = push.more = it->more;
        push.has_skipped = it->skipped > 0;
        push.skipped = it->skipped;
        push.rows = (ProtobufCBinaryData){ it->size, it->data };
        break;
    }
    return ak_stream_send(stream, &message.base);
}

akssl_status ak_uplink_send_whole(ak_stream *stream, const ak_uplink_tensor *t)
{
    size_t room = t->size < AK_RPC_CHUNK ? t->size : AK_RPC_CHUNK;
    ak_uplink_item *it = calloc(1, sizeof *it + room);
    akssl_status rc;

    if (!it)
        return ak_fail(AKSSL_ERR_NO_MEMORY, "'%s': no memory to send it", t->name);
    snprintf(it->name, sizeof it->name, "%s", t->name);
    it->kind = AK_UPLINK_HEAD;
    it->dims = t->dims;
    memcpy(it->shape, t->shape, sizeof it->shape);
    it->version = t->version;
    it->filled = t->filled;
    it->position = t->position;
    rc = send_item(stream, it);
    it->kind = AK_UPLINK_CHUNK;
    for (size_t at = 0; at < t->size && rc == 0; at += it->size) {
        it->offset = at;
        it->size = t->size - at < room ? t->size - at : room;
        memcpy(it->data, (const uint8_t *)t->data + at, it->size);
        rc = send_item(stream, it);
    }
    free(it);
    return rc;
}

static size_t fill_metrics(const ak_uplink_metrics *from, Akssl__V1__Metric rows[],
                           Akssl__V1__Metric *refs[])
{
    for (int i = 0; i < from->count; i++) {
        akssl__v1__metric__init(&rows[i]);
        rows[i].name = (char *)from->names[i];
        rows[i].has_value = 1;
        rows[i].value = from->values[i];
        refs[i] = &rows[i];
    }
    return (size_t)from->count;
}

static akssl_status send_report(ak_uplink *u, const ak_uplink_record *r)
{
    Akssl__V1__ReportRequest request = AKSSL__V1__REPORT_REQUEST__INIT;
    Akssl__V1__Progress progress = AKSSL__V1__PROGRESS__INIT;
    Akssl__V1__Metric gauge_rows[AK_UPLINK_METRICS], result_rows[AK_UPLINK_METRICS];
    Akssl__V1__Metric *gauges[AK_UPLINK_METRICS], *results[AK_UPLINK_METRICS];
    char *warnings[AK_UPLINK_WARNINGS];
    ProtobufCMessage *reply;
    akssl_status rc;

    progress.has_step = progress.has_total_steps = progress.has_epoch = progress.has_loss = 1;
    progress.has_lr = progress.has_images_per_s = progress.has_eta_s = 1;
    progress.step = r->progress.step;
    progress.total_steps = r->progress.total_steps;
    progress.epoch = r->progress.epoch;
    progress.loss = r->progress.loss;
    progress.lr = r->progress.lr;
    progress.images_per_s = r->progress.images_per_s;
    progress.eta_s = r->progress.eta_s;
    progress.n_gauges = fill_metrics(&r->gauges, gauge_rows, gauges);
    progress.gauges = gauges;
    for (int i = 0; i < r->warning_count; i++)
        warnings[i] = (char *)r->warnings[i];
    progress.n_warnings = (size_t)r->warning_count;
    progress.warnings = warnings;
    request.has_job = 1;
    request.job = u->job;
    request.run = u->run;
    request.progress = &progress;
    request.n_results = fill_metrics(&r->results, result_rows, results);
    request.results = results;
    rc = ak_channel_call(u->channel, AK_RPC_report, &request.base, AK_UPLINK_REPORT_MS, &reply);
    if (rc < 0)
        return rc;
    if (((Akssl__V1__ReportReply *)reply)->stop)
        ak_uplink_request_stop(u, "the coordinator asks the run to stop");
    protobuf_c_message_free_unpacked(reply, NULL);
    return AKSSL_OK;
}

static void recycle(ak_uplink *u, ak_uplink_item *it)
{
    if (u->spares == AK_UPLINK_SPARES) {
        free(it);
        return;
    }
    it->next = u->spare;
    u->spare = it;
    u->spares++;
}

// send_next sends the oldest item; lock is held before and after.
static void send_next(ak_uplink *u)
{
    ak_uplink_item *it = u->first;
    ak_stream *stream = u->stream; // the keeper leaves it while we are busy
    akssl_status rc = u->failed;

    u->first = it->next;
    if (!u->first)
        u->last = &u->first;
    u->pending.before -= u->pending.before > 0;
    u->busy = true;
    pthread_mutex_unlock(&u->lock);
    if (rc == 0) {
        rc = send_item(stream, it);
        if (rc == AKSSL_ERR_LIMIT) // ours: it is too long
            ak_uplink_fail(u, rc);
    }
    pthread_mutex_lock(&u->lock);
    if (rc < 0)
        u->up = false; // the keeper hears of it too
    u->busy = false;
    u->waiting -= it->size;
    recycle(u, it);
    pthread_cond_broadcast(&u->changed);
}

static void report_next(ak_uplink *u)
{
    bool again;

    u->sending = u->latest;
    u->report_waits = false;
    u->busy = true;
    u->reported_ns = ak_clock_ns();
    pthread_mutex_unlock(&u->lock);
    again = ak_uplink_passes(send_report(u, &u->sending), false);
    pthread_mutex_lock(&u->lock);
    u->report_waits |= again; // the newest, by then
    u->report_now &= !again;
    u->busy = false;
    pthread_cond_broadcast(&u->changed);
}

// What is newer than the commit that is pending waits for its answer; under lock.
static bool may_send(const ak_uplink *u)
{
    return u->up && u->first && (!u->pending.there || u->pending.before > 0);
}

void *ak_uplink_run_sender(void *arg)
{
    ak_uplink *u = arg;

    pthread_mutex_lock(&u->lock);
    while (!u->quitting) {
        int64_t due = u->reported_ns + AK_UPLINK_REPORT_EVERY_MS * AK_UPLINK_MS;

        if (may_send(u))
            send_next(u);
        else if (u->up && u->report_waits && (u->report_now || ak_clock_ns() >= due))
            report_next(u);
        else if (u->up && u->report_waits)
            ak_uplink_wait(u, due);
        else
            pthread_cond_wait(&u->changed, &u->lock);
    }
    pthread_mutex_unlock(&u->lock);
    return NULL;
}

// ---- what goes

// item_new gives an item with room for size bytes, a spent one if it fits; under lock.
static ak_uplink_item *item_new(ak_uplink *u, size_t size)
{
    ak_uplink_item *it = u->spare;

    if (it) {
        u->spare = it->next;
        u->spares--;
        if (it->room >= size)
            return it;
        free(it);
    }
    it = malloc(sizeof *it + size);
    if (it)
        it->room = size;
    return it;
}

// append queues a copy of what *form and data say; under lock.
static akssl_status append(ak_uplink *u, const ak_uplink_item *form, const void *data, size_t size)
{
    ak_uplink_item *it = item_new(u, size);
    size_t room;

    if (!it)
        return ak_fail(AKSSL_ERR_NO_MEMORY, "'%s': no memory for %zu bytes to send", form->name,
                       size);
    room = it->room;
    *it = *form;
    it->room = room;
    it->size = size;
    if (size > 0)
        memcpy(it->data, data, size);
    *u->last = it;
    u->last = &it->next;
    u->waiting += size;
    pthread_cond_broadcast(&u->changed);
    return AKSSL_OK;
}

// goes says whether what belongs to that stream is still to be sent; under lock.
static bool goes(const ak_uplink *u, int64_t generation)
{
    return u->failed == 0 && u->up && u->generation == generation;
}

// enqueue waits for room and appends, unless the stream is gone: what comes after it has it all.
static akssl_status enqueue(ak_uplink *u, int64_t generation, const ak_uplink_item *form,
                            const void *data, size_t size)
{
    const int64_t patience = AK_UPLINK_STALL_MS * AK_UPLINK_MS;
    int64_t limit = ak_clock_ns() + patience;
    akssl_status rc = AKSSL_OK;

    pthread_mutex_lock(&u->lock);
    while (goes(u, generation) && u->waiting > 0 && u->waiting + size > AK_UPLINK_QUEUE) {
        size_t before = u->waiting;

        if (!ak_uplink_wait(u, limit) && !u->pending.there)
            ak_uplink_recycle(u);
        else if (u->waiting < before || u->pending.there)
            limit = ak_clock_ns() + patience;
    }
    if (goes(u, generation))
        rc = append(u, form, data, size);
    else
        rc = ak_uplink_failure(u);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

static akssl_status set_name(ak_uplink_item *form, const char *name)
{
    if (!name[0] || strlen(name) >= sizeof form->name)
        return ak_fail(AKSSL_ERR_INVALID, "tensor '%.32s': a name has 1 to %zu bytes", name,
                       sizeof form->name - 1);
    memcpy(form->name, name, strlen(name) + 1);
    return AKSSL_OK;
}

static ak_uplink_item head_of(const ak_uplink_tensor *tensor)
{
    ak_uplink_item form = { .kind = AK_UPLINK_HEAD,
                            .dims = tensor->dims,
                            .version = tensor->version,
                            .filled = tensor->filled,
                            .position = tensor->position };

    memcpy(form.shape, tensor->shape, sizeof form.shape);
    return form;
}

akssl_status ak_uplink_queue_all(ak_uplink *u, int64_t but)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < u->tensor_count && rc == 0 && !u->seeded; i++) {
        const ak_uplink_tensor *t = &u->tensors[i].info;
        ak_uplink_item form = head_of(t);

        if (t->version == but)
            continue;
        rc = set_name(&form, t->name);
        if (rc == 0)
            rc = append(u, &form, NULL, 0);
        form.kind = AK_UPLINK_CHUNK;
        for (size_t at = 0; at < t->size && rc == 0; at += AK_RPC_CHUNK) {
            form.offset = at;
            rc = append(u, &form, (const uint8_t *)t->data + at,
                        t->size - at < AK_RPC_CHUNK ? t->size - at : AK_RPC_CHUNK);
        }
    }
    return rc;
}

// note changes the copies and says in *generation which stream is to be told, -1: none.
static akssl_status note(ak_uplink *u, const ak_uplink_tensor *whole, const ak_uplink_item *form,
                         const ak_uplink_rows *rows, int64_t *generation)
{
    akssl_status rc;

    pthread_mutex_lock(&u->lock);
    rc = ak_uplink_failure(u);
    if (rc == 0 && whole)
        rc = ak_uplink_note_whole(u, whole);
    else if (rc == 0)
        ak_uplink_note_push(u, form->name, form->version, rows);
    *generation = u->up ? u->generation : -1;
    pthread_mutex_unlock(&u->lock);
    return rc;
}

static akssl_status queue_tensor(ak_uplink *uplink, const ak_uplink_tensor *tensor)
{
    size_t size = tensor->dims > 0 ? ak_uplink_bytes_of(tensor->shape, (size_t)tensor->dims) : 0;
    ak_uplink_item form = head_of(tensor);
    int64_t generation;
    akssl_status rc = set_name(&form, tensor->name);

    if (rc < 0)
        return rc;
    if (size == 0 || size != tensor->size)
        return ak_fail(AKSSL_ERR_INVALID, "tensor '%s': shape and size do not agree", tensor->name);
    rc = note(uplink, tensor, NULL, NULL, &generation);
    if (rc == 0)
        rc = enqueue(uplink, generation, &form, NULL, 0);
    form.kind = AK_UPLINK_CHUNK;
    for (size_t at = 0; at < size && rc == 0; at += AK_RPC_CHUNK) {
        form.offset = at;
        rc = enqueue(uplink, generation, &form, (const uint8_t *)tensor->data + at,
                     size - at < AK_RPC_CHUNK ? size - at : AK_RPC_CHUNK);
    }
    return rc;
}

akssl_status ak_uplink_declare(ak_uplink *uplink, const ak_uplink_tensor *tensor)
{
    return queue_tensor(uplink, tensor);
}

akssl_status ak_uplink_replace(ak_uplink *uplink, const ak_uplink_tensor *tensor)
{
    return queue_tensor(uplink, tensor); // that it is there already tells the coordinator
}

akssl_status ak_uplink_push(ak_uplink *uplink, const char *name, int64_t version,
                            const ak_uplink_rows *rows)
{
    ak_uplink_item form = { .kind = AK_UPLINK_PUSH, .version = version, .skipped = rows->skipped };
    int64_t generation = -1;
    size_t piece = rows->bytes <= AK_UPLINK_MESSAGE ? AK_UPLINK_MESSAGE : AK_RPC_CHUNK;
    akssl_status rc = set_name(&form, name);

    if (rc < 0)
        return rc;
    if (rows->bytes > (size_t)AK_UPLINK_PUSH_GB << 30)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "ring '%s': a step's rows are %zu bytes, at most %d GiB are taken: use a "
                       "smaller batch or projection",
                       name, rows->bytes, AK_UPLINK_PUSH_GB);
    rc = note(uplink, NULL, &form, rows, &generation);
    form.more = true;
    for (size_t at = 0; form.more && rc == 0; at += piece) {
        size_t left = rows->bytes - at;

        form.more = left > piece;
        rc = enqueue(uplink, generation, &form, (const uint8_t *)rows->rows + at,
                     form.more ? piece : left);
        form.skipped = 0;
    }
    return rc;
}

static void copy_metrics(ak_uplink_metrics *to, const ak_uplink_metric *from, int count)
{
    to->count = count < AK_UPLINK_METRICS ? count : AK_UPLINK_METRICS;
    for (int i = 0; i < to->count; i++) {
        snprintf(to->names[i], sizeof to->names[i], "%s", from[i].name);
        to->values[i] = from[i].value;
    }
}

static void copy_warnings(ak_uplink_record *to, const ak_uplink_progress *from)
{
    to->warning_count =
        from->warning_count < AK_UPLINK_WARNINGS ? from->warning_count : AK_UPLINK_WARNINGS;
    for (int i = 0; i < to->warning_count; i++)
        snprintf(to->warnings[i], sizeof to->warnings[i], "%s", from->warnings[i]);
}

void ak_uplink_report(ak_uplink *uplink, const ak_uplink_progress *progress,
                      const ak_uplink_metric *results, int count)
{
    ak_uplink_record *r = &uplink->latest;

    pthread_mutex_lock(&uplink->lock);
    r->progress = *progress;
    copy_metrics(&r->gauges, progress->gauges, progress->gauge_count);
    copy_metrics(&r->results, results, results ? count : 0);
    copy_warnings(r, progress);
    if (!uplink->report_waits)
        pthread_cond_broadcast(&uplink->changed);
    uplink->report_waits = uplink->has_report = true;
    pthread_mutex_unlock(&uplink->lock);
}

// ---- the end of the queue

akssl_status ak_uplink_drain(ak_uplink *u, bool reports)
{
    int64_t limit = ak_clock_ns() + AK_UPLINK_WAIT_MS * AK_UPLINK_MS;
    akssl_status rc;

    pthread_mutex_lock(&u->lock);
    u->report_now = reports;
    pthread_cond_broadcast(&u->changed);
    while (u->busy || (u->up && u->failed == 0 && (u->first || (reports && u->report_waits))))
        if (!ak_uplink_wait(u, limit)) {
            ak_uplink_recycle(u);
            limit = ak_clock_ns() + AK_UPLINK_WAIT_MS * AK_UPLINK_MS; // the keeper sees to it
        }
    u->report_now = false;
    rc = ak_uplink_failure(u);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

static void free_items(ak_uplink_item *it)
{
    while (it) {
        ak_uplink_item *next = it->next;

        free(it);
        it = next;
    }
}

void ak_uplink_drop_queue(ak_uplink *u)
{
    for (ak_uplink_item *it = u->first; it; it = it->next)
        u->waiting -= it->size;
    free_items(u->first);
    u->first = NULL;
    u->last = &u->first;
    u->pending.before = 0;
}

void ak_uplink_free_queue(ak_uplink *u)
{
    free_items(u->first);
    free_items(u->spare);
    u->first = u->spare = NULL;
}
