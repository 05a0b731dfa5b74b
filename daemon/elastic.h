// daemon/elastic.h -- how many ranks a job has: what people ask for, and what there are cores for.
//
// The number of ranks is no part of a result, so a run may stop (with a commit) and go on with
// another number.  `asked_ranks` and `resize` are in the job's row: a daemon that dies between the
// wish and its deed carries it out when it is started again.
//
//     Resize -> row -> Stop to rank 0 -> commit, Finish as stopped -> QUEUED -> launch with the new
//     number
//
// A run that takes more cores than there are (akssld was started again with fewer --slots) is made
// smaller at once, unless it has places on hosts, which it keeps; one that was given fewer than it
// asked for, and has steps left, gets them when they have been free, with nobody waiting, for
// AK_ELASTIC_GROW_MS, and twice as long each time it has grown before: cores that come and go do
// not keep a job from working.  Loop thread only.

#ifndef AK_DAEMON_ELASTIC_H
#define AK_DAEMON_ELASTIC_H

#include "daemon/daemon.h"

enum {
    AK_ELASTIC_GROW_MS = 10000,
    AK_ELASTIC_DOUBLINGS = 6, // at most: 640 s
};

// ak_elastic_resize makes durable that job id is wanted on ranks (0: as many as fit), and stops its
// run if that has another number; a job that has none is started with it.  ERR_INVALID when ranks
// do not divide the shards or do not fit the cores.
akssl_status ak_elastic_resize(ak_daemon *d, int64_t id, int64_t ranks,
                               void (*seen)(void *ctx, const ak_job *job),
                               void *ctx) AKSSL_MUST_CHECK;

// ak_elastic_tick makes runs smaller and larger as above; call it every second.
void ak_elastic_tick(ak_daemon *d);

#endif
