// daemon/auth/audit.h -- who changed what, and who was turned away: STATE/audit.jsonl.
//
// One line of JSON for each call that changes something, and for each that is refused for who
// makes it:
//
//     {"time":"2026-01-31T12:00:00.123Z","who":"alice","token":3,"from":"10.0.0.5:41234",
//      "certificate":"","call":"/akssl.v1.Lab/Cancel","job":7,"outcome":"ok"}
//
// No request and no secret is in it.  The file is opened anew for each line, to be appended to, so
// that logrotate may move it away.  A line that finds no room is taken back whole; one that comes
// after a torn end (a crash) begins with a newline, so that half a line never joins a whole one.
// Of refusals of strangers at most AK_AUDIT_STRANGERS a second are written, and then how many there
// were.  Loop thread only.

#ifndef AK_DAEMON_AUTH_AUDIT_H
#define AK_DAEMON_AUTH_AUDIT_H

#include "daemon/auth/auth.h"
#include "proto/base/log.h"

enum { AK_AUDIT_STRANGERS = 10 };

typedef struct ak_audit ak_audit;

// ak_audit_new borrows the log, which hears once when the file cannot be written.
ak_audit *ak_audit_new(const char *state_dir, const ak_log *log);
void ak_audit_free(ak_audit *audit); // NULL-safe

// ak_audit_call writes down a call that is over; changes: it is one that changes something.
void ak_audit_call(ak_audit *audit, const ak_caller *caller, bool changes, akssl_status outcome);

// ak_audit_refuse writes down a request by HTTP that was refused for who makes it.
void ak_audit_refuse(ak_audit *audit, const char *from, const char *path, akssl_status outcome);

#endif
