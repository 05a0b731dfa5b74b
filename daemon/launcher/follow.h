// daemon/launcher/follow.h -- for commands that follow a job in another queue (launcher.h, follow).
//
// Such a command tells akssld in a file how its job stands, and asks its queue by short programs.
// ak_follow_read and ak_follow_ending are for the loop thread, too; the rest for the command, which
// has one thread.

#ifndef AK_DAEMON_LAUNCHER_FOLLOW_H
#define AK_DAEMON_LAUNCHER_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"
#include "proto/base/str.h"

enum {
    AK_FOLLOW_TEXT = 512,      // bytes of what is told
    AK_FOLLOW_RUN_S = 30,      // that a program has
    AK_FOLLOW_OUTPUT = 1 << 20 // bytes that it may write
};

// ak_follow_tell makes the file say that the job runs, or waits, and what there is to say of it.
akssl_status ak_follow_tell(const char *path, bool runs, const char *text) AKSSL_MUST_CHECK;

// ak_follow_read reads that; text is replaced.  ERR_NOT_FOUND while there is no file.
akssl_status ak_follow_read(const char *path, bool *runs, ak_str *text) AKSSL_MUST_CHECK;

// ak_follow_end makes a file say that the job is being ended by the command, and whether since its
// queue would hold it for good (refused).  Without it nobody could tell that end from one that
// somebody else gave it, once the command has died.
akssl_status ak_follow_end(const char *path, bool refused) AKSSL_MUST_CHECK;

// ak_follow_ending says whether that was written; *refused is set then.
bool ak_follow_ending(const char *path, bool *refused);

// ak_follow_begin keeps signals for ak_follow_wait; call it first.
void ak_follow_begin(void);

// ak_follow_wait waits so long, or until SIGTERM, SIGINT or SIGHUP: true then.
bool ak_follow_wait(int64_t ms);

// ak_follow_run runs a program (argv[0] in PATH) to its end, with input on its stdin.  The
// program's exit code; -1 where it cannot be run or does not end in time, which err then says.
// *told is set when one of those signals comes meanwhile.
int ak_follow_run(char *const argv[], const char *input, ak_str *out, ak_str *err, bool *told);

#endif
