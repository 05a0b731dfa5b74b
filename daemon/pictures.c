// daemon/pictures.c -- which pictures a job's folder may have.

#include "daemon/pictures.h"

#include <inttypes.h>
#include <string.h>

#include "proto/base/error.h"

const ak_picture ak_pictures[AK_PICTURES] = {
    { "views.png", "image/png" },
    { "thumbnails.png", "image/png" },
    { "map.json", "application/json" },
};

akssl_status ak_picture_find(const char *name, int *row)
{
    for (int i = 0; i < AK_PICTURES; i++) {
        if (strcmp(ak_pictures[i].name, name) != 0)
            continue;
        *row = i;
        return AKSSL_OK;
    }
    return ak_fail(AKSSL_ERR_NOT_FOUND, "a job has no picture '%.64s': there are %s, %s and %s",
                   name, ak_pictures[0].name, ak_pictures[1].name, ak_pictures[2].name);
}

akssl_status ak_picture_missing(int64_t job, int row)
{
    return ak_fail(AKSSL_ERR_NOT_FOUND,
                   "job %" PRId64 " has no %s yet: views come with its start, a map with its end "
                   "(--map no: none)",
                   job, ak_pictures[row].name);
}
