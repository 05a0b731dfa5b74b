// daemon/result.h -- result.json: how a job ended, for people and scripts without a daemon.

#ifndef AK_DAEMON_RESULT_H
#define AK_DAEMON_RESULT_H

#include "daemon/job.h"

// ak_result_write writes folder/result.json for a job that has ended.
akssl_status ak_result_write(const ak_job *job, const char *folder) AKSSL_MUST_CHECK;

#endif
