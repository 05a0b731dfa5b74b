// tests/sim/disk.c -- files, folders and what of them is on the disk.

#include "tests/sim/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "tests/sim/journal.h"

static sim_node *node_new(bool folder)
{
    sim_node *node = sim_alloc(sizeof *node);

    node->id = ++sim_here->disk->nodes;
    node->folder = folder;
    node->older = sim_here->disk->newest;
    return sim_here->disk->newest = node;
}

void sim_disk_begin(void)
{
    sim_here->disk = sim_alloc(sizeof(sim_disk));
    sim_here->disk->root = node_new(true);
}

// ---- the gate

static void die(void)
{
    sim_trace("dies here");
    sim_here->dead = true;
}

int sim_disk_refuses(sim_effect effect)
{
    if (effect != SIM_READS && sim_here->disk->fixed)
        return EROFS;
    return effect == SIM_GROWS && sim_here->disk->full ? ENOSPC : 0;
}

int sim_disk_gate(const char *call, const char *name, sim_effect effect)
{
    sim_disk *disk = sim_here->disk;

    if (!sim_here->in_daemon)
        return sim_disk_refuses(effect);
    if (sim_here->dead)
        return EIO;
    disk->ops++;
    sim_trace("  %s %s", call, name);
    if (disk->ops == disk->crash_op && !disk->crash_after) {
        die();
        return EIO;
    }
    if (disk->bad && strncmp(name, "/bin/", 5) != 0 && sim_chance(15)) // programs are elsewhere
        return EIO;
    return sim_disk_refuses(effect);
}

void sim_disk_gate_after(void)
{
    sim_disk *disk = sim_here->disk;

    if (sim_here->in_daemon && !sim_here->dead && disk->ops == disk->crash_op)
        die();
}

// ---- names

sim_entry *sim_disk_entry(sim_node *folder, const char *name)
{
    for (int i = 0; i < folder->now.count; i++)
        if (strcmp(folder->now.at[i].name, name) == 0)
            return &folder->now.at[i];
    return NULL;
}

// walk goes to the folder of path's last part, which it gives in *last (NUL-terminated, static).
static int walk(const char *path, sim_node **folder, char last[256])
{
    sim_node *node = sim_here->disk->root;

    *last = '\0';
    while (*path) {
        size_t length = strcspn(path, "/");

        if (length) {
            if (*last) { // the part before is a folder on the way
                sim_entry *entry = node->folder ? sim_disk_entry(node, last) : NULL;

                if (!entry)
                    return ENOENT;
                node = entry->node;
                if (!node->folder)
                    return ENOTDIR;
            }
            if (length > 255)
                return ENAMETOOLONG;
            memcpy(last, path, length);
            last[length] = '\0';
            if (strcmp(last, "..") == 0) {
                node = node->parent ? node->parent : node;
                *last = '\0';
            } else if (strcmp(last, ".") == 0) {
                *last = '\0';
            }
        }
        path += length;
        path += *path == '/';
    }
    *folder = node;
    return 0;
}

int sim_disk_find(const char *path, sim_node **node)
{
    char last[256];
    sim_node *folder;
    sim_entry *entry;
    int error;

    // A folder's `..` is only known once it was entered, so a trailing one is walked, too.
    error = walk(path, &folder, last);
    if (error)
        return error;
    entry = *last ? sim_disk_entry(folder, last) : NULL;
    if (*last && !entry)
        return ENOENT;
    *node = entry ? entry->node : folder;
    return 0;
}

int sim_disk_make(const char *path, bool is_folder, sim_node **node)
{
    char last[256];
    sim_node *folder;
    int error = walk(path, &folder, last);

    if (error)
        return error;
    if (!*last || sim_disk_entry(folder, last))
        return EEXIST;
    *node = node_new(is_folder);
    (*node)->parent = folder;
    sim_journal_add(&(sim_change){ .folder = folder, .name = last, .node = *node });
    return 0;
}

int sim_disk_remove(const char *path)
{
    char last[256];
    sim_node *folder;
    sim_entry *entry;
    int error = walk(path, &folder, last);

    if (error)
        return error;
    entry = *last ? sim_disk_entry(folder, last) : NULL;
    if (!entry)
        return ENOENT;
    if (entry->node->folder && entry->node->now.count)
        return ENOTEMPTY;
    sim_journal_add(&(sim_change){ .folder = folder, .name = last });
    return 0;
}

int sim_disk_rename(const char *from, const char *to)
{
    char last[256], new_last[256];
    sim_node *folder, *new_folder;
    sim_entry *entry, *old;
    int error = walk(from, &folder, last);

    if (!error)
        error = walk(to, &new_folder, new_last);
    if (error)
        return error;
    entry = *last ? sim_disk_entry(folder, last) : NULL;
    if (!entry)
        return ENOENT;
    old = *new_last ? sim_disk_entry(new_folder, new_last) : NULL;
    if (old && old->node == entry->node)
        return 0;
    if (old && old->node->folder != entry->node->folder)
        return old->node->folder ? EISDIR : ENOTDIR;
    if (old && old->node->folder && old->node->now.count)
        return ENOTEMPTY;
    entry->node->parent = new_folder;
    sim_journal_add(&(sim_change){ .folder = new_folder,
                                   .name = new_last,
                                   .node = entry->node,
                                   .from = folder,
                                   .from_name = last });
    return 0;
}

// ---- bytes

int64_t sim_disk_read(const sim_node *file, int64_t offset, void *data, int64_t size)
{
    int64_t n = file->size - offset < size ? file->size - offset : size;

    if (n <= 0)
        return 0;
    memcpy(data, file->data + offset, (size_t)n);
    return n;
}

static void resize(sim_node *file, int64_t size)
{
    if (size > file->room) {
        file->room = size + size / 2 + 512;
        file->data = ak_realloc(file->data, (size_t)file->room, 1);
    }
    if (size > file->size)
        memset(file->data + file->size, 0, (size_t)(size - file->size));
    file->size = size;
}

static void put_bytes(sim_node *file, int64_t offset, const void *data, int64_t size)
{
    if (offset + size > file->size)
        resize(file, offset + size);
    memcpy(file->data + offset, data, (size_t)size);
}

static void note(sim_node *file, int64_t offset, const void *data, int64_t size, bool cut)
{
    int64_t end = cut ? file->size : offset + size < file->size ? offset + size : file->size;
    int64_t old = end > offset ? end - offset : 0;
    sim_write *w = ak_alloc(1, sizeof *w + (size_t)(old + size));

    w->offset = offset;
    w->size = size;
    w->old_size = file->size;
    w->old = old;
    w->cut = cut;
    if (old)
        memcpy(w->bytes, file->data + offset, (size_t)old);
    if (size)
        memcpy(w->bytes + old, data, (size_t)size);
    w->before = file->last;
    if (file->last)
        file->last->next = w;
    else
        file->first = w;
    file->last = w;
}

static void touch(sim_node *file)
{
    file->version++;
    sim_here->disk->changes++;
}

void sim_disk_write(sim_node *file, int64_t offset, const void *data, int64_t size)
{
    if (size <= 0)
        return;
    touch(file);
    note(file, offset, data, size, false);
    put_bytes(file, offset, data, size);
}

void sim_disk_truncate(sim_node *file, int64_t size)
{
    if (size == file->size)
        return;
    touch(file);
    note(file, size, NULL, 0, true);
    resize(file, size);
}

static void forget(sim_node *file)
{
    while (file->first) {
        sim_write *next = file->first->next;

        free(file->first);
        file->first = next;
    }
    file->last = NULL;
}

void sim_disk_sync(sim_node *node)
{
    if (node->folder)
        sim_journal_flush(node);
    else
        forget(node);
    if (sim_here->plan.journal)
        sim_journal_flush(NULL);
}

// ---- the loss of power

enum { SECTOR = 512 };

static void undo(sim_node *file)
{
    for (sim_write *w = file->last; w; w = w->before) {
        resize(file, w->old_size);
        if (w->old)
            memcpy(file->data + w->offset, w->bytes, (size_t)w->old);
    }
}

static void redo(sim_node *file, const sim_write *w, int64_t per_cent)
{
    if (w->cut) {
        if (sim_chance(per_cent))
            resize(file, w->offset);
        return;
    }
    for (int64_t at = 0, n; at < w->size; at += n) {
        n = SECTOR - (w->offset + at) % SECTOR;
        if (n > w->size - at)
            n = w->size - at;
        if (sim_chance(per_cent))
            put_bytes(file, w->offset + at, w->bytes + w->old + at, n);
    }
}

static void lose_file(sim_node *file)
{
    int64_t per_cent = sim_here->plan.loose ? 0 : 100 * sim_range(0, 2) / 2;

    if (!file->first)
        return;
    file->version++;
    undo(file);
    for (const sim_write *w = file->first; w; w = w->next)
        redo(file, w, per_cent);
    forget(file);
}

void sim_disk_lose(void)
{
    sim_here->disk->changes++;
    sim_here->disk->db_changes++;
    sim_journal_lose();
    for (sim_node *node = sim_here->disk->newest; node; node = node->older)
        lose_file(node);
}

void sim_disk_end(void)
{
    for (sim_node *node = sim_here->disk->newest; node; node = node->older) {
        forget(node);
        free(node->data);
    }
}

// ---- for the rest of the world

int sim_disk_put(const char *path, const void *data, int64_t size)
{
    char *temporary = sim_format("%s.part", path);
    char *folder = sim_format("%s", path);
    sim_node *node;
    int error = sim_disk_refuses(SIM_GROWS);

    *strrchr(folder, '/') = '\0';
    if (error)
        return error;
    if (sim_disk_find(temporary, &node) == 0)
        sim_disk_truncate(node, 0);
    else if ((error = sim_disk_make(temporary, false, &node)) != 0)
        return error;
    sim_disk_write(node, 0, data, size);
    sim_disk_sync(node);
    error = sim_disk_rename(temporary, path);
    if (!error && sim_disk_find(folder, &node) == 0)
        sim_disk_sync(node);
    return error;
}

int sim_disk_copy(const char *from, const char *to)
{
    sim_node *source, *target;
    int error = sim_disk_find(from, &source);

    if (error)
        return error;
    if (sim_disk_find(to, &target) == 0)
        sim_disk_truncate(target, 0);
    else if ((error = sim_disk_make(to, false, &target)) != 0)
        return error;
    sim_disk_write(target, 0, source->data, source->size);
    forget(target);
    return 0;
}
