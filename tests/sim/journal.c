// tests/sim/journal.c -- changes of folders, and which of them a loss of power leaves.

#include "tests/sim/journal.h"

#include <string.h>

#include "proto/base/alloc.h"

static void set(sim_entries *entries, const char *name, sim_node *node)
{
    int i = 0;

    while (i < entries->count && strcmp(entries->at[i].name, name) != 0)
        i++;
    if (node && i < entries->count) {
        entries->at[i].node = node;
    } else if (node) {
        if (entries->count == entries->room) {
            sim_entry *old = entries->at;

            entries->room = entries->room ? entries->room * 2 : 8;
            entries->at = sim_alloc((size_t)entries->room * sizeof *entries->at);
            if (old)
                memcpy(entries->at, old, (size_t)entries->count * sizeof *old);
        }
        entries->at[entries->count++] = (sim_entry){ sim_format("%s", name), node };
    } else if (i < entries->count) {
        entries->at[i] = entries->at[--entries->count];
    }
}

static void apply(const sim_change *c, bool durable)
{
    if (c->from)
        set(durable ? &c->from->durable : &c->from->now, c->from_name, NULL);
    set(durable ? &c->folder->durable : &c->folder->now, c->name, c->node);
}

void sim_journal_add(const sim_change *change)
{
    sim_disk *disk = sim_here->disk;
    sim_change *c = sim_alloc(sizeof *c);

    *c = *change;
    disk->changes++;
    c->name = sim_format("%s", change->name);
    if (change->from)
        c->from_name = sim_format("%s", change->from_name);
    apply(c, false);
    c->before = disk->last;
    c->next = NULL;
    if (disk->last)
        disk->last->next = c;
    else
        disk->first = c;
    disk->last = c;
}

static void drop(sim_change *c)
{
    sim_disk *disk = sim_here->disk;

    if (c->before)
        c->before->next = c->next;
    else
        disk->first = c->next;
    if (c->next)
        c->next->before = c->before;
    else
        disk->last = c->before;
}

void sim_journal_flush(const sim_node *folder)
{
    for (sim_change *c = sim_here->disk->first, *next; c; c = next) {
        next = c->next;
        if (folder && c->folder != folder && c->from != folder)
            continue;
        apply(c, true);
        drop(c);
    }
}

// A change of a name that an earlier one, which was lost, was to make possible, is lost too.
static bool possible(const sim_change *c)
{
    const sim_entries *e = c->from ? &c->from->durable : NULL;

    for (int i = 0; e && i < e->count; i++)
        if (e->at[i].node == c->node && strcmp(e->at[i].name, c->from_name) == 0)
            return true;
    return !c->from;
}

static void restore(sim_node *folder)
{
    sim_entries *e = &folder->durable;

    folder->now = (sim_entries){ 0 };
    for (int i = 0; i < e->count; i++) {
        set(&folder->now, e->at[i].name, e->at[i].node);
        if (e->at[i].node->folder) {
            e->at[i].node->parent = folder;
            restore(e->at[i].node);
        }
    }
}

void sim_journal_lose(void)
{
    sim_disk *disk = sim_here->disk;
    int64_t per_cent = sim_here->plan.loose ? 0 : 100 * sim_range(0, 2) / 2;
    bool going = true;

    for (sim_change *c = disk->first; c; c = c->next) {
        bool keep = sim_chance(per_cent) && possible(c);

        going = going && keep; // in order: what follows a lost change is lost
        if (keep && (going || !sim_here->plan.journal))
            apply(c, true);
    }
    disk->first = disk->last = NULL;
    restore(disk->root);
}
