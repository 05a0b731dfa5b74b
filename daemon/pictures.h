// daemon/pictures.h -- which pictures a job's folder may have, for people to look at; its run draws
// them (worker/train/pictures.h).  Any thread.

#ifndef AK_DAEMON_PICTURES_H
#define AK_DAEMON_PICTURES_H

#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_picture {
    const char *name, *type; // of the file in FOLDER/pictures; MIME
} ak_picture;

enum { AK_PICTURES = 3, AK_PICTURES_BYTES = 8 << 20 }; // rows; the most that is sent of one

extern const ak_picture ak_pictures[AK_PICTURES];

// ak_picture_find gives the row called name; ERR_NOT_FOUND lists them all.
akssl_status ak_picture_find(const char *name, int *row) AKSSL_MUST_CHECK;

// ak_picture_missing says when a job has it: ERR_NOT_FOUND.
akssl_status ak_picture_missing(int64_t job, int row) AKSSL_MUST_CHECK;

#endif
