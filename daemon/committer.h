// daemon/committer.h -- the coordinator's half of a commit.
//
//     Commit(N) -> [wait until the state is at N] -> freeze -> (thread pool) check the worker's
//     files, write state.safetensors, fsync -> one transaction: commit, job, prune -> reply ->
//     (thread pool) remove older folders that no row knows of
//
// One at a time in a run.  A crash before the transaction leaves a folder that no row knows of,
// which the next commit or start of the job removes; one after it, a commit.  Loop thread only.

#ifndef AK_DAEMON_COMMITTER_H
#define AK_DAEMON_COMMITTER_H

#include "daemon/run.h"

// ak_committer_request takes a Commit call; it is answered once the commit is durable.  The same
// commit again, from a worker that did not hear the answer, is answered as it was, or when it is.
akssl_status ak_committer_request(ak_run *run, ak_call *call,
                                  const Akssl__V1__CommitRequest *request) AKSSL_MUST_CHECK;

// ak_committer_record stores run->commit, which is made: one transaction, then the reply may go.
akssl_status ak_committer_record(ak_run *run) AKSSL_MUST_CHECK;

// ak_committer_poll looks whether the state has reached the step that a commit waits for.
void ak_committer_poll(ak_run *run);

// ak_committer_ended is told that the call is over; ak_committer_drop lets go of it, and of a
// commit that has not begun.
void ak_committer_ended(ak_run *run);
void ak_committer_drop(ak_run *run);

#endif
