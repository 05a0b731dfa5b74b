// daemon/store/store.h -- the jobs and their commits, on disk.
//
// SQLite in WAL mode with synchronous=FULL: when a function that writes has returned 0 outside a
// transaction, or ak_store_commit has, the rows survive a power cut.  Every statement touches a
// few rows and takes a millisecond or so (the disk's flush), so all of it runs on the loop thread.
//
// Failures: ERR_NO_SPACE for a full disk, ERR_CORRUPT for a damaged file, else ERR_IO.

#ifndef AK_DAEMON_STORE_STORE_H
#define AK_DAEMON_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/auth/token.h"
#include "daemon/job.h"
#include "daemon/state/commit.h"
#include "daemon/usage.h"

typedef struct ak_store ak_store;

// ak_store_open opens or makes the database at path.  One of an older version is copied to
// path.vN.backup and brought up to date, all of it or, when either cannot be done, nothing of it
// (the sentence says why); one of a newer version, or of another program, is
// refused (ERR_UNSUPPORTED) and not touched.
akssl_status ak_store_open(ak_store **out, const char *path) AKSSL_MUST_CHECK;
void ak_store_close(ak_store *store); // NULL-safe

// A transaction: begin, then commit or rollback.  They do not nest.
akssl_status ak_store_begin(ak_store *store) AKSSL_MUST_CHECK;
akssl_status ak_store_commit(ak_store *store) AKSSL_MUST_CHECK; // rolls back when it fails
void ak_store_rollback(ak_store *store);

// ak_store_insert stores a new job and gives it its id; ids are never used twice.
akssl_status ak_store_insert(ak_store *store, ak_job *job) AKSSL_MUST_CHECK;

// ak_store_update stores all of a job but its spec.
akssl_status ak_store_update(ak_store *store, const ak_job *job) AKSSL_MUST_CHECK;

// ak_store_find reads one job; ERR_NOT_FOUND.  *out is yours.
akssl_status ak_store_find(ak_store *store, int64_t id, ak_job **out) AKSSL_MUST_CHECK;

// take is given each job, whole, to keep; a job that cannot be read is skipped, and *skipped
// counts them.  Oldest first, only those that have not ended.
akssl_status ak_store_active(ak_store *store, void (*take)(void *ctx, ak_job *job), void *ctx,
                             int *skipped) AKSSL_MUST_CHECK;

// ak_store_update_spec stores a job's spec.
akssl_status ak_store_update_spec(ak_store *store, const ak_job *job) AKSSL_MUST_CHECK;

// ak_store_state_of gives a job's state, 0 when there is no such job.
akssl_status ak_store_state_of(ak_store *store, int64_t id, ak_job_state *state) AKSSL_MUST_CHECK;

// Which jobs a list is of.
typedef struct ak_filter {
    unsigned states;   // a set of 1 << ak_job_state; 0: all
    const char *owner; // NULL or "": everybody's
    const char *name;  // that their names contain; NULL or "": any
    int64_t before;    // only ids below it; 0: all
    int64_t limit;     // at most so many
} ak_filter;

// see is shown jobs, newest first, as read for a list (job.h); it returns false to end.
akssl_status ak_store_list(ak_store *store, const ak_filter *filter,
                           bool (*see)(void *ctx, const ak_job *job), void *ctx) AKSSL_MUST_CHECK;

// ak_store_ended gives the ids of the jobs that ended last, at most `room`, the last one first.
akssl_status ak_store_ended(ak_store *store, int64_t *ids, int room, int *count) AKSSL_MUST_CHECK;

// ak_store_read_usage adds what was stored to usage; ak_store_write_usage replaces it, in one
// transaction.  now_ms is for people who look.
akssl_status ak_store_read_usage(ak_store *store, ak_usage *usage) AKSSL_MUST_CHECK;
akssl_status ak_store_write_usage(ak_store *store, const ak_usage *usage,
                                  int64_t now_ms) AKSSL_MUST_CHECK;

// ak_store_read_lately counts the newest jobs that have ended (ak_usage_end).
akssl_status ak_store_read_lately(ak_store *store, ak_usage *usage) AKSSL_MUST_CHECK;

// ---- commits

// ak_store_is_doubtful says whether the last write has failed in a way that leaves open what a
// crash would find: the rows may be there then.  Files that they name must stay until a write
// succeeds.
bool ak_store_is_doubtful(const ak_store *store);

// ak_store_record makes a commit count, in one transaction: its rows, the job's, and the pruning of
// all but the newest job->spec.keep commits.  *kept (yours; NULL after an error) are the steps that
// are known now, newest first: other folders of commits up to this one may go.
akssl_status ak_store_record(ak_store *store, const ak_job *job, const ak_commit *commit,
                             int64_t **kept, int *count) AKSSL_MUST_CHECK;

// ak_store_fall_back forgets a job's commits of step `from` and later and stores the job, whose
// committed_step says what it goes on from, in one transaction.
akssl_status ak_store_fall_back(ak_store *store, const ak_job *job, int64_t from) AKSSL_MUST_CHECK;

// ak_store_find_commit reads the job's newest commit; ERR_NOT_FOUND when there is none.
akssl_status ak_store_find_commit(ak_store *store, int64_t job, ak_commit *commit) AKSSL_MUST_CHECK;

// ak_store_commits reads all of a job's commits, newest first; *list is yours.
akssl_status ak_store_commits(ak_store *store, int64_t job, ak_commit **list,
                              int *count) AKSSL_MUST_CHECK;

// ak_store_commit_steps gives the steps of a job's commits, newest first; *steps is yours.
akssl_status ak_store_commit_steps(ak_store *store, int64_t job, int64_t **steps,
                                   int *count) AKSSL_MUST_CHECK;

// The rows alone, for a transaction of the caller's: add stores a commit's, prune forgets all but
// the `keep` newest of a job.
akssl_status ak_store_add_commit(ak_store *store, const ak_commit *commit) AKSSL_MUST_CHECK;
akssl_status ak_store_prune(ak_store *store, int64_t job, int64_t keep) AKSSL_MUST_CHECK;

// ---- tokens

// ak_store_add_token stores all of a token but its id, which it gives it, and revoked_ms.
akssl_status ak_store_add_token(ak_store *store, ak_token *token) AKSSL_MUST_CHECK;

// ak_store_find_token finds a token, whether it is still valid or not, by its hash; ERR_NOT_FOUND.
akssl_status ak_store_find_token(ak_store *store, const unsigned char hash[AK_TOKEN_HASH],
                                 ak_token *token) AKSSL_MUST_CHECK;

// see is shown the newest AK_STORE_TOKENS tokens.
enum { AK_STORE_TOKENS = 10000 };
akssl_status ak_store_tokens(ak_store *store, void (*see)(void *ctx, const ak_token *token),
                             void *ctx) AKSSL_MUST_CHECK;

// ak_store_revoke_token notes when a token ceased to be valid; the first time stays. ERR_NOT_FOUND.
akssl_status ak_store_revoke_token(ak_store *store, int64_t id, int64_t now_ms) AKSSL_MUST_CHECK;

#endif
