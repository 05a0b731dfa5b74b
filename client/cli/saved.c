// client/cli/saved.c -- what is said of a file that was written.

#include "client/cli/saved.h"

#include <inttypes.h>
#include <string.h>

#include "client/cli/json.h"
#include "client/cli/text.h"

void ak_saved_print(const ak_cli *cli, const char *what, const char *done, const akssl_saved *saved,
                    const char *path)
{
    json_t *object;

    if (cli->json) {
        object = json_object();
        json_object_set_new(object, "file", ak_json_text(path, strlen(path)));
        json_object_set_new(object, "step", json_integer(saved->step));
        json_object_set_new(object, "size", json_integer(saved->size));
        json_object_set_new(object, "digest", json_string(saved->digest));
        ak_json_print(stdout, object);
        return;
    }
    printf("%s of step %" PRId64 " %s to ", what, saved->step, done);
    ak_text_put(stdout, path);
    printf(" (%" PRId64 " bytes, XXH3-128 %s)\n", saved->size, saved->digest);
}
