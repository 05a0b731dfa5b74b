// daemon/auth/roots.h -- which files a job may be given: those below --data-root.
//
// Two locks on one door: here, where the one who submits is told; and in the workers, which look at
// each file that they have opened (proto/base/confine.h), since a link may be put there later.
// With roots, everybody keeps to them.  Without, an administrator may name any file, and others
// none: only data sets that have a place of their own, and neither patterns nor files to be made.
// Files of jobs may always be read, and jobs write to their own folder alone.

#ifndef AK_DAEMON_AUTH_ROOTS_H
#define AK_DAEMON_AUTH_ROOTS_H

#include <stdbool.h>

#include "daemon/config.h"
#include "proto/spec/spec.h"

// What it depends on: akssld's flags, and who asks.
typedef struct ak_roots {
    const char *state_dir, *data_root;
    bool admin;
} ak_roots;

// ak_roots_asks says whether ak_roots_check has anything to look at.
bool ak_roots_asks(const ak_roots *roots, const ak_spec *spec);

// ak_roots_check looks at every path in spec, for as long as their file servers take: on any
// thread. ERR_PERMISSION, ERR_NOT_FOUND, ERR_INVALID.
akssl_status ak_roots_check(const ak_roots *roots, const ak_spec *spec) AKSSL_MUST_CHECK;

// ak_roots_announce puts the roots into this process's environment, for what it starts; before any
// thread.
void ak_roots_announce(const ak_config *config);

#endif
