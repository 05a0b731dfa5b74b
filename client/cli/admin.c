// client/cli/admin.c -- admin: what whoever runs the daemon does.

#include <inttypes.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

static void print(const ak_cli *cli, const char *folder, const akssl_backup *backup)
{
    json_t *object;

    if (!cli->json) {
        fputs("backup in ", stdout);
        ak_text_put(stdout, folder);
        printf(": %" PRId64 " files, %" PRId64 " bytes\n", backup->files, backup->bytes);
        return;
    }
    object = json_object();
    json_object_set_new(object, "folder", ak_json_text(folder, strlen(folder)));
    json_object_set_new(object, "files", json_integer(backup->files));
    json_object_set_new(object, "bytes", json_integer(backup->bytes));
    json_object_set_new(object, "warnings",
                        ak_json_text(backup->warnings, strlen(backup->warnings)));
    ak_json_print(stdout, object);
}

// A backup of damaged originals is one, and says so.
static int warn(const char *warnings)
{
    int code = AK_EXIT_DONE;

    while (*warnings) {
        size_t length = strcspn(warnings, "\n");

        code = ak_cli_error(AK_EXIT_FAILED, "admin backup: warning: %.*s", (int)length, warnings);
        warnings += length + (warnings[length] == '\n');
    }
    return code;
}

static int back_up(const ak_cli *cli, akssl_client *client, const char *folder)
{
    akssl_backup backup;
    akssl_status rc = akssl_client_backup(client, folder, &backup);
    int code;

    if (rc < 0)
        return ak_cli_failed(rc);
    print(cli, folder, &backup);
    code = warn(backup.warnings);
    akssl_free(backup.warnings);
    return code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_client *client = NULL;
    int code;

    if (strcmp(args->words[0], "backup") != 0)
        return ak_cli_error(AK_EXIT_USAGE, "admin: no command '%.32s': give backup DIR",
                            args->words[0]);
    code = ak_cli_open(cli, &client);
    if (code == AK_EXIT_DONE)
        code = back_up(cli, client, args->words[1]);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_admin = {
    .name = "admin",
    .summary = "back the daemon's state up",
    .synopsis = "backup DIR",
    .details =
        "backup DIR makes the folder DIR, with the database as of now, every commit that it knows\n"
        "of, and all else that is in jobs' folders; jobs go on meanwhile.  Only administrators "
        "may.\n"
        "`akssld --state-dir NEW --restore DIR` makes a state folder of it.\n"
        "The exit status is 1 when a file is damaged at the daemon's: the backup has it as it "
        "is.\n",
    .min_words = 2,
    .max_words = 2,
    .run = run,
};
