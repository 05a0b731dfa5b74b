// daemon/http/http.h -- akssld by HTTP: a page, its JSON, metrics; see README.md here.
//
// Loop thread only.

#ifndef AK_DAEMON_HTTP_HTTP_H
#define AK_DAEMON_HTTP_HTTP_H

#include "daemon/daemon.h"

enum {
    AK_HTTP_CONNECTIONS = 256,
    AK_HTTP_MEMORY = 32 << 10, // a connection's: request line, headers
    AK_HTTP_IDLE_S = 30,       // without a request
    AK_HTTP_BUSY_S = 120,      // from a request to the last byte of its answer
    AK_HTTP_WORKS = 2,         // on the thread pool at once
    AK_HTTP_WAITING = 64,      // for their turn there
    AK_HTTP_HELD = 32 << 20,   // bytes of works' answers that are not sent yet: others wait
};

// ak_http_open listens on config->http; *out stays NULL where that is "".  ERR_INVALID,
// ERR_NOT_FOUND, ERR_EXISTS as the gate has them.
akssl_status ak_http_open(ak_http **out, ak_daemon *d) AKSSL_MUST_CHECK;

// ak_http_close ends connections and handles, then frees it, as the loop goes on; nothing of the
// daemon is looked at any more.  NULL-safe.
void ak_http_close(ak_http *http);

// ak_http_is_loopback says whether an address ("HOST:PORT", or a Host header) is this host's alone.
bool ak_http_is_loopback(const char *address);

#endif
