// tests/sim/disk.h -- a disk in memory that loses what was not flushed.
//
// A file is its bytes, and the writes since its last flush with what they overwrote.  A folder is
// its entries as they are, and as they are on the disk; changes of entries wait in one list, the
// journal, until their folder is flushed (or, on a disk that keeps its metadata in order, as ext4
// and xfs do, until anything is).  A loss of power undoes the writes and does some of them again,
// sector by sector, and does some of the journal's changes.
//
// The functions return 0 or an errno.  Those that akssld's own calls reach pass a gate first:
// there its process dies, the disk is full, fails, or cannot be written.  What the rest of the
// world does meets a full disk and a read-only one, but no failing one.

#ifndef AK_SIM_DISK_H
#define AK_SIM_DISK_H

#include "tests/sim/world.h"

typedef struct sim_node sim_node;

typedef struct sim_entry {
    char *name;
    sim_node *node;
} sim_entry;

typedef struct sim_entries {
    sim_entry *at;
    int count, room;
} sim_entries;

struct sim_node {
    int id;
    bool folder;
    sim_node *parent; // of a folder
    char *data;
    int64_t size, room;
    struct sim_write *first, *last; // since the last flush
    sim_entries now, durable;
    sim_node *older;
    uint64_t version; // of its bytes
    bool rotten;      // its bytes have changed by themselves
    const void *lock; // who holds it
};

typedef struct sim_disk {
    sim_node *root, *newest; // of all, in a list
    int nodes;
    struct sim_change *first, *last; // the journal
    bool full, bad, fixed;           // fixed: a read-only file system
    uint64_t changes, db_changes;    // of bytes and names; of the database's files
    int64_t ops;                     // of akssld
    int64_t crash_op;                // the one that it dies in; 0: none
    bool crash_after;                // that one's effect stays
    bool lies;                       // the database's flushes do nothing (a planted fault)
} sim_disk;

void sim_disk_begin(void);
void sim_disk_end(void);

// sim_disk_gate is passed by every call of akssld that may change or read the disk: 0, or what the
// call fails with.  name is for the trace.
typedef enum sim_effect { SIM_READS, SIM_CHANGES, SIM_GROWS } sim_effect;

int sim_disk_gate(const char *call, const char *name, sim_effect effect);

// sim_disk_refuses is what writing fails with now: EROFS, ENOSPC, or 0.
int sim_disk_refuses(sim_effect effect);

// sim_disk_gate_after dies if the call that was let in is the one to die after.
void sim_disk_gate_after(void);

int sim_disk_find(const char *path, sim_node **node);
int sim_disk_make(const char *path, bool folder, sim_node **node); // EEXIST
int sim_disk_remove(const char *path);                             // a file or an empty folder
int sim_disk_rename(const char *from, const char *to);
sim_entry *sim_disk_entry(sim_node *folder, const char *name);

int64_t sim_disk_read(const sim_node *file, int64_t offset, void *data, int64_t size);
void sim_disk_write(sim_node *file, int64_t offset, const void *data, int64_t size);
void sim_disk_truncate(sim_node *file, int64_t size);
void sim_disk_sync(sim_node *node);

// sim_disk_lose is a loss of power.
void sim_disk_lose(void);

// sim_disk_put makes a file of these bytes as a careful program does: other name, flush, rename,
// flush of the folder.  For the rest of the world; ENOSPC when the disk is full, or EROFS.
int sim_disk_put(const char *path, const void *data, int64_t size);

// sim_disk_copy makes a file with the bytes of another one, for looking at a database.
int sim_disk_copy(const char *from, const char *to);

#endif
