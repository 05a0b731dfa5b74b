// tests/sim/world.c -- time, chance and events of one seed.

#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"

sim *sim_here;

void *sim_alloc(size_t size)
{
    sim *s = sim_here;

    if (s->memory_count == s->memory_room) {
        s->memory_room = s->memory_room ? s->memory_room * 2 : 1024;
        s->memory = ak_realloc(s->memory, s->memory_room, sizeof *s->memory);
    }
    return s->memory[s->memory_count++] = ak_alloc(1, size ? size : 1);
}

char *sim_format(const char *format, ...)
{
    char text[1024];
    va_list args;
    char *copy;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    copy = sim_alloc(strlen(text) + 1);
    strcpy(copy, text);
    return copy;
}

// ---- chance: xoshiro256**

static uint64_t spread(uint64_t *x)
{
    uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t sim_hash(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0xd6e8feb86659fd93) ^ b;

    return spread(&x);
}

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t sim_draw(void)
{
    uint64_t *c = sim_here->chance;
    uint64_t result = rotate(c[1] * 5, 7) * 9, t = c[1] << 17;

    c[2] ^= c[0];
    c[3] ^= c[1];
    c[1] ^= c[2];
    c[0] ^= c[3];
    c[2] ^= t;
    c[3] = rotate(c[3], 45);
    return result;
}

int64_t sim_range(int64_t low, int64_t high)
{
    return high <= low ? low : low + (int64_t)(sim_draw() % (uint64_t)(high - low + 1));
}

bool sim_chance(int64_t per_cent)
{
    return sim_range(0, 99) < per_cent;
}

int64_t sim_rare(int64_t mean_ns)
{
    return sim_chance(30) ? sim_range(0, mean_ns / 4) : sim_range(mean_ns / 4, mean_ns * 2);
}

// ---- events: a binary heap a lane

static bool before(const sim_event *a, const sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(sim_heap *h, sim_event *e)
{
    size_t i = h->count++;

    if (i == h->room) {
        h->room = h->room ? h->room * 2 : 256;
        h->at = ak_realloc(h->at, h->room, sizeof *h->at);
    }
    while (i && before(e, h->at[(i - 1) / 2])) {
        h->at[i] = h->at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->at[i] = e;
}

static sim_event *pop(sim_heap *h)
{
    sim_event *first = h->at[0], *last = h->at[--h->count];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < h->count) {
        if (child + 1 < h->count && before(h->at[child + 1], h->at[child]))
            child++;
        if (!before(h->at[child], last))
            break;
        h->at[i] = h->at[child];
        i = child;
    }
    h->at[i] = last;
    return first;
}

void sim_after(sim_lane lane, int64_t delay_ns, const char *name, sim_action run, void *ctx,
               sim_event **holder)
{
    sim_event *e = ak_alloc(1, sizeof *e);

    *e = (sim_event){
        sim_here->now + (delay_ns > 0 ? delay_ns : 0), sim_here->order++, run, ctx, name, holder
    };
    if (holder)
        *holder = e;
    push(&sim_here->lanes[lane], e);
}

void sim_cancel(sim_event **holder)
{
    if (!*holder)
        return;
    (*holder)->run = NULL;
    (*holder)->holder = NULL;
    *holder = NULL;
}

static sim_heap *next_lane(unsigned lanes)
{
    sim_heap *best = NULL;

    for (int i = 0; i < SIM_LANES; i++) {
        sim_heap *h = &sim_here->lanes[i];

        while (lanes >> i & 1 && h->count && !h->at[0]->run)
            free(pop(h));
        if (lanes >> i & 1 && h->count && (!best || before(h->at[0], best->at[0])))
            best = h;
    }
    return best;
}

bool sim_step(unsigned lanes, int64_t limit)
{
    sim *s = sim_here;
    sim_heap *lane = next_lane(lanes);
    bool was = s->in_daemon;
    sim_event *e;

    if (!lane || lane->at[0]->at > limit)
        return false;
    e = pop(lane);
    if (e->at > s->now)
        s->now = e->at;
    s->in_daemon = lane == &s->lanes[SIM_DAEMON];
    s->events++;
    if (e->holder)
        *e->holder = NULL;
    e->run(e->ctx);
    s->in_daemon = was;
    s->hash = sim_hash(s->hash, (uint64_t)s->now ^ s->chance[0]);
    free(e);
    return true;
}

void sim_pass(int64_t ns)
{
    sim_here->now += ns;
}

// ---- a seed's beginning and end

void sim_begin(sim *s, uint64_t seed)
{
    uint64_t x = seed;

    *s = (sim){ .seed = seed, .trace = s->trace, .plant = s->plant, .report = s->report };
    for (int i = 0; i < 4; i++)
        s->chance[i] = spread(&x);
    s->now = SIM_S;
    s->wall_ms = INT64_C(1790000000000);
    sim_here = s;
}

void sim_end(sim *s)
{
    for (int i = 0; i < SIM_LANES; i++) {
        while (s->lanes[i].count)
            free(pop(&s->lanes[i]));
        free(s->lanes[i].at);
    }
    for (size_t i = 0; i < s->memory_count; i++)
        free(s->memory[i]);
    free(s->memory);
    sim_here = NULL;
}

// ---- telling

static void tell(const char *format, va_list args)
{
    char text[1200];
    int n = vsnprintf(text, sizeof text, format, args);

    for (int i = 0; i < n && i < (int)sizeof text - 1; i++)
        if (text[i] == '\n')
            text[i] = ' ';
    printf("%12.6f %s%s\n", (double)sim_here->now * 1e-9, sim_here->in_daemon ? "akssld  " : "",
           text);
}

void sim_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(format, args);
    va_end(args);
}

void sim_broken(const char *format, ...)
{
    sim_report report = { .seed = sim_here->seed };
    va_list args;

    va_start(args, format);
    vsnprintf(report.broken, sizeof report.broken, format, args);
    va_end(args);
    if (sim_here->report && write(sim_here->report, &report, sizeof report) < 0)
        perror("simulate");
    printf("seed %llu, event %llu, broken: ", (unsigned long long)sim_here->seed,
           (unsigned long long)sim_here->events);
    va_start(args, format);
    tell(format, args);
    va_end(args);
    fflush(stdout);
    _exit(SIM_EXIT_BROKEN);
}
