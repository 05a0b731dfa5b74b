// tests/sim/files.h -- what libc.c and proc.c share: open files of the simulated host.

#ifndef AK_SIM_FILES_H
#define AK_SIM_FILES_H

#include "tests/sim/disk.h"
#include "tests/sim/procs.h"

enum { SIM_FD_BASE = 5000, SIM_FDS = 256 };

typedef struct sim_file {
    bool open, append, write;
    sim_node *node; // on the disk; NULL: in /proc
    sim_proc *proc; // /proc/PID, or a file in it; NULL with node NULL: /proc itself
    char *text;     // of a file in it
    int64_t size, offset;
} sim_file;

typedef struct sim_files {
    sim_file at[SIM_FDS];
    void *maps[64];
} sim_files;

void sim_files_begin(void);

// sim_files_left is how many files akssld has open.
int sim_files_left(void);

// sim_files_get gives an open file of the simulated host, or NULL.
sim_file *sim_files_get(int fd);
int sim_files_new(const sim_file *form); // a descriptor

#endif
