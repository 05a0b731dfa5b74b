// worker/uplink.h -- rank 0's link to the coordinator: what the run starts from, the changes of
// the state that the coordinator holds, progress, commits, the end.
//
// Two threads of its own: one sends (pushes and reports, from a bounded queue), one keeps the
// stream: it receives, and connects again.  A training step therefore waits for the coordinator
// only when AK_UPLINK_QUEUE bytes of pushes are ahead of it.  Every function is for one thread, the
// caller's; stop_requested, lost and stop_reason may be asked from any.
//
//     open -> state, tensor_find | declare*
//          -> (push | replace | report | commit)* -> finish -> close
//
// When the stream or the coordinator is lost, the run goes on.  The uplink holds a copy of every
// tensor as the coordinator should have it, so that nothing has to be kept for later: after a
// reconnect (0.2 s, doubling to 5 s) it sends each whole.  Of reports the newest is kept, which
// has every result and warning so far.  A commit that falls due is held, with the tensors of its
// step; a second one waits for the first.  Commit and Finish are asked again until they are
// answered: the coordinator answers the same one in the same way.  After target->orphan_ms without
// a coordinator the run is to stop, and commit makes its files durable with a manifest
// (proto/format/manifest.h) beside the job, for a coordinator that comes later.

#ifndef AK_WORKER_UPLINK_H
#define AK_WORKER_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_uplink ak_uplink;

enum {
    AK_UPLINK_DIMS = 8,         // of a tensor
    AK_UPLINK_TENSORS = 64,     // that the coordinator may send
    AK_UPLINK_STATE_GB = 4,     // of all of them, as akssld has it
    AK_UPLINK_NAME = 128,       // bytes of a name, with its NUL
    AK_UPLINK_FILES = 15,       // of a commit
    AK_UPLINK_METRICS = 64,     // gauges, or results, in one report
    AK_UPLINK_WARNINGS = 8,     // in one report
    AK_UPLINK_WARNING = 256,    // bytes of one, with its NUL
    AK_UPLINK_PUSH_GB = 2,      // of one push
    AK_UPLINK_QUEUE = 64 << 20, // bytes of pushes that may wait
};

// What the run starts from; borrowed from the uplink.
typedef struct ak_uplink_welcome {
    const char *spec_yaml; // the resolved spec
    const char *folder;    // the job's folder
    int64_t resume_step;   // 0: from the start
    const char *commit;    // folder of the commit to resume from; "" at the start
    bool restored;         // the coordinator has sent the state (ak_uplink_tensor_at)
} ak_uplink_welcome;

// A tensor that the coordinator holds: float32, row-major; a ring's first axis is the slot.
typedef struct ak_uplink_tensor {
    const char *name;
    int dims;
    int64_t shape[AK_UPLINK_DIMS];
    int64_t version;  // the step that it is the result of
    int64_t filled;   // rows of a ring that hold data of this run
    int64_t position; // next row of a ring to be written
    float *data;
    size_t size; // bytes
} ak_uplink_tensor;

typedef struct ak_uplink_metric {
    const char *name;
    double value;
} ak_uplink_metric;

typedef struct ak_uplink_progress {
    int64_t step, total_steps; // steps done, and of all
    double epoch, loss, lr, images_per_s, eta_s;
    const ak_uplink_metric *gauges; // the method's own
    int gauge_count;
    const char *const *warnings; // what is wrong now, a line each: "collapse: ..."
    int warning_count;           // at most AK_UPLINK_WARNINGS are told
} ak_uplink_progress;

typedef struct ak_uplink_file {
    const char *name; // "model.safetensors"
    uint64_t size;
    const char *digest; // XXH3-128, hexadecimal
} ak_uplink_file;

// Which run it is, and where; borrowed for the call.
typedef struct ak_uplink_target {
    const char *server;          // "unix:/path", "HOST:PORT", "plaintext:HOST:PORT"
    const char *ca, *cert, *key; // files, for HOST:PORT; "": see proto/rpc/tls.h
    const char *secret, *run;
    int64_t job, ranks;
    int64_t join_ms;   // how long the start may take, with a coordinator that is not there yet
    int64_t orphan_ms; // how long the run may be without one
} ak_uplink_target;

// ak_uplink_open joins the run as its rank 0 and waits until the coordinator has sent what the
// run starts from, state included.  Fails with the coordinator's sentence
// (ERR_PERMISSION: the secret is not this run's), or ERR_UNAVAILABLE.
akssl_status ak_uplink_open(ak_uplink **out, const ak_uplink_target *target) AKSSL_MUST_CHECK;

// ak_uplink_close ends the link at once; NULL-safe.  What was pushed but not sent is dropped.
void ak_uplink_close(ak_uplink *uplink);

const ak_uplink_welcome *ak_uplink_state(const ak_uplink *uplink);

// The tensors that the coordinator sent, in its order; borrowed until the first push or replace.
// find gives NULL when there is none of that name.
int ak_uplink_tensor_count(const ak_uplink *uplink);
const ak_uplink_tensor *ak_uplink_tensor_at(const ak_uplink *uplink, int index);
const ak_uplink_tensor *ak_uplink_tensor_find(const ak_uplink *uplink, const char *name);

// ak_uplink_declare gives the coordinator a tensor of a run without commits.  It is queued as
// pushes are, a megabyte at a time.
akssl_status ak_uplink_declare(ak_uplink *uplink, const ak_uplink_tensor *tensor) AKSSL_MUST_CHECK;

// A push's rows; borrowed for the call.
typedef struct ak_uplink_rows {
    const float *rows;
    size_t bytes;
    int64_t skipped; // rows of the step before these, left out because the ring's length follows
} ak_uplink_rows;

// ak_uplink_push queues rows that enter the ring called name; version is the tensor's new one (the
// old one + 1).  rows are copied; what does not fit one message goes in pieces, which take effect
// together.  It blocks only while AK_UPLINK_QUEUE bytes wait; a coordinator that takes none of them
// for half a minute is left, and joined again.  What the coordinator refuses is told by every later
// declare, push, replace and commit.
akssl_status ak_uplink_push(ak_uplink *uplink, const char *name, int64_t version,
                            const ak_uplink_rows *rows) AKSSL_MUST_CHECK;

// ak_uplink_replace queues a new value of a tensor that the coordinator holds, in the shape that it
// has; its version must be greater than the old one.  It takes effect when all of it is there, and
// is queued as a declaration is.
akssl_status ak_uplink_replace(ak_uplink *uplink, const ak_uplink_tensor *tensor) AKSSL_MUST_CHECK;

// ak_uplink_report hands progress (and results, may be NULL) to the sender, without allocating;
// the latest wins, and at most one a second is sent.  A report that fails is no failure of the
// run: it is not told.
void ak_uplink_report(ak_uplink *uplink, const ak_uplink_progress *progress,
                      const ak_uplink_metric *results, int count);

// ak_uplink_hold begins the commit of step: the tensors are put aside as they are, and what is
// pushed or replaced from now on is queued, but not sent, until the commit is answered or given up.
// It waits while another commit is pending.
akssl_status ak_uplink_hold(ak_uplink *uplink, int64_t step) AKSSL_MUST_CHECK;

// ak_uplink_release gives a commit up that was begun and not asked for; any thread.
void ak_uplink_release(ak_uplink *uplink);

// ak_uplink_commit waits until all pushes up to the step are sent, then asks the coordinator to
// commit it with these files of its folder commits/step-N, and waits for the answer.  Without a
// coordinator it returns at once, and the commit is asked for as soon as there is one, unless a
// newer one has taken its place: then its files are removed.  Any thread, after ak_uplink_hold,
// while another pushes; without that it begins the commit itself.
akssl_status ak_uplink_commit(ak_uplink *uplink, int64_t step, const ak_uplink_file *files,
                              int count) AKSSL_MUST_CHECK;

// ak_uplink_unstored: the coordinator has refused a commit because it could not write it down,
// which is no fault of the run's.
bool ak_uplink_unstored(const ak_uplink *uplink);

// ak_uplink_finish tells how the run ended: outcome is "succeeded", "failed", "stopped" (it goes on
// from its commit) or "paused" (it does so when somebody resumes it); reason one sentence when it
// failed or was paused (else ""); weights the path of the export (else "").
akssl_status ak_uplink_finish(ak_uplink *uplink, const char *outcome, const char *reason,
                              const ak_uplink_metric *results, int count,
                              const char *weights) AKSSL_MUST_CHECK;

// ak_uplink_stop_requested says that the run must commit at the next step boundary and finish as
// "stopped": the coordinator asked for it, there was none for too long, or it refuses the run.
// ak_uplink_stop_reason says why, in a sentence ("" while nothing was asked).
bool ak_uplink_stop_requested(const ak_uplink *uplink);
const char *ak_uplink_stop_reason(const ak_uplink *uplink);

// ak_uplink_lost says that the coordinator has refused the run or what it sent: no commit can
// succeed any more, so leave.
bool ak_uplink_lost(const ak_uplink *uplink);

#endif
