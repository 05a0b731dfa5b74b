// daemon/catalogue.h -- what the installed worker offers, as `akssl-worker catalogue` prints it.
//
// Asked for once at start and kept; when that failed, the next call of Catalogue asks again.
// Loop thread only.

#ifndef AK_DAEMON_CATALOGUE_H
#define AK_DAEMON_CATALOGUE_H

#include "daemon/config.h"
#include "proto/base/log.h"
#include "proto/rpc/server.h"

typedef struct ak_catalogue ak_catalogue;

// ak_catalogue_new starts asking.  free ends what is under way.
ak_catalogue *ak_catalogue_new(uv_loop_t *loop, const ak_config *config, const ak_log *log);
void ak_catalogue_free(ak_catalogue *catalogue); // NULL-safe

// ak_catalogue_answer replies to a Catalogue call, now or once the worker has answered.
// ak_catalogue_forget drops a call that has ended.
akssl_status ak_catalogue_answer(ak_catalogue *catalogue, ak_call *call) AKSSL_MUST_CHECK;
void ak_catalogue_forget(ak_catalogue *catalogue, ak_call *call);

#endif
