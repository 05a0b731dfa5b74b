// daemon/launcher/hostlist.h -- hosts and a number each: their slots, or the ranks that they get.
//
// As flags have it: "n1:2,n2:2".  As files have it, OpenMPI's hostfiles among them: a host a line,
// "n1 slots=2" or "n1:2", blank lines, and comments from '#'.  As Slurm has it, in two parts:
// "n[1-2,04],m" and "2(x3),4".  Names are of letters, digits, '.', '_' and '-', and do not begin
// with '-' or '.', since they become arguments of programs.  Any thread.

#ifndef AK_DAEMON_LAUNCHER_HOSTLIST_H
#define AK_DAEMON_LAUNCHER_HOSTLIST_H

#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"
#include "proto/base/str.h"

enum {
    AK_HOSTLIST_MAX = 1024,     // hosts
    AK_HOSTLIST_NAME = 254,     // bytes of a name, its end included
    AK_HOSTLIST_SLOTS = 65536,  // of a host
    AK_HOSTLIST_TEXT = 1 << 18, // bytes of a list
};

typedef struct ak_hostlist_row {
    char name[AK_HOSTLIST_NAME];
    int64_t slots;
} ak_hostlist_row;

// A value: start from zero, end with ak_hostlist_fini.
typedef struct ak_hostlist {
    ak_hostlist_row *at;
    size_t count;
} ak_hostlist;

// ak_hostlist_parse reads one of the first two forms into an empty list; a host without a number
// has one slot.  ERR_INVALID for anything else, for a host that comes twice and for an empty list;
// the list is empty then.
akssl_status ak_hostlist_parse(ak_hostlist *list, const char *text) AKSSL_MUST_CHECK;

// ak_hostlist_slurm does so for Slurm's: SLURM_JOB_NODELIST and SLURM_JOB_CPUS_PER_NODE.
akssl_status ak_hostlist_slurm(ak_hostlist *list, const char *nodes,
                               const char *cpus) AKSSL_MUST_CHECK;

// ak_hostlist_text appends the list in the flags' form.
void ak_hostlist_text(const ak_hostlist *list, ak_str *text);

// ak_hostlist_slots gives a host's number; 0 when it is not in the list.
int64_t ak_hostlist_slots(const ak_hostlist *list, const char *name);

// ak_hostlist_add adds a host.  ERR_INVALID as above, ERR_LIMIT.
akssl_status ak_hostlist_add(ak_hostlist *list, const char *name, size_t length,
                             int64_t slots) AKSSL_MUST_CHECK;

// ak_hostlist_place puts ranks of `need` cores each on hosts of which so many cores are free: all
// on one host if it can be (where least is left over), else on as few as fill up, those with most
// room first.  ranks[i] is how many host i gets; the sum is returned, and is less than asked for
// where there is no room.
int64_t ak_hostlist_place(const int64_t *free, size_t count, int64_t asked, int64_t need,
                          int64_t *ranks);

void ak_hostlist_fini(ak_hostlist *list); // NULL-safe

#endif
