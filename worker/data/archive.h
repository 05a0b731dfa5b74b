// worker/data/archive.h -- private to worker/data: what is in a tar file, and where.
//
// A reader of our own, because it gives offsets: images are then read from the middle of an archive
// in any order, by any rank, which no library does.  It reads what GNU tar, bsdtar and Python's
// tarfile write (ustar, pax, GNU long names, sizes in base 256) and refuses the rest; nothing is
// unpacked.

#ifndef AK_DATA_ARCHIVE_H
#define AK_DATA_ARCHIVE_H

#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_member {
    const char *name; // borrowed for the call
    int64_t offset, size;
} ak_member;

typedef akssl_status (*ak_member_take)(void *ctx, int fd, const ak_member *member);

// ak_archive_list hands every plain file of the archive to take, in order; a failure of take ends
// it.  ERR_CORRUPT: no tar file, damaged, truncated (an end mark is needed) or compressed.
akssl_status ak_archive_list(const char *path, ak_member_take take, void *ctx) AKSSL_MUST_CHECK;

#endif
