// client/cli/views.c -- views: what a job trains on, as a picture.

#include <inttypes.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/fetched.h"
#include "client/cli/json.h"
#include "client/cli/raster.h"
#include "client/cli/text.h"

static const char name[] = "views.png";

typedef struct views {
    const char *out;
    bool sixel;
} views;

static const ak_flag flags[] = {
    AK_FLAG(views, out, "out", 'o', TEXT, "FILE.png", "write the picture to this file"),
    AK_FLAG(views, sixel, "sixel", 0, SWITCH, NULL,
            "draw its pixels, for a terminal that shows sixel graphics"),
    AK_FLAG_END,
};

static int save(const ak_cli *cli, akssl_client *client, int64_t id, const char *path)
{
    akssl_saved saved;
    akssl_status rc = akssl_client_picture(client, id, name, path, &saved);
    json_t *object;

    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json) {
        object = json_object();
        json_object_set_new(object, "file", ak_json_text(path, strlen(path)));
        json_object_set_new(object, "size", json_integer(saved.size));
        json_object_set_new(object, "digest", json_string(saved.digest));
        ak_json_print(stdout, object);
        return AK_EXIT_DONE;
    }
    ak_text_put(stdout, path);
    putchar('\n');
    return AK_EXIT_DONE;
}

static int draw(akssl_client *client, int64_t id, bool sixel)
{
    ak_line_look look = ak_line_look_of(stdout);
    ak_fetched file = { 0 };
    ak_raster raster = { 0 };
    int code = ak_fetched_get(&file, client, id, name);

    if (code == AK_EXIT_DONE)
        code = ak_raster_read(&raster, file.path);
    if (code == AK_EXIT_DONE && sixel)
        ak_raster_sixel(&raster, stdout);
    else if (code == AK_EXIT_DONE)
        ak_raster_blocks(&raster, &look, stdout);
    ak_raster_fini(&raster);
    ak_fetched_fini(&file);
    return code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const views *v = args->self;
    akssl_client *client = NULL;
    int64_t id = 0;
    int code = ak_cli_id(args->words[0], &id);

    if (code == AK_EXIT_DONE && cli->json && !v->out)
        code = ak_cli_error(AK_EXIT_USAGE, "views: a picture is no JSON: give --out FILE.png");
    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    if (code == AK_EXIT_DONE)
        code = v->out ? save(cli, client, id, v->out) : draw(client, id, v->sixel);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_views = {
    .name = "views",
    .summary = "show the views that a job trains on",
    .synopsis = "ID",
    .details = "A row an image: its plain view, then its views as training makes them.  In the\n"
               "terminal two pixels are a character, in colour where it has any.\n",
    .flags = flags,
    .self_size = sizeof(views),
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
