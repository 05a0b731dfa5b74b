// daemon/http/pictures.c -- /api/jobs/ID/pictures/: which pictures a job has; pictures/NAME: one of
// them, as its run left it (worker/train/pictures.h).

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/http/describe.h"
#include "daemon/http/route.h"
#include "daemon/pictures.h"

enum { LIST = -1 };

static akssl_status look(ak_ask *ask)
{
    const ak_job *job;
    ak_job *stored;
    char *folder;
    int row = LIST;
    akssl_status rc = AKSSL_OK;

    if (ask->rest[0])
        rc = ak_picture_find(ask->rest, &row);
    if (rc < 0)
        return rc;
    rc = ak_control_find(ask->d, ask->job, &job, &stored);
    if (rc < 0)
        return rc;
    ak_job_free(stored);
    folder = ak_control_folder(ask->d, ask->job);
    ask->numbers[0] = row;
    ask->path = ak_path("%s/pictures/%s", folder, row < 0 ? "" : ak_pictures[row].name);
    ask->type = row < 0 ? NULL : ak_pictures[row].type;
    free(folder);
    return AKSSL_OK;
}

static akssl_status list(ak_ask *ask)
{
    json_t *object = json_object(), *names = json_array();

    json_object_set_new(object, "pictures", names);
    for (int i = 0; i < AK_PICTURES; i++) {
        char *path = ak_path("%s%s", ask->path, ak_pictures[i].name);

        if (access(path, R_OK) == 0)
            json_array_append_new(names, json_string(ak_pictures[i].name));
        free(path);
    }
    return ak_describe_put(object, &ask->body);
}

static akssl_status work(ak_ask *ask)
{
    if (ask->numbers[0] == LIST)
        return list(ask);
    if (access(ask->path, F_OK) < 0 && errno == ENOENT)
        return ak_picture_missing(ask->job, (int)ask->numbers[0]);
    return ak_files_read(ask->path, AK_PICTURES_BYTES, &ask->body);
}

const ak_route ak_route_pictures = {
    .path = "/api/jobs/#/pictures/*",
    .type = "application/json",
    .access = AK_ACCESS_READ,
    .look = look,
    .work = work,
};
