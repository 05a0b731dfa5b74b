// daemon/auth/access.h -- what a caller may do.  Each level has those below it.

#ifndef AK_DAEMON_AUTH_ACCESS_H
#define AK_DAEMON_AUTH_ACCESS_H

typedef enum ak_access {
    AK_ACCESS_ANYBODY = 1, // calls that tell nothing: health
    AK_ACCESS_RUN,         // calls of a run: its secret is asked for, and nothing else
    AK_ACCESS_READ,        // look at all jobs
    AK_ACCESS_SUBMIT,      // submit jobs, and change one's own
    AK_ACCESS_ADMIN,       // change everybody's, and give out tokens
} ak_access;

#endif
