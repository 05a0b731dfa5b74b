// proto/base/confine.h -- files that may be read: those below the folders that akssld names.
//
// akssld gives its roots to the workers that it starts, and to the check of a spec, by the
// environment: AKSSL_DATA_ROOTS, absolute folders without links, a line each.  Without it
// everything may be read.  Any thread.
//
// Whoever wants to know which files were opened sets AKSSL_OPENED to the number of a descriptor; a
// line each is written there: "opened INODE SIZE MODIFIED CHANGED PATH" (times in ns), or
// "missing PATH".

#ifndef AK_BASE_CONFINE_H
#define AK_BASE_CONFINE_H

#include <stdbool.h>

#include "akssl/status.h"

#define AK_CONFINE_ROOTS "AKSSL_DATA_ROOTS"
#define AK_CONFINE_OPENED "AKSSL_OPENED"

// ak_confine_open opens path to read it.  What counts is the file that was opened, through whatever
// links: ERR_PERMISSION when it is below none of the roots.
akssl_status ak_confine_open(int *fd, const char *path) AKSSL_MUST_CHECK;

// ak_confine_covers says whether an absolute path without links is one of the roots, or below one.
bool ak_confine_covers(const char *roots, const char *path);

#endif
