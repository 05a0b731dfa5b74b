// daemon/http/route.h -- what is served by HTTP: one file and one row a path.

#ifndef AK_DAEMON_HTTP_ROUTE_H
#define AK_DAEMON_HTTP_ROUTE_H

#include "daemon/daemon.h"

enum { AK_ASK_NUMBERS = 4 };

// One request.  `look` fills in the answer, or what `work` needs to do so.
typedef struct ak_ask {
    ak_daemon *d;     // loop thread only
    const void *http; // the connection, for ak_ask_number; loop thread only
    int64_t job;      // the '#' of the path
    const char *rest; // its '*'

    char *path;               // for work: a file; on the heap, the ask's
    struct ak_state *tensors; // for work: frozen; the ask's
    bool inquires;            // counts among the daemon's inquiries until it is over
    int64_t numbers[AK_ASK_NUMBERS];

    const char *type;  // of the answer, if it is not the route's
    ak_str body;       // the answer,
    const void *fixed; // or bytes of the program's own
    size_t fixed_size;
} ak_ask;

typedef struct ak_route {
    const char *path; // "/api/jobs/#/log": '#' stands for a job's id, a '*' at the end for a name
    const char *type; // Content-Type
    ak_access access; // who may ask, where not everybody may

    // look runs on the loop thread and touches memory and store.  What it returns is the answer.
    akssl_status (*look)(ak_ask *ask);

    // work follows on the thread pool, and may read files: of the ask it sees job, path, numbers,
    // type, body.  Optional.
    akssl_status (*work)(ak_ask *ask);
} ak_route;

// ak_route_find gives the route of a path, with job and rest set in ask; NULL: there is none.
const ak_route *ak_route_find(const char *path, ak_ask *ask);

// ak_route_at gives one by number, NULL behind the last.
const ak_route *ak_route_at(size_t index);

// ak_ask_number reads a number of the query (?points=400), `initial` where it is not given.
// ERR_INVALID.  Loop thread, in look.
akssl_status ak_ask_number(const ak_ask *ask, const char *name, int64_t initial, int64_t min,
                           int64_t max, int64_t *out) AKSSL_MUST_CHECK;

#endif
