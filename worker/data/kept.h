// worker/data/kept.h -- private to worker/data: decoded images that are kept in memory, so that
// those that are costly to decode are decoded once and not each epoch.
//
// What an image costs to decode goes with the bytes of its file, nearly whatever its size: an image
// is worth its file's bytes for each byte of memory.  When room is short, those worth more stay.
// Which are kept depends on what is read when; what is read does not depend on what is kept.
//
// Images that the next steps will want (ahead.h) go before all others, into at most half of the
// room; once held, such an image is like the others.
//
// Processes of a host share them: one makes the memory, others join it by its key.  A process that
// dies within a call can leave the others waiting; they are ranks of a run, which ends with it.
//
// Any thread.

#ifndef AK_DATA_KEPT_H
#define AK_DATA_KEPT_H

#include "worker/data/dataset.h"
#include "worker/image/image.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct ak_kept ak_kept;
typedef struct ak_kept_image ak_kept_image;

// ak_kept_new keeps images 0..count-1 in at most `room` bytes, whole pages each; NULL: there is no
// memory.
ak_kept *ak_kept_new(int64_t count, size_t room);
void ak_kept_free(ak_kept *kept); // NULL-safe; nobody of this process holds an image

// ak_kept_key_of is for other processes of this user, all zeros where RLIMIT_FSIZE forbids that;
// ak_kept_join, with the same count and room, shares what is kept there.  NULL: it is gone, or this
// process may not see the other one.
ak_kept_key ak_kept_key_of(const ak_kept *kept);
ak_kept *ak_kept_join(int64_t count, size_t room, const ak_kept_key *key);

// ak_kept_hold gives an image that is kept, until ak_kept_rele; NULL: it is not kept.
ak_kept_image *ak_kept_hold(ak_kept *kept, int64_t index, ak_image *out);
void ak_kept_rele(ak_kept *kept, ak_kept_image *image);

// ak_kept_offer copies an image whose file has so many bytes, if it is worth its room, or wanted.
void ak_kept_offer(ak_kept *kept, int64_t index, const ak_image *image, size_t file_size,
                   bool wanted);

// ak_kept_want has an image that is kept stay until it is held; false: it is not kept.
bool ak_kept_want(ak_kept *kept, int64_t index);

size_t ak_kept_used(ak_kept *kept); // bytes of pages

#endif
