// daemon/scheduler.c -- which job runs next: the highest priority, then the lowest id.

#include "daemon/scheduler.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

typedef struct entry {
    int64_t id, priority, cores;
} entry;

struct ak_scheduler {
    int64_t slots, used;
    entry *queue; // the next one last, so that taking it moves nothing
    size_t count, room;
};

ak_scheduler *ak_scheduler_new(int64_t slots)
{
    ak_scheduler *s = ak_alloc(1, sizeof *s);

    s->slots = slots;
    return s;
}

void ak_scheduler_free(ak_scheduler *s)
{
    if (!s)
        return;
    free(s->queue);
    free(s);
}

static int before(const entry *a, const entry *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

void ak_scheduler_push(ak_scheduler *s, int64_t id, int64_t priority, int64_t cores)
{
    entry e = { id, priority, cores };
    size_t low = 0, high = s->count;

    assert(cores >= 1 && cores <= s->slots);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (before(&e, &s->queue[middle]))
            low = middle + 1;
        else
            high = middle;
    }
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 16;
        s->queue = ak_realloc(s->queue, s->room, sizeof *s->queue);
    }
    memmove(s->queue + low + 1, s->queue + low, (s->count - low) * sizeof *s->queue);
    s->queue[low] = e;
    s->count++;
}

void ak_scheduler_remove(ak_scheduler *s, int64_t id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->queue[i].id != id)
            continue;
        s->count--;
        memmove(s->queue + i, s->queue + i + 1, (s->count - i) * sizeof *s->queue);
        return;
    }
}

int64_t ak_scheduler_head(const ak_scheduler *s, int *fits)
{
    const entry *head = s->count ? &s->queue[s->count - 1] : NULL;

    *fits = head && s->used + head->cores <= s->slots;
    return head ? head->id : 0;
}

int64_t ak_scheduler_start(ak_scheduler *s)
{
    int64_t cores = s->queue[--s->count].cores;

    s->used += cores;
    assert(s->used <= s->slots);
    return cores;
}

void ak_scheduler_take(ak_scheduler *s, int64_t cores)
{
    s->used += cores;
}

void ak_scheduler_release(ak_scheduler *s, int64_t cores)
{
    s->used -= cores;
    assert(s->used >= 0);
}

int64_t ak_scheduler_slots(const ak_scheduler *s)
{
    return s->slots;
}

int64_t ak_scheduler_used(const ak_scheduler *s)
{
    return s->used;
}

size_t ak_scheduler_waiting(const ak_scheduler *s)
{
    return s->count;
}
