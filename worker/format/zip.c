// worker/format/zip.c -- an archive of files as they are.

#include "worker/format/zip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"

enum {
    LOCAL = 0x04034b50,
    CENTRAL = 0x02014b50,
    END = 0x06054b50,
    VERSION = 20,         // that a reader must understand
    FIRST_DAY = 0x21,     // 1980-01-01, the first that the format can say
    MOST_FILES = 65534,   // 65535 and 4 GiB are what zip64 archives say here
    TAIL = 46 + 22 + 1024 // room kept for the directory, a file
};

struct ak_zip {
    ak_draft *draft;
    ak_str directory;
    int count;
};

ak_zip *ak_zip_new(ak_draft *draft)
{
    ak_zip *zip = ak_alloc(1, sizeof *zip);

    zip->draft = draft;
    return zip;
}

static void put(ak_str *to, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        ak_str_append_n(to, &(uint8_t){ (uint8_t)(value >> (8 * i)) }, 1);
}

// What local and central headers have alike, from the version on.
static void describe(ak_str *to, size_t size, uint32_t crc, size_t name)
{
    put(to, VERSION, 2);
    put(to, 0, 2); // flags
    put(to, 0, 2); // method: stored
    put(to, 0, 2); // time
    put(to, FIRST_DAY, 2);
    put(to, crc, 4);
    put(to, (uint32_t)size, 4); // compressed
    put(to, (uint32_t)size, 4);
    put(to, (uint32_t)name, 2);
    put(to, 0, 2); // extra field
}

akssl_status ak_zip_begin(ak_zip *zip, const char *name, size_t size, uint32_t crc)
{
    uint64_t at = ak_draft_size(zip->draft), length = strlen(name);
    ak_str local = AK_STR_INIT;
    akssl_status rc;

    if (zip->count == MOST_FILES || length > 1000 ||
        at + size + zip->directory.length + length + TAIL >= UINT32_MAX)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "'%.64s': the archive would have over 4 GiB or 65534 files: take the "
                       "format safetensors",
                       name);
    put(&local, LOCAL, 4);
    describe(&local, size, crc, length);
    ak_str_append(&local, name);
    put(&zip->directory, CENTRAL, 4);
    put(&zip->directory, VERSION, 2); // made by
    describe(&zip->directory, size, crc, length);
    put(&zip->directory, 0, 2); // comment
    put(&zip->directory, 0, 2); // disk
    put(&zip->directory, 0, 2); // internal attributes
    put(&zip->directory, 0, 4); // external attributes
    put(&zip->directory, (uint32_t)at, 4);
    ak_str_append(&zip->directory, name);
    zip->count++;
    rc = ak_draft_write(zip->draft, local.text, local.length);
    ak_str_fini(&local);
    return rc;
}

akssl_status ak_zip_end(ak_zip *zip)
{
    uint64_t at = ak_draft_size(zip->draft);
    size_t length = zip->directory.length;

    put(&zip->directory, END, 4);
    put(&zip->directory, 0, 2); // this disk
    put(&zip->directory, 0, 2); // the directory's disk
    put(&zip->directory, (uint32_t)zip->count, 2);
    put(&zip->directory, (uint32_t)zip->count, 2);
    put(&zip->directory, (uint32_t)length, 4);
    put(&zip->directory, (uint32_t)at, 4);
    put(&zip->directory, 0, 2); // comment
    return ak_draft_write(zip->draft, zip->directory.text, zip->directory.length);
}

void ak_zip_free(ak_zip *zip)
{
    if (zip)
        ak_str_fini(&zip->directory);
    free(zip);
}
