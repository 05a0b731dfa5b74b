// daemon/catalogue.h -- what the installed worker offers, as `akssl-worker catalogue` prints it,
// and the launchers of this daemon, as they are now.
//
// The worker is asked once at start; when that failed, the next call of Catalogue asks again.
// Loop thread only.

#ifndef AK_DAEMON_CATALOGUE_H
#define AK_DAEMON_CATALOGUE_H

#include "proto/rpc/server.h"

typedef struct ak_catalogue ak_catalogue;
struct ak_daemon;

// ak_catalogue_new starts asking.  free ends what is under way.
ak_catalogue *ak_catalogue_new(struct ak_daemon *d);
void ak_catalogue_free(ak_catalogue *catalogue); // NULL-safe

// ak_catalogue_answer replies to a Catalogue call, now or once the worker has answered.
// ak_catalogue_forget drops a call that has ended.
akssl_status ak_catalogue_answer(ak_catalogue *catalogue, ak_call *call) AKSSL_MUST_CHECK;
void ak_catalogue_forget(ak_catalogue *catalogue, ak_call *call);

#endif
