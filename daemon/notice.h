// daemon/notice.h -- what a person must hear about a job: a line in the daemon's log and one in the
// job's own, where its reader looks first.

#ifndef AK_DAEMON_NOTICE_H
#define AK_DAEMON_NOTICE_H

#include "daemon/run.h"

// ak_notice_write writes both; a log that cannot be written is passed over.
void ak_notice_write(const ak_run *run, ak_log_level level, const char *sentence);

#endif
