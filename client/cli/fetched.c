// client/cli/fetched.c -- one of a job's pictures, in a file for as long as a command needs it.

#include "client/cli/fetched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BASE = 200 };

int ak_fetched_get(ak_fetched *f, akssl_client *client, int64_t id, const char *name)
{
    const char *base = getenv("TMPDIR");
    akssl_status rc;

    snprintf(f->folder, sizeof f->folder, "%.*s/akssl-XXXXXX", BASE, base && *base ? base : "/tmp");
    if (!mkdtemp(f->folder)) {
        int error = errno;

        f->folder[0] = '\0';
        return ak_cli_error(AK_EXIT_FAILED, "no folder for a picture can be made in '%.*s': %s",
                            BASE, base && *base ? base : "/tmp", strerror(error));
    }
    snprintf(f->path, sizeof f->path, "%s/%.32s", f->folder, name);
    rc = akssl_client_picture(client, id, name, f->path, NULL);
    return rc < 0 ? ak_cli_failed(rc) : AK_EXIT_DONE;
}

void ak_fetched_fini(ak_fetched *f)
{
    if (f->path[0])
        unlink(f->path);
    if (f->folder[0])
        rmdir(f->folder);
    *f = (ak_fetched){ 0 };
}
