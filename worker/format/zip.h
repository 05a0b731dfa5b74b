// worker/format/zip.h -- an archive of files as they are (PKWARE's APPNOTE 6.3.3, method 0).
//
//     for each: local header (30 bytes), name, bytes; then for each a central header (46 bytes)
//     and its name; then the end (22 bytes).  No dates: equal files make equal archives.

#ifndef AK_FORMAT_ZIP_H
#define AK_FORMAT_ZIP_H

#include "worker/format/draft.h"

typedef struct ak_zip ak_zip;

// ak_zip_new starts an archive in draft, which is borrowed and has nothing in it yet.
ak_zip *ak_zip_new(ak_draft *draft);

// ak_zip_begin starts a file of that size and CRC-32, whose bytes the caller then writes to the
// draft.  ERR_LIMIT: the archive would reach 4 GiB, or 65535 files.
akssl_status ak_zip_begin(ak_zip *zip, const char *name, size_t size,
                          uint32_t crc) AKSSL_MUST_CHECK;
akssl_status ak_zip_end(ak_zip *zip) AKSSL_MUST_CHECK;
void ak_zip_free(ak_zip *zip); // NULL-safe

#endif
