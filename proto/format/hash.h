// proto/format/hash.h -- private to proto/format: a hash as text, for those that stream it.

#ifndef AK_FORMAT_HASH_H
#define AK_FORMAT_HASH_H

#include <xxhash.h>

#include "proto/format/digest.h"

// ak_hash_text prints the hash as `xxhsum -H2` does.
void ak_hash_text(XXH128_hash_t hash, char digest[AK_DIGEST_TEXT]);

#endif
