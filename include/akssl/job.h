// akssl/job.h -- a job: what to do (its spec), how far it is, what came of it.
//
// Structs here are filled by the library and read by you.  Whoever gets an akssl_job * through an
// out-parameter owns it and frees it with akssl_job_free; everything it points to goes with it.
// What a callback is handed is borrowed until the callback returns.
//
// Text is UTF-8, NUL-terminated and never NULL ("" when there is nothing to say).  A number that
// nobody knows yet is NAN (double) or -1 (int64_t).
//
// Nothing here waits, and any thread may call it; but one spec, and one job, by one thread at a
// time.

#ifndef AKSSL_JOB_H
#define AKSSL_JOB_H

#include <stddef.h>
#include <stdint.h>

#include <akssl/status.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- spec: what a job is to do

// akssl_job_spec holds a value for each key; it starts with every default.  The keys are the
// command line's flags without "--", and the names in a YAML spec.  One thread at a time.
typedef struct akssl_job_spec akssl_job_spec;

// akssl_key_type says what a key's value looks like.
typedef enum akssl_key_type {
    AKSSL_KEY_INT = 1, // a whole number
    AKSSL_KEY_FLOAT,   // a finite number
    AKSSL_KEY_BOOL,    // true or false
    AKSSL_KEY_TEXT,    // text, or one of `choices`
    AKSSL_KEY_PAIRS,   // key=value, any number of them
} akssl_key_type;

// akssl_key describes one key: enough to build a flag, a form field or a manual from it.
typedef struct akssl_key {
    char name[40];       // "batch-norm"
    akssl_key_type type; // what a value looks like
    char initial[64];    // the default as text; "" when the daemon settles it
    double min, max;     // inclusive range of INT and FLOAT
    const char *choices; // "a|b|c", or NULL when any text will do; static
    const char *help;    // one line; static
} akssl_key;

// akssl_job_spec_key fills *key with the index-th key and returns 1, or 0 past the last one.
AKSSL_API int akssl_job_spec_key(size_t index, akssl_key *key);

// akssl_job_spec_new makes a spec of defaults; NULL when memory is out.
AKSSL_API akssl_job_spec *akssl_job_spec_new(void);

// akssl_job_spec_copy makes an independent copy; NULL when memory is out.
AKSSL_API akssl_job_spec *akssl_job_spec_copy(const akssl_job_spec *spec);

// akssl_job_spec_free frees it; NULL is fine.
AKSSL_API void akssl_job_spec_free(akssl_job_spec *spec);

// akssl_job_spec_set sets one key from text.  A key of pairs takes "key=value", or several joined
// by commas, and keeps those that it has.  ERR_NOT_FOUND: no such key; ERR_INVALID: not a value
// of that key.  The spec is then as before.
AKSSL_API akssl_status akssl_job_spec_set(akssl_job_spec *spec, const char *name,
                                          const char *value) AKSSL_MUST_CHECK;

// akssl_job_spec_get gives a key's value as text, pairs joined by commas; NULL: no such key.
// Borrowed until the next call with this spec.
AKSSL_API const char *akssl_job_spec_get(akssl_job_spec *spec, const char *name);

// akssl_job_spec_pair gives the index-th pair of a key of pairs ("option", "augment") and returns
// 1, or 0 past the last one.  Borrowed until the spec changes.
AKSSL_API int akssl_job_spec_pair(const akssl_job_spec *spec, const char *name, size_t index,
                                  const char **key, const char **value);

// akssl_job_spec_load_yaml sets the keys that a YAML file gives; the others keep their values.
// The sentence names the line.  After a failure some keys may be set.
AKSSL_API akssl_status akssl_job_spec_load_yaml(akssl_job_spec *spec,
                                                const char *path) AKSSL_MUST_CHECK;

// akssl_job_spec_yaml gives the whole spec as YAML, which akssl_job_spec_load_yaml takes back.
// Borrowed until the next call with this spec; NULL when memory is out.
AKSSL_API const char *akssl_job_spec_yaml(akssl_job_spec *spec);

// ---- job: what the daemon says of one

// One row per state: name, number.  Numbers are never reused.
#define AKSSL_JOB_STATE_MAP(X)                                                                     \
    X(QUEUED, 1)                                                                                   \
    X(STARTING, 2)                                                                                 \
    X(RUNNING, 3)                                                                                  \
    X(PAUSED, 4)                                                                                   \
    X(SUCCEEDED, 5)                                                                                \
    X(FAILED, 6)                                                                                   \
    X(CANCELLED, 7)                                                                                \
    X(TIMEOUT, 8)

// akssl_job_state is AKSSL_JOB_QUEUED and so on; 0 is a state that this library does not know.
typedef enum akssl_job_state {
    AKSSL_JOB_UNKNOWN = 0,
#define AKSSL_JOB_STATE_ENUM(name, number) AKSSL_JOB_##name = number,
    AKSSL_JOB_STATE_MAP(AKSSL_JOB_STATE_ENUM)
#undef AKSSL_JOB_STATE_ENUM
} akssl_job_state;

// akssl_job_state_text gives "QUEUED" and so on; "UNKNOWN" for the rest.  Any thread.
AKSSL_API const char *akssl_job_state_text(akssl_job_state state);

// akssl_job_state_parse reads a state's name in either case; AKSSL_JOB_UNKNOWN for the rest.
AKSSL_API akssl_job_state akssl_job_state_parse(const char *text);

// akssl_job_state_parse_any is the same, and takes Slurm's names too: PENDING or PD, RUNNING or R,
// SUSPENDED or S, COMPLETED or CD, FAILED or F, CANCELLED or CA, TIMEOUT or TO, CONFIGURING or CF.
AKSSL_API akssl_job_state akssl_job_state_parse_any(const char *text);

// akssl_job_state_slurm gives Slurm's name for a state: "PENDING" for QUEUED and so on.
AKSSL_API const char *akssl_job_state_slurm(akssl_job_state state);

// akssl_job_state_final returns 1 for a state in which a job is over, else 0.  Of these, TIMEOUT
// (its time limit was reached) is left by akssl_client_resume, the others never.
AKSSL_API int akssl_job_state_final(akssl_job_state state);

// akssl_value is one named figure, such as "before.knn.top1".
typedef struct akssl_value {
    const char *name; // as in the job's result.json and metrics.jsonl
    double value;     // may be NAN or infinite
} akssl_value;

// akssl_progress is how far a job has come.
typedef struct akssl_progress {
    int64_t step;                // steps done
    int64_t total_steps;         // steps in all
    double epoch;                // passes over the data, with a fraction
    double loss;                 // of the last step
    double lr;                   // learning rate of the last step
    double images_per_s;         // over the last few steps
    double eta_s;                // seconds to go at that speed
    size_t gauge_count;          // how many gauges there are
    const akssl_value *gauges;   // the method's own figures
    size_t warning_count;        // how many warnings there are
    const char *const *warnings; // what is wrong now, a line each: "collapse: ..."
} akssl_progress;

// akssl_job is a job as the daemon told it at one moment.
typedef struct akssl_job {
    int64_t id;                     // from 1
    akssl_job_state state;          // where it stands
    const char *reason;             // why it stands there
    akssl_job_spec *spec;           // with every default filled in; NULL when it was not sent
    const akssl_progress *progress; // NULL before the first step
    int64_t submitted_ms;           // milliseconds since 1970; -1: not yet
    int64_t started_ms;             // the same, of the first start
    int64_t ended_ms;               // the same, of reaching a final state
    int64_t restarts;               // starts after the first one
    int64_t committed_step;         // step of the last commit; -1: none yet
    int64_t ranks;                  // of the current or last run
    const char *folder;             // the job's folder on the daemon's host
    size_t result_count;            // how many results there are
    const akssl_value *results;     // what evaluations found
    const char *weights;            // file of the exported backbone, once there is one
    int64_t asked_ranks;            // that people want; 0: as many as there are cores for
    int resizing;                   // 1: its run is being stopped, to go on with other ranks
    const char *owner;              // who submitted it, and may change it; "": nobody that is known
    int held;                       // 1: it does not start until akssl_client_release
    double elapsed_s;               // that it has run for, of its time limit
} akssl_job;

// akssl_job_free frees a job and all it points to; NULL is fine.
AKSSL_API void akssl_job_free(akssl_job *job);

// akssl_job_list is jobs in the daemon's order.
typedef struct akssl_job_list {
    size_t count;     // how many jobs there are
    akssl_job **jobs; // the list's own
} akssl_job_list;

// akssl_job_list_free frees a list and its jobs; NULL is fine.
AKSSL_API void akssl_job_list_free(akssl_job_list *list);

// ---- curves: what a job has reported over its steps

// akssl_curve is one figure over a job's steps, such as "loss".  A point is of one step, or of
// several that follow each other.
typedef struct akssl_curve {
    const char *name;       // as in the job's metrics.jsonl and evaluations.jsonl
    size_t count;           // of points
    const int64_t *step;    // of each point the last step, rising
    const double *mean;     // of the values of its steps
    const double *least;    // the same
    const double *greatest; // the same
} akssl_curve;

// akssl_curve_list is all curves of a job.
typedef struct akssl_curve_list {
    size_t count;              // how many curves there are
    const akssl_curve *curves; // the list's own
} akssl_curve_list;

// akssl_curve_list_free frees a list and its curves; NULL is fine.
AKSSL_API void akssl_curve_list_free(akssl_curve_list *list);

// ---- state: what the coordinator holds for a job

// akssl_tensor describes one tensor that the coordinator holds, such as "moco.queue".
typedef struct akssl_tensor {
    const char *name;           // unique in the job
    size_t axes;                // length of shape
    const int64_t *shape;       // elements along each axis; a ring's first axis is the slot
    int64_t version;            // the step that it is the result of
    int64_t filled;             // rows of a ring that hold data of this run; -1: no ring
    int64_t position;           // next row of a ring to be written; -1: no ring
    const char *digest;         // XXH3-128 of its bytes, hexadecimal
    size_t insight_count;       // how many insights there are
    const akssl_value *insight; // figures about its content: mean_norm, std, ...
} akssl_tensor;

// akssl_tensor_list is all that the coordinator holds for a job.
typedef struct akssl_tensor_list {
    size_t count;                // how many tensors there are
    const akssl_tensor *tensors; // the list's own
} akssl_tensor_list;

// akssl_saved tells of a file that akssl_client_save_state or akssl_client_export wrote.
typedef struct akssl_saved {
    int64_t step;    // that what is in it is the result of
    int64_t size;    // bytes
    char digest[40]; // XXH3-128 of the file, hexadecimal: `xxhsum -H2` prints the same
} akssl_saved;

// akssl_tensor_list_free frees a list and its tensors; NULL is fine.
AKSSL_API void akssl_tensor_list_free(akssl_tensor_list *list);

// ---- commits: what a job goes on from

// akssl_commit is one commit of a job, as it was found on disk.
typedef struct akssl_commit {
    int64_t step;      // the step that it is of
    int64_t made_ms;   // milliseconds since 1970
    int64_t files;     // how many files were committed
    int64_t bytes;     // their size together
    const char *wrong; // what is damaged, in a sentence; "": it is whole
} akssl_commit;

// akssl_commit_list is the commits of a job, newest first.
typedef struct akssl_commit_list {
    size_t count;                // how many commits there are
    const akssl_commit *commits; // the list's own
    size_t damaged;              // how many of them are damaged
    size_t other_count;          // how many others there are
    const char *const *others;   // what else lies in the commits folder: "aside-step-40"
} akssl_commit_list;

// akssl_commit_list_free frees a list and its commits; NULL is fine.
AKSSL_API void akssl_commit_list_free(akssl_commit_list *list);

#ifdef __cplusplus
}
#endif

#endif
