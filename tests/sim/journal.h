// tests/sim/journal.h -- what disk.c and journal.c share: changes that are not on the disk yet.

#ifndef AK_SIM_JOURNAL_H
#define AK_SIM_JOURNAL_H

#include "tests/sim/disk.h"

// A write of size bytes at offset, over old bytes; or (cut) a change of the size to offset.  bytes
// holds the old ones, then the new ones.
typedef struct sim_write {
    struct sim_write *before, *next;
    int64_t offset, size, old, old_size;
    bool cut;
    char bytes[];
} sim_write;

// name in folder becomes node (NULL: nothing), and from_name in from goes (a rename), at once.
typedef struct sim_change {
    struct sim_change *before, *next;
    sim_node *folder, *node, *from;
    const char *name, *from_name;
} sim_change;

// sim_journal_add makes a change, and notes it; names are copied.
void sim_journal_add(const sim_change *change);

// sim_journal_flush makes the changes of a folder durable, or all (NULL).
void sim_journal_flush(const sim_node *folder);

// sim_journal_lose makes some of the changes durable and forgets the rest; every folder is then
// what the disk has.
void sim_journal_lose(void);

#endif
