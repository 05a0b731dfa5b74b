// daemon/http/pictures.c -- /api/jobs/ID/pictures/: which pictures a job has; pictures/NAME: one of
// them, as its run left it (worker/train/pictures.h).

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/http/describe.h"
#include "daemon/http/route.h"
#include "proto/base/error.h"

enum { MAX_BYTES = 8 << 20, LIST = -1 };

static const struct {
    const char *name, *type;
} rows[] = {
    { "views.png", "image/png" },
    { "thumbnails.png", "image/png" },
    { "map.json", "application/json" },
};

enum { ROWS = sizeof rows / sizeof *rows };

static akssl_status look(ak_ask *ask)
{
    const ak_job *job;
    ak_job *stored;
    char *folder;
    int row = ask->rest[0] ? 0 : LIST;
    akssl_status rc;

    while (row >= 0 && row < ROWS && strcmp(rows[row].name, ask->rest) != 0)
        row++;
    if (row == ROWS)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "a job has no picture '%.64s'", ask->rest);
    rc = ak_control_find(ask->d, ask->job, &job, &stored);
    if (rc < 0)
        return rc;
    ak_job_free(stored);
    folder = ak_control_folder(ask->d, ask->job);
    ask->numbers[0] = row;
    ask->path = ak_path("%s/pictures/%s", folder, row < 0 ? "" : rows[row].name);
    ask->type = row < 0 ? NULL : rows[row].type;
    free(folder);
    return AKSSL_OK;
}

static akssl_status list(ak_ask *ask)
{
    json_t *object = json_object(), *names = json_array();

    json_object_set_new(object, "pictures", names);
    for (int i = 0; i < ROWS; i++) {
        char *path = ak_path("%s%s", ask->path, rows[i].name);

        if (access(path, R_OK) == 0)
            json_array_append_new(names, json_string(rows[i].name));
        free(path);
    }
    return ak_describe_put(object, &ask->body);
}

static akssl_status work(ak_ask *ask)
{
    if (ask->numbers[0] == LIST)
        return list(ask);
    if (access(ask->path, F_OK) < 0 && errno == ENOENT)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "job %lld has no %s yet: views come with its start, a map with its end "
                       "(--map no: none)",
                       (long long)ask->job, rows[ask->numbers[0]].name);
    return ak_files_read(ask->path, MAX_BYTES, &ask->body);
}

const ak_route ak_route_pictures = {
    .path = "/api/jobs/#/pictures/*",
    .type = "application/json",
    .access = AK_ACCESS_READ,
    .look = look,
    .work = work,
};
