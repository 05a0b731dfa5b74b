// client/cli/help.c -- help: the program's manual, or a command's.

#include "client/cli/cmd.h"

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_cmd *cmd;

    (void)cli;
    if (args->word_count == 0) {
        ak_cli_help(stdout);
        return AK_EXIT_DONE;
    }
    cmd = ak_cmd_find(args->words[0]);
    if (!cmd)
        return AK_EXIT_USAGE;
    ak_cmd_manual(cmd, stdout);
    return AK_EXIT_DONE;
}

const ak_cmd ak_cmd_help = {
    .name = "help",
    .summary = "explain a command",
    .synopsis = "[COMMAND]",
    .max_words = 1,
    .run = run,
};
