// daemon/uplink.h -- rank 0's stream: what the run starts from, then the state's changes.
//
//     Hello ->            <- Welcome, [head, chunk...]..., state_end
//     [head, chunk...] -> (a run without commits)
//     push | head, chunk... -> <- applied, every AK_UPLINK_ACK pushes; stop
//
// The head of a tensor that is there already brings it a new value (state.h).
//
// A stream may be lost and come again, to this daemon or to another one: Hello then says `rejoin`,
// the answer is a Welcome that says `rejoined`, and the worker sends each tensor whole, at the
// version that it has.  A worker that was still starting says Hello as at first.
//
// A stream that was given up may come late: the newest stream counts, and a first Hello of a run
// that has begun ends its own stream alone; the run comes back.
//
// A message out of place is a mistake of the worker's that a restart would repeat: the job fails.
// Loop thread only.

#ifndef AK_DAEMON_UPLINK_H
#define AK_DAEMON_UPLINK_H

#include "daemon/run.h"

enum { AK_UPLINK_ACK = 4 };

// ak_uplink_open takes the Join call that carries a run's secret, before its Hello.
akssl_status ak_uplink_open(ak_daemon *d, ak_call *call, ak_run **run) AKSSL_MUST_CHECK;

// ak_uplink_receive takes the stream's next message; NULL: the worker closed its side.
void ak_uplink_receive(ak_run *run, const Akssl__V1__WorkerMessage *message);

// ak_uplink_drained goes on sending; ak_uplink_ended is told that the call is over.
void ak_uplink_drained(ak_run *run);
void ak_uplink_ended(ak_run *run);

// ak_uplink_stop asks the worker to commit and finish.
void ak_uplink_stop(ak_run *run, const char *why);

// ak_uplink_finish ends the stream well, after Finish; ak_uplink_drop lets go of it.
void ak_uplink_finish(ak_run *run);
void ak_uplink_drop(ak_run *run);

#endif
