// daemon/tool.h -- a short program run for its output: `akssl-worker check`, `... catalogue`.

#ifndef AK_DAEMON_TOOL_H
#define AK_DAEMON_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "akssl/status.h"
#include "proto/base/str.h"

enum { AK_TOOL_MAX_OUTPUT = 1 << 20 };

typedef struct ak_tool ak_tool;

typedef struct ak_tool_result {
    int64_t exit_code;
    int signal; // that ended it, or 0
    bool timed_out;
    bool overflowed; // wrote more than AK_TOOL_MAX_OUTPUT
    ak_str out, err; // of err the last 64 KiB at most
} ak_tool_result;

// done is called once, on the loop thread, when the program has ended and its output is read, or
// two seconds after it was killed, whatever keeps it; result is borrowed for the call.  Not called
// after ak_tool_cancel.
typedef void (*ak_tool_done)(void *ctx, ak_tool_result *result);

// ak_tool_start runs argv (NULL-terminated, argv[0] an absolute path), with nothing on stdin.
// After timeout_ms, or on too much output, it is killed with its process group.  *out lives until
// done returns or until ak_tool_cancel.  Loop thread only.
akssl_status ak_tool_start(ak_tool **out, uv_loop_t *loop, char *const argv[], uint64_t timeout_ms,
                           ak_tool_done done, void *ctx) AKSSL_MUST_CHECK;

void ak_tool_cancel(ak_tool *tool); // kills it; NULL-safe

// ak_tool_complaint gives the last line of err that says something, without the time and program
// that a log line starts with; "" when there is none.  Points into result.
const char *ak_tool_complaint(ak_tool_result *result);

#endif
