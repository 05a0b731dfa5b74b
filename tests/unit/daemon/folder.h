// tests/unit/daemon/folder.h -- a temporary folder, removed at the end of a case.

#ifndef AK_TESTS_DAEMON_FOLDER_H
#define AK_TESTS_DAEMON_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/files.h"
#include "tests/check.h"

static inline char *folder_make(void)
{
    const char *base = getenv("TMPDIR");
    char *path = ak_path("%s/akssld-test-XXXXXX", base && base[0] ? base : "/tmp");

    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

static inline void folder_remove(char *path)
{
    ck_assert_int_eq(ak_files_remove(path), 0);
    free(path);
}

#endif
