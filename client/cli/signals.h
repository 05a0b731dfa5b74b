// client/cli/signals.h -- Ctrl-C in a command that follows a job.

#ifndef AK_CLI_SIGNALS_H
#define AK_CLI_SIGNALS_H

#include "client/cli/cmd.h"

// ak_signals_start makes SIGINT, SIGTERM and SIGHUP wait until they are asked for.  Call it before
// ak_cli_open, whose threads take over what is blocked.  Returns an exit code.
int ak_signals_start(ak_cli *cli);

// ak_signals_seen gives the number of a signal that has come since, or 0.
int ak_signals_seen(const ak_cli *cli);

#endif
