// daemon/seed.h -- a job whose state starts from another's (state_from): pinned when it is
// submitted.
//
//     Submit -> the source's newest commit -> (thread pool) its state, copied to STATE/tmp and
//     compared with the digest that was committed -> `akssl-worker check --state COPY` -> the copy
//     moves into the new job's folder, with its row
//
// From then on the source does not matter: spec.yaml has the digest, and each start of the job
// before its first commit reads the copy.  Loop thread only.

#ifndef AK_DAEMON_SEED_H
#define AK_DAEMON_SEED_H

#include "daemon/daemon.h"
#include "daemon/state/state.h"

#define AK_SEED_FILE "state-from.safetensors"

enum { AK_SEED_UNDER_WAY = 8 };

typedef struct ak_seed ak_seed;

typedef void (*ak_seed_done)(void *ctx, akssl_status rc, const char *error);

// ak_seed_start finds the state of job spec->state_from, sets spec->state_digest (or refuses the
// one that is given and is not its), and copies it; done is called later, once, unless ak_seed_free
// comes first.
akssl_status ak_seed_start(ak_seed **out, ak_daemon *d, ak_spec *spec, ak_seed_done done,
                           void *ctx) AKSSL_MUST_CHECK;

// ak_seed_path is the copy.  ak_seed_free removes it, unless it was moved away; NULL-safe.
const char *ak_seed_path(const ak_seed *seed);
void ak_seed_free(ak_seed *seed);

// ak_seed_read reads the copy in a job's folder, which must have that digest.  Any thread.
akssl_status ak_seed_read(ak_state **out, const char *folder, const char *digest) AKSSL_MUST_CHECK;

#endif
