// tests/unit/worker/data/folder.h -- a folder for the files of a case, removed with them.

#ifndef AK_TESTS_WORKER_DATA_FOLDER_H
#define AK_TESTS_WORKER_DATA_FOLDER_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[256];

static inline int folder_remove_one(const char *path, const struct stat *st, int kind,
                                    struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void folder_make(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.200s/akssl-data-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void folder_remove(void)
{
    ck_assert_int_eq(nftw(folder, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
