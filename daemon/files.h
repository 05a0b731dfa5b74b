// daemon/files.h -- folders and small files of the state folder.
//
// Any thread.  Everything that is written goes through fsync and rename, so that after a power
// cut a file is either the old one or the new one.

#ifndef AK_DAEMON_FILES_H
#define AK_DAEMON_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "akssl/status.h"
#include "proto/base/str.h"

// ak_path formats a path on the heap; yours to free.
char *ak_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ak_files_make durably makes a folder and its missing parents, mode 0700.  It is fine if it
// exists.
akssl_status ak_files_make(const char *folder) AKSSL_MUST_CHECK;

// ak_files_write makes path hold exactly these bytes, durably, mode 0600.
akssl_status ak_files_write(const char *path, const void *data, size_t size) AKSSL_MUST_CHECK;

// ak_files_create is the same for a new file in a folder of which nobody knows yet: it is not
// written beside its place first, and ak_files_sync of the folder is the caller's.
akssl_status ak_files_create(const char *path, const void *data, size_t size) AKSSL_MUST_CHECK;

// ak_files_settle durably gives the file `draft`, which somebody else has written, the name path.
akssl_status ak_files_settle(const char *draft, const char *path) AKSSL_MUST_CHECK;

// ak_files_put writes all of it to an open file; 0, or the error's number.
int ak_files_put(int fd, const void *data, size_t size);

// ak_files_read appends a file of at most limit bytes to text.
akssl_status ak_files_read(const char *path, size_t limit, ak_str *text) AKSSL_MUST_CHECK;

// ak_files_sync flushes a folder's entries.
akssl_status ak_files_sync(const char *folder) AKSSL_MUST_CHECK;

// ak_files_size gives the size of a regular file, not following a link.
akssl_status ak_files_size(const char *path, uint64_t *size) AKSSL_MUST_CHECK;

// ak_files_remove removes a file or a whole folder, not following links; fine if there is none.
akssl_status ak_files_remove(const char *path) AKSSL_MUST_CHECK;

// ak_files_program gives the absolute path of a program: name itself when it holds a '/', else
// the first in PATH that can be executed.  Yours to free; NULL when there is none.
char *ak_files_program(const char *name);

#endif
