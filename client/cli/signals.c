// client/cli/signals.c -- Ctrl-C in a command that follows a job.

#include "client/cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int ak_signals_start(ak_cli *cli)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        cli->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (cli->signals < 0)
        return ak_cli_error(AK_EXIT_FAILED, "signals cannot be watched: %s", strerror(errno));
    return AK_EXIT_DONE;
}

int ak_signals_seen(const ak_cli *cli)
{
    struct signalfd_siginfo info;

    if (cli->signals < 0 || read(cli->signals, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}
