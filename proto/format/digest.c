// proto/format/digest.c -- XXH3-128 of files and memory.

#include "proto/format/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/format/hash.h"

enum { CHUNK = 1 << 20 };

void ak_hash_text(XXH128_hash_t hash, char digest[AK_DIGEST_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t bytes;

    XXH128_canonicalFromHash(&bytes, hash);
    for (int i = 0; i < 16; i++) {
        digest[2 * i] = digits[bytes.digest[i] >> 4];
        digest[2 * i + 1] = digits[bytes.digest[i] & 15];
    }
    digest[32] = '\0';
}

void ak_digest_memory(const void *data, size_t size, char digest[AK_DIGEST_TEXT])
{
    ak_hash_text(XXH3_128bits(data, size), digest);
}

struct ak_digest {
    XXH3_state_t *state;
};

ak_digest *ak_digest_new(void)
{
    ak_digest *d = ak_alloc(1, sizeof *d);

    d->state = XXH3_createState();
    if (!d->state)
        abort(); // as ak_alloc does
    XXH3_128bits_reset(d->state);
    return d;
}

void ak_digest_add(ak_digest *d, const void *data, size_t size)
{
    if (size)
        XXH3_128bits_update(d->state, data, size);
}

void ak_digest_end(ak_digest *d, char text[AK_DIGEST_TEXT])
{
    ak_hash_text(XXH3_128bits_digest(d->state), text);
    XXH3_freeState(d->state);
    free(d);
}

uint64_t ak_digest_short(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

static akssl_status hash_file(int fd, const char *path, XXH3_state_t *state, uint64_t *size)
{
    void *chunk = ak_try_alloc(CHUNK, 1);
    akssl_status rc = AKSSL_OK;
    ssize_t got;

    if (!chunk)
        return AKSSL_ERR_NO_MEMORY;
    *size = 0;
    while ((got = read(fd, chunk, CHUNK)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            rc = ak_fail_errno(errno, "read '%s'", path);
            break;
        }
        XXH3_128bits_update(state, chunk, (size_t)got);
        *size += (uint64_t)got;
    }
    free(chunk);
    return rc;
}

akssl_status ak_digest_file(const char *path, uint64_t *size, char digest[AK_DIGEST_TEXT])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    XXH3_state_t *state;
    uint64_t total;
    akssl_status rc;

    if (fd < 0)
        return ak_fail_errno(errno, "open '%s'", path);
    state = XXH3_createState();
    if (!state) {
        close(fd);
        return ak_fail(AKSSL_ERR_NO_MEMORY, "digest of '%s': out of memory", path);
    }
    XXH3_128bits_reset(state);
    rc = hash_file(fd, path, state, &total);
    close(fd);
    if (rc == AKSSL_OK) {
        ak_hash_text(XXH3_128bits_digest(state), digest);
        if (size)
            *size = total;
    }
    XXH3_freeState(state);
    return rc;
}
