// daemon/store/snapshot.h -- a copy of the database for a backup, and what a restore changes in it.

#ifndef AK_DAEMON_STORE_SNAPSHOT_H
#define AK_DAEMON_STORE_SNAPSHOT_H

#include "daemon/store/store.h"

// ak_store_snapshot copies the database at path, which akssld may be writing, as of one moment to a
// new file.  In the copy no job has a run: whoever takes it up must not take the processes of the
// original for its own.  Any thread: it opens the database anew.
akssl_status ak_store_snapshot(const char *path, const char *copy) AKSSL_MUST_CHECK;

// ak_store_relocate has paths below the folder `from` start with `to` instead: weights, and what
// specs name of another job's.  A path that only holds `from` further on stays.  Both end with '/'.
akssl_status ak_store_relocate(ak_store *store, const char *from, const char *to) AKSSL_MUST_CHECK;

// ak_store_settle puts all that is in the database's log into its file, or fails: the file can then
// be moved without the log.
akssl_status ak_store_settle(ak_store *store) AKSSL_MUST_CHECK;

// ak_store_check reads the database through; ERR_CORRUPT.
akssl_status ak_store_check(ak_store *store) AKSSL_MUST_CHECK;

#endif
