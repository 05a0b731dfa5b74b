// daemon/backup.h -- a consistent copy of the state folder, made while jobs run.
//
//     manifest             what is in it, each file with size and digest; last, so that what was
//     cut off shows akssld.db            the database as of one moment audit.jsonl jobs/ID/... each
//     job's files; of its commits those that the database has
//
// The database's copy is made first (SQLite's online backup).  Then the files of the commits that
// it knows get a second link in STATE/tmp, so that what is pruned meanwhile stays readable; if one
// is gone already the copy is made again.  All else is read as it is then, which is no earlier: a
// log or metrics that are longer than the commit are cut by the run that goes on from it.
//
// Left out: secrets of runs, TLS keys, drafts of commits and those that were set aside.

#ifndef AK_DAEMON_BACKUP_H
#define AK_DAEMON_BACKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/base/str.h"
#include "proto/format/digest.h"

#define AK_BACKUP_MANIFEST "manifest"

enum { AK_BACKUP_PIECE = 1 << 20, AK_BACKUP_MAX_FILES = 16 << 20, AK_BACKUP_MAX_PATH = 1024 };

typedef struct ak_backup ak_backup;

// ak_backup_new is of the state folder; staging, a folder that is made, is removed by free.  Any
// thread, one at a time.
ak_backup *ak_backup_new(const char *state_dir, const char *staging);
void ak_backup_free(ak_backup *backup); // NULL-safe

// ak_backup_prepare copies the database, links the commits, and lists the files.
akssl_status ak_backup_prepare(ak_backup *backup) AKSSL_MUST_CHECK;

// One piece of it.  path is set where a new file begins; nothing is set at the end.
typedef struct ak_backup_piece {
    const char *path; // the backup's own, until the next call
    const char
        *warning; // the same: a file that is missing, or is not what was committed; NULL: none
    size_t size;
    char data[AK_BACKUP_PIECE];
} ak_backup_piece;

// ak_backup_next reads the next piece; *more is false once everything was read.
akssl_status ak_backup_next(ak_backup *backup, ak_backup_piece *piece, bool *more) AKSSL_MUST_CHECK;

// ---- the manifest

// A line of it.
typedef struct ak_backup_file {
    uint64_t size;
    char digest[AK_DIGEST_TEXT];
    char path[AK_BACKUP_MAX_PATH];
} ak_backup_file;

// ak_backup_read_head reads how a manifest starts; state_dir is the folder that the backup is of.
akssl_status ak_backup_read_head(FILE *manifest,
                                 char state_dir[AK_BACKUP_MAX_PATH]) AKSSL_MUST_CHECK;

// ak_backup_read_file reads the next line; *more is false at a proper end.  ERR_CORRUPT for
// anything else, and for paths that are not plain ones below the backup's folder.
akssl_status ak_backup_read_file(FILE *manifest, ak_backup_file *file, bool *more) AKSSL_MUST_CHECK;

#endif
