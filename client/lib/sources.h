// client/lib/sources.h -- whose checkpoints we read, and by what names they have a backbone.

#ifndef AK_CLIENT_SOURCES_H
#define AK_CLIENT_SOURCES_H

#include <stdbool.h>

#include "proto/format/names.h"

// One way of naming; several rows may be of one tool.  The lists end with NULL; names in them are
// without "state_dict." and "module.", which savers and DistributedDataParallel put in front.
typedef struct ak_source {
    const char *name;            // as users type it
    const char *const *prefixes; // of the backbone's names; the first that the file has is taken
    const ak_names_pair *pairs;  // our words and theirs behind the prefix; or NULL
    const char *const *behind;   // starts, behind the prefix, of what is no backbone: heads
    const char *const *beside;   // the same of names without the prefix
} ak_source;

// ak_source_at gives the rows in the order in which they are tried; NULL behind the last.
const ak_source *ak_source_at(size_t index);

// ak_source_place gives what a tensor of the file is called here.  *place is set when it is the
// backbone's, and cleared when it is left out; false: it has no place.
bool ak_source_place(const ak_source *source, const char *prefix, const char *name, ak_str *place);

// ak_source_bare gives name without what savers put in front of it.
const char *ak_source_bare(const char *name);

#endif
