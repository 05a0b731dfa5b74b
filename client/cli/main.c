// client/cli/main.c -- akssl-client: find the command, read its flags, run it.

#include <stdlib.h>
#include <unistd.h>

#include "client/cli/flags.h"

static int run(ak_cli *cli, const ak_cmd *cmd, int argc, char **argv)
{
    ak_args args = { 0 };
    int rc = AK_EXIT_FAILED;

    args.self = calloc(1, cmd->self_size ? cmd->self_size : 1);
    args.words = calloc((size_t)argc + 1, sizeof *args.words);
    args.settings = calloc((size_t)argc + 1, sizeof *args.settings);
    if (!args.self || !args.words || !args.settings) {
        rc = ak_cli_error(AK_EXIT_FAILED, "out of memory");
        goto out;
    }
    rc = ak_flags_read(cli, cmd, argc, argv, &args);
    if (rc != AK_EXIT_DONE)
        goto out;
    if (cli->help)
        ak_cmd_manual(cmd, stdout);
    else if (cli->version)
        printf("akssl-client %s\n", akssl_version());
    else
        rc = cmd->run(cli, &args);
out:
    free(args.settings);
    free(args.words);
    free(args.self);
    return rc;
}

// Output that did not arrive is a failure, also when it fails only as the last buffer is written.
static int flush(int rc)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return rc;
    return ak_cli_worse(rc, ak_cli_error(AK_EXIT_FAILED, "standard output cannot be written"));
}

static int start(ak_cli *cli, int argc, char **argv)
{
    const ak_cmd *cmd;
    int at, rc;

    rc = ak_flags_read_program(cli, argc, argv, &at);
    if (rc != AK_EXIT_DONE)
        return rc;
    if (at < argc) {
        cmd = ak_cmd_find(argv[at]);
        return cmd ? run(cli, cmd, argc - at - 1, argv + at + 1) : AK_EXIT_USAGE;
    }
    if (cli->version) {
        printf("akssl-client %s\n", akssl_version());
        return AK_EXIT_DONE;
    }
    ak_cli_help(cli->help ? stdout : stderr);
    return cli->help ? AK_EXIT_DONE : AK_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    ak_cli cli = { .signals = -1 };
    int rc = flush(start(&cli, argc, argv));

    if (cli.signals >= 0)
        close(cli.signals);
    return rc;
}
