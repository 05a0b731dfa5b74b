// client/cli/watch.c -- watch: follow one job until it is over.

#include "client/cli/cmd.h"
#include "client/cli/monitor.h"
#include "client/cli/signals.h"

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_client *client = NULL;
    int64_t id = 0;
    int code = ak_cli_id(args->words[0], &id);

    if (code == AK_EXIT_DONE)
        code = ak_signals_start(cli);
    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    if (code == AK_EXIT_DONE)
        code = ak_monitor_run(cli, client, id, cli->json ? AK_MONITOR_JSON : AK_MONITOR_TEXT,
                              stdout, NULL);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_watch = {
    .name = "watch",
    .summary = "follow a job until it is over",
    .synopsis = "ID",
    .details = "On a terminal a bar is redrawn in place, with the course of the loss; elsewhere "
               "there is a line for each change\n"
               "of state, and at most one a second for progress.  Ctrl-C ends only the watching.\n"
               "A restart of the daemon is sat out for up to a minute.\n",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
