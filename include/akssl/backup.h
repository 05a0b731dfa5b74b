// akssl/backup.h -- backups: all that a daemon knows and has made, in a folder.

#ifndef AKSSL_BACKUP_H
#define AKSSL_BACKUP_H

#include <stdint.h>

#include <akssl/client.h>
#include <akssl/status.h>

#ifdef __cplusplus
extern "C" {
#endif

// akssl_backup is what was written.
typedef struct akssl_backup {
    int64_t files, bytes;
    char *
        warnings; // what the daemon found damaged, a line each; "" when nothing.  Yours: akssl_free
} akssl_backup;

// akssl_client_backup has the daemon send a consistent copy of its state folder, as of now, while
// jobs run, and writes it to folder, which is made (mode 0700) and must not exist yet; until it is
// whole it is called folder.part, and a failure removes it.  `akssld --restore` reads it.  Takes as
// long as it takes to move all jobs' files.  backup is not touched on failure.  ERR_PERMISSION:
// only administrators may; ERR_EXISTS; ERR_LIMIT: another one is being made; ERR_NO_SPACE, ERR_IO.
AKSSL_API akssl_status akssl_client_backup(akssl_client *client, const char *folder,
                                           akssl_backup *backup) AKSSL_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
