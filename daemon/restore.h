// daemon/restore.h -- `akssld --restore DIR`: a state folder made of a backup.

#ifndef AK_DAEMON_RESTORE_H
#define AK_DAEMON_RESTORE_H

#include <stdint.h>

#include "akssl/status.h"

// The database is copied first, as this, and gets its name last: a folder that has it holds half of
// a restore, and no akssld starts there.
#define AK_RESTORE_MARK "akssld.db.restoring"

typedef struct ak_restored {
    int64_t files, bytes, commits;
    int64_t
        damaged; // commits that are not what was committed, as they were when the backup was made
} ak_restored;

// ak_restore makes state_dir, which is empty, or holds what an earlier restore has left, of the
// backup in folder: copies each file, compares it with the manifest's digest, reads the database
// through, and every commit, and then gives all of it to whom state_dir belongs.  Damaged commits
// are told on stderr.  ERR_CORRUPT: the backup is not whole; ERR_EXISTS: state_dir is in use, or
// holds jobs.
akssl_status ak_restore(const char *folder, const char *state_dir,
                        ak_restored *restored) AKSSL_MUST_CHECK;

#endif
