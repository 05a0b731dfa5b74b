// worker/data/listing.h -- private to worker/data: the sorted contents of a folder.

#ifndef AK_DATA_LISTING_H
#define AK_DATA_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_entry {
    char *name;
    bool folder;
    int64_t size; // of a plain file
    uint64_t device, number;
} ak_entry;

typedef struct ak_listing {
    ak_entry *entry;
    int64_t count;
} ak_listing;

// ak_listing_read lists plain files and folders, links followed, in the order of their names'
// bytes; hidden names (.x), and what is neither, are left out.
akssl_status ak_listing_read(ak_listing *out, const char *folder) AKSSL_MUST_CHECK;
void ak_listing_fini(ak_listing *listing);

// ak_listing_has says whether there is a folder of this name.
bool ak_listing_has(const ak_listing *listing, const char *name);

#endif
