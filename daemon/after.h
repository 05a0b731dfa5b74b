// daemon/after.h -- what becomes of a job whose run is over: it ends, waits, or starts again.
//
// What the run said comes first, then what people asked for, then what is known of its end (its
// launcher's queue or a host took it away); the rest are crashes, which are counted.  Loop thread
// only.

#ifndef AK_DAEMON_AFTER_H
#define AK_DAEMON_AFTER_H

#include "daemon/run.h"

enum { AK_AFTER_PAUSE_MS = 10000 }; // after a launcher has lost the cores

// ak_after_unheard notes that the run ends, or has ended, since its ranks on other machines were
// not heard for ms.  That is no crash of the job's, until it was so for orphan_timeout since the
// last commit.  The first time counts.
void ak_after_unheard(ak_run *run, int64_t ms);

// ak_after_settled is false while it is not known yet whether the run crashed or one of its hosts
// did, which is being asked; ask again.
bool ak_after_settled(ak_run *run);

// ak_after_text says how it crashed: "the ranks ended without Finish (mpirun's exit code 137): last
// error line".  Yours.
char *ak_after_text(const ak_run *run);

// ak_after_move moves the job on, now that nothing of its run is left; text is the reason where
// there is none yet.
void ak_after_move(ak_daemon *d, ak_job *job, const ak_run *run, const char *text);

#endif
