// client/cli/monitor.h -- follow a job to its end: what watch, wait and submit share.

#ifndef AK_CLI_MONITOR_H
#define AK_CLI_MONITOR_H

#include "client/cli/cmd.h"

typedef enum ak_monitor_style {
    AK_MONITOR_QUIET = 1, // nothing but the loss of the daemon and pauses, on stderr
    AK_MONITOR_TEXT,      // a bar on a terminal, else lines; then the final line
    AK_MONITOR_JSON,      // one object an event
} ak_monitor_style;

// ak_monitor_run follows job id and writes to out.  Returns the exit code: DONE when the job
// succeeded.  *last (may be NULL) is the caller's: the job as it ended, or NULL when something
// else ended the watching.  Needs ak_signals_start.
int ak_monitor_run(const ak_cli *cli, akssl_client *client, int64_t id, ak_monitor_style style,
                   FILE *out, akssl_job **last);

#endif
