// client/cli/export.c -- export: a job's trained backbone as a file that other tools read.
//
// The formats are the worker's; what a file's name ends with is said by the catalogue.

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "client/cli/cmd.h"
#include "client/cli/saved.h"

typedef struct export
{
    const char *format, *out;
    int64_t zero_head, step;
}
export;

static const ak_flag flags[] = {
    AK_FLAG(export, format, "format", 'f', TEXT, "NAME",
            "safetensors (default), torchvision-vit, npy, onnx: see catalogue formats"),
    AK_FLAG(export, out, "out", 'o', TEXT, "FILE",
            "where to (default: job-ID and the format's ending)"),
    AK_FLAG(export, zero_head, "zero-head", 0, COUNT, "N",
            "add a classifier of N classes with weights 0, for loaders that insist on one"),
    AK_FLAG(export, step, "step", 0, COUNT, "N",
            "of the commit of step N, not of the last weights"),
    AK_FLAG_END,
};

// In names '-' and '_' are one.
static bool is_same(const char *a, const char *b)
{
    while (*a && (*a == *b || (*a == '_' && *b == '-')))
        a++, b++;
    return !*a && !*b;
}

// ending puts what a file of that format ends with into text; a format that the catalogue does not
// have is the daemon's to refuse.
static akssl_status ending(akssl_client *client, const char *format, char *text, size_t size)
{
    char *catalogue = NULL;
    akssl_status rc = akssl_client_catalogue(client, &catalogue);
    json_t *root = rc < 0 ? NULL : json_loads(catalogue, 0, NULL), *row;
    size_t i;

    text[0] = '\0';
    json_array_foreach(json_object_get(root, "formats"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *end = json_string_value(json_object_get(row, "extension"));

        if (name && end && !strchr(end, '/') && is_same(name, format))
            snprintf(text, size, "%s", end);
    }
    json_decref(root);
    akssl_free(catalogue);
    return rc;
}

static int write_file(const ak_cli *cli, akssl_client *client, int64_t id, const export *e)
{
    akssl_export what = { .format = e->format, .zero_head = e->zero_head, .step = e->step };
    char path[96], end[32];
    akssl_saved saved;
    akssl_status rc = AKSSL_OK;

    if (!what.format)
        what.format = "safetensors";
    if (!e->out) {
        rc = ending(client, what.format, end, sizeof end);
        snprintf(path, sizeof path, "job-%" PRId64 "%s", id, end);
    }
    if (rc >= 0)
        rc = akssl_client_export(client, id, &what, e->out ? e->out : path, &saved);
    if (rc < 0)
        return ak_cli_failed(rc);
    ak_saved_print(cli, "backbone", "exported", &saved, e->out ? e->out : path);
    return AK_EXIT_DONE;
}

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_client *client = NULL;
    int64_t id = 0;
    int code = ak_cli_open_job(cli, args, &client, &id);

    if (code == AK_EXIT_DONE)
        code = write_file(cli, client, id, args->self);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_export = {
    .name = "export",
    .summary = "write a job's trained backbone as a file that other tools read",
    .synopsis = "ID",
    .details = "Of a job that has succeeded: its weights; of any other: its newest commit's.\n"
               "The file says of itself what a reader must know: backbone and its options,\n"
               "normalisation, image size, data set.\n",
    .flags = flags,
    .self_size = sizeof(export),
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
