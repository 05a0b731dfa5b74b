// akssl/client.h -- talk to a daemon: submit jobs, watch them, ask for what they hold.
//
// Every call that fails leaves its sentence in akssl_last_error() and its outputs untouched.
// ERR_UNAVAILABLE means that no daemon could be reached, ERR_DEADLINE that it did not answer in
// time; the other codes are the daemon's own judgement (ERR_INVALID of what was asked for,
// ERR_NOT_FOUND of a job, ERR_STATE of what it is doing, such as to stop, ERR_PERMISSION and
// ERR_UNAUTHENTICATED of who asks, ERR_LIMIT of what is too much or takes it too long, and ERR_IO
// or ERR_NO_SPACE of its disk).  Each call but watch, wait, logs, save_state, export and verify
// blocks its thread for the timeout at most.  A client may be used by several threads at once, but
// for open, close and the two set calls.

#ifndef AKSSL_CLIENT_H
#define AKSSL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <akssl/job.h>
#include <akssl/status.h>

#ifdef __cplusplus
extern "C" {
#endif

// akssl_client is a connection to one daemon.
typedef struct akssl_client akssl_client;

// akssl_client_options says which daemon, and what to show it.  What is NULL or "" comes from the
// environment.
typedef struct akssl_client_options {
    const char *server;      // see akssl_client_open
    const char *token_file;  // AKSSL_TOKEN_FILE: file of mode 600 with a token
    const char *ca;          // AKSSL_CA: certificates to trust; else the system's
    const char *certificate; // AKSSL_CERT: where the daemon asks for one,
    const char *key;         // AKSSL_KEY: with its key, of mode 600
} akssl_client_options;

// akssl_client_open_with is akssl_client_open with all of these.  ERR_NOT_FOUND, ERR_PERMISSION,
// ERR_INVALID: of a file that is named there.
AKSSL_API akssl_status akssl_client_open_with(akssl_client **out,
                                              const akssl_client_options *options) AKSSL_MUST_CHECK;

// akssl_client_open prepares a connection to server: "unix:/path/of/akssld.sock", or the path
// alone; "HOST:PORT" with TLS; or "plaintext:HOST:PORT" to a daemon that serves without.  NULL or
// "" means $AKSSL_SERVER, else the first of $XDG_RUNTIME_DIR/akssl/akssld.sock and
// /run/akssl/akssld.sock that exists (ERR_UNAVAILABLE when neither does).  It does not connect: the
// first call does.
AKSSL_API akssl_status akssl_client_open(akssl_client **out, const char *server) AKSSL_MUST_CHECK;

// akssl_client_close frees the client; no call may be under way.  NULL is fine.
AKSSL_API void akssl_client_close(akssl_client *client);

// akssl_client_server gives the address in use.  Borrowed from the client.
AKSSL_API const char *akssl_client_server(const akssl_client *client);

// akssl_client_set_timeout bounds each request (not watch, wait and logs); 30000 at first.
AKSSL_API void akssl_client_set_timeout(akssl_client *client, int64_t milliseconds);

// akssl_client_set_patience says for how long watch, wait and logs try to find a daemon again
// that they have lost; 60000 at first, 0: not at all.
AKSSL_API void akssl_client_set_patience(akssl_client *client, int64_t milliseconds);

// akssl_free frees text that a call gave through an out-parameter; NULL is fine.
AKSSL_API void akssl_free(char *text);

// akssl_client_submit queues a job.  When it returns OK the job is on the daemon's disk and *id
// its number.  resolved (may be NULL) gets the spec with every default filled in: free it with
// akssl_job_spec_free.  ERR_INVALID: the spec asks for something that cannot be.
AKSSL_API akssl_status akssl_client_submit(akssl_client *client, const akssl_job_spec *spec,
                                           int64_t *id, akssl_job_spec **resolved) AKSSL_MUST_CHECK;

// akssl_client_submit_held is the same for a job that is not to start until akssl_client_release.
AKSSL_API akssl_status akssl_client_submit_held(akssl_client *client, const akssl_job_spec *spec,
                                                int64_t *id,
                                                akssl_job_spec **resolved) AKSSL_MUST_CHECK;

// akssl_client_dry_run has the daemon check a spec without queueing it.  resolved and estimate
// (memory and steps, in a sentence; free it with akssl_free) may each be NULL.
AKSSL_API akssl_status akssl_client_dry_run(akssl_client *client, const akssl_job_spec *spec,
                                            akssl_job_spec **resolved,
                                            char **estimate) AKSSL_MUST_CHECK;

// akssl_prediction is what a job would take, by what the daemon knows.
typedef struct akssl_prediction {
    const char *sentence;      // all of it, for people
    size_t value_count;        // how many figures are known
    const akssl_value *values; // steps, parameters, memory_gib (over all ranks),
                               // decoded_images_gib (beside that, at most), images_per_s,
                               // training_s, by_job (whose run tells the speed), same_shape (1:
                               // that run had the job's shape), start_in_s (at the latest)
} akssl_prediction;

// akssl_client_predict is akssl_client_dry_run with the figures.  resolved may be NULL.  Free *out
// with akssl_prediction_free.
AKSSL_API akssl_status akssl_client_predict(akssl_client *client, const akssl_job_spec *spec,
                                            akssl_job_spec **resolved,
                                            akssl_prediction **out) AKSSL_MUST_CHECK;

// akssl_prediction_free frees a prediction and all it points to; NULL is fine.
AKSSL_API void akssl_prediction_free(akssl_prediction *prediction);

// akssl_client_list gives the jobs that are in one of the states (count 0: in any), newest first,
// at most limit (0: the daemon's own limit).  Free *out with akssl_job_list_free.
AKSSL_API akssl_status akssl_client_list(akssl_client *client, const akssl_job_state *states,
                                         size_t count, int64_t limit,
                                         akssl_job_list **out) AKSSL_MUST_CHECK;

// akssl_query says which jobs a list is of; what is zero asks for nothing.
typedef struct akssl_query {
    const akssl_job_state *states; // only jobs in one of these
    size_t state_count;            // how many there are
    const char *owner;             // only this one's
    const char *name;              // only jobs whose name contains this
    int64_t before; // only ids below this one: the page after the list that ends there
    int64_t limit;  // at most so many (0: the daemon's own limit)
} akssl_query;

// akssl_client_find gives the jobs that query asks for, newest first.  Free *out with
// akssl_job_list_free.
AKSSL_API akssl_status akssl_client_find(akssl_client *client, const akssl_query *query,
                                         akssl_job_list **out) AKSSL_MUST_CHECK;

// akssl_client_show gives one job.  ERR_NOT_FOUND: there is none of that number.
AKSSL_API akssl_status akssl_client_show(akssl_client *client, int64_t id,
                                         akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_cancel stops a job for good.  out (may be NULL) gets the job as it stands then,
// which may still be running for a moment.  ERR_STATE: it was over already.
AKSSL_API akssl_status akssl_client_cancel(akssl_client *client, int64_t id,
                                           akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_pause has a job stop at its next step, with a commit, and wait until it is resumed;
// a queued job waits at once.  out (may be NULL) gets the job as it stands then, which may still be
// running for a moment.  ERR_STATE: it was over already, or is being cancelled.
AKSSL_API akssl_status akssl_client_pause(akssl_client *client, int64_t id,
                                          akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_resume queues a paused job again, to go on from its last commit.  out (may be NULL)
// gets the job as it stands then.  ERR_STATE: it is not paused (yet).
AKSSL_API akssl_status akssl_client_resume(akssl_client *client, int64_t id,
                                           akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_restart is the same for a job that is to begin again: its commits are set aside in
// its folder, and count no more.
AKSSL_API akssl_status akssl_client_restart(akssl_client *client, int64_t id,
                                            akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_resize has a job go on with another number of ranks, which changes no result: a
// running one commits at its next step and starts again, another one starts with it.  ranks 0: as
// many as there are cores for.  out (may be NULL) gets the job as it stands then.  ERR_INVALID:
// ranks do not divide the shards or do not fit the daemon's cores; ERR_STATE: the job was over
// already, or is being cancelled.
AKSSL_API akssl_status akssl_client_resize(akssl_client *client, int64_t id, int64_t ranks,
                                           akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_hold keeps a queued job from starting, akssl_client_release lets it go; a paused job
// is held, or not, once it is resumed.  out (may be NULL) gets the job as it stands then.
// ERR_STATE: it is neither QUEUED nor PAUSED.
AKSSL_API akssl_status akssl_client_hold(akssl_client *client, int64_t id,
                                         akssl_job **out) AKSSL_MUST_CHECK;
AKSSL_API akssl_status akssl_client_release(akssl_client *client, int64_t id,
                                            akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_requeue has a running job commit at its next step, give up its cores and wait for
// its turn again; nothing of it is lost.  ERR_STATE: it does not run.
AKSSL_API akssl_status akssl_client_requeue(akssl_client *client, int64_t id,
                                            akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_edit gives a job that waits (QUEUED or PAUSED) other values for the keys that were
// set in spec.  Of one that has commits only those may change that decide no result.  ERR_STATE,
// ERR_INVALID.
AKSSL_API akssl_status akssl_client_edit(akssl_client *client, int64_t id,
                                         const akssl_job_spec *spec,
                                         akssl_job **out) AKSSL_MUST_CHECK;

// akssl_client_curves gives what a job has reported over its steps so far, each curve in at most
// `points` points (2 to 500; 0: 300).  A job that has not made a step has none.  Free *out with
// akssl_curve_list_free.
AKSSL_API akssl_status akssl_client_curves(akssl_client *client, int64_t id, int64_t points,
                                           akssl_curve_list **out) AKSSL_MUST_CHECK;

// akssl_client_picture writes what a job's run has drawn to the file at path, as
// akssl_client_save_state does (saved->step is -1): "views.png", a sheet of the views that it
// trains on, from its start on; "map.json", where its backbone puts images, and their
// "thumbnails.png", from its end on.  ERR_NOT_FOUND: it is not there yet.
AKSSL_API akssl_status akssl_client_picture(akssl_client *client, int64_t id, const char *name,
                                            const char *path, akssl_saved *saved) AKSSL_MUST_CHECK;

// akssl_client_state describes the tensors that the coordinator holds for a job.  Free *out with
// akssl_tensor_list_free.
AKSSL_API akssl_status akssl_client_state(akssl_client *client, int64_t id,
                                          akssl_tensor_list **out) AKSSL_MUST_CHECK;

// akssl_client_save_state writes what the coordinator holds for a job, now if it runs, else at its
// last commit, to the file at path, as safetensors: the file that a commit has of it.  It is
// written beside it as path.part, and takes its place once it is whole and on the disk.  saved
// (may be NULL) tells of it.  ERR_STATE: the job has no such state; ERR_IO, ERR_NO_SPACE: of path.
AKSSL_API akssl_status akssl_client_save_state(akssl_client *client, int64_t id, const char *path,
                                               akssl_saved *saved) AKSSL_MUST_CHECK;

// akssl_export says what a job's backbone is written as; what is zero or NULL asks for nothing.
typedef struct akssl_export {
    const char *format; // a row of the catalogue's "formats"; NULL: safetensors
    int64_t zero_head;  // classes of a layer of zeros behind it, for loaders that insist on one
    int64_t step;       // of the commit to take; 0: the weights of a job that has succeeded, else
                        // the newest commit's
} akssl_export;

// akssl_client_export writes a job's trained backbone to the file at path, in the format that
// `what` asks for, in the same way as akssl_client_save_state.  Converting may take minutes: the
// daemon is given at least six, whatever the timeout.  ERR_STATE: there are no weights yet;
// ERR_NOT_FOUND: no such job, or commit; ERR_INVALID: no such format, or it has no words for this
// network.
AKSSL_API akssl_status akssl_client_export(akssl_client *client, int64_t id,
                                           const akssl_export *what, const char *path,
                                           akssl_saved *saved) AKSSL_MUST_CHECK;

// akssl_client_verify has every commit of a job read through and compared with what was recorded
// when it was made.  This may take minutes: it is given at least eleven, whatever the timeout.
// Damage is no failure of the call: look at (*out)->damaged.  Free *out with
// akssl_commit_list_free.
AKSSL_API akssl_status akssl_client_verify(akssl_client *client, int64_t id,
                                           akssl_commit_list **out) AKSSL_MUST_CHECK;

// akssl_client_catalogue gives, as JSON text, what the daemon's workers offer: methods, backbones,
// data sets and so on, each with its options.  Free *json with akssl_free.
AKSSL_API akssl_status akssl_client_catalogue(akssl_client *client, char **json) AKSSL_MUST_CHECK;

// akssl_event_kind says why an event callback was called.
typedef enum akssl_event_kind {
    AKSSL_EVENT_JOB = 1, // the job moved on
    AKSSL_EVENT_LOST,    // the daemon is gone; trying to find it again
    AKSSL_EVENT_BACK,    // the daemon is there again
    AKSSL_EVENT_TICK,    // nothing new; comes about five times a second
} akssl_event_kind;

// akssl_event is what happened.  Borrowed until the callback returns.
typedef struct akssl_event {
    akssl_event_kind kind; // what happened
    const akssl_job *job;  // as last heard of; NULL before the first AKSSL_EVENT_JOB
    const char *reason;    // a sentence for AKSSL_EVENT_LOST, else ""
} akssl_event;

// akssl_event_fn takes one event; a value other than 0 stops the watch.  It runs on the thread
// that called akssl_client_watch and must not close the client.
typedef int (*akssl_event_fn)(void *ctx, const akssl_event *event);

// akssl_client_watch follows a job until it reaches a final state, and through restarts of the
// daemon (see akssl_client_set_patience).  last (may be NULL) gets the job as it ended.
// ERR_CANCELLED: the callback stopped it; the job goes on.
AKSSL_API akssl_status akssl_client_watch(akssl_client *client, int64_t id, akssl_event_fn fn,
                                          void *ctx, akssl_job **last) AKSSL_MUST_CHECK;

// akssl_client_wait is watch without a callback: it returns OK when the job has reached a final
// state, whichever: look at (*out)->state (out may be NULL).  ERR_DEADLINE: that took longer than
// timeout_ms (0: no limit); the job goes on.
AKSSL_API akssl_status akssl_client_wait(akssl_client *client, int64_t id, int64_t timeout_ms,
                                         akssl_job **out) AKSSL_MUST_CHECK;

// akssl_chunk_fn takes the next bytes of a log; a value other than 0 stops it.  It is also called
// with length 0 about five times a second when there is nothing new.
typedef int (*akssl_chunk_fn)(void *ctx, const char *bytes, size_t length);

// akssl_client_logs gives a job's log from its start.  follow: go on as it grows, until the job is
// over, and through restarts of the daemon.  ERR_CANCELLED: the callback stopped it.
AKSSL_API akssl_status akssl_client_logs(akssl_client *client, int64_t id, int follow,
                                         akssl_chunk_fn fn, void *ctx) AKSSL_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
