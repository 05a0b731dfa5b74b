// daemon/http/jobs.c -- /api/jobs: the newest jobs (?limit=100, ?before=ID for those before), and
// those that run which are older than these.

#include "daemon/http/describe.h"
#include "daemon/http/route.h"
#include "daemon/run.h"
#include "proto/base/clock.h"

enum { DEFAULT_LIMIT = 100, MAX_LIMIT = 500 };

typedef struct listing {
    ak_daemon *d;
    json_t *jobs;
    int64_t oldest; // that is listed
} listing;

static bool see(void *ctx, const ak_job *row)
{
    listing *l = ctx;
    const ak_job *active = ak_jobs_find(&l->d->jobs, row->id);

    json_array_append_new(l->jobs, ak_describe_job(l->d, active ? active : row));
    l->oldest = row->id;
    return true;
}

static json_t *older_runs(const listing *l)
{
    json_t *list = json_array();

    for (size_t i = l->d->jobs.count; i-- > 0;)
        if (l->d->jobs.at[i]->run && l->d->jobs.at[i]->id < l->oldest)
            json_array_append_new(list, ak_describe_job(l->d, l->d->jobs.at[i]));
    return list;
}

static json_t *cores(const ak_daemon *d)
{
    json_t *object = json_object();
    const ak_launcher *launcher;

    for (int i = 0; (launcher = ak_launcher_at(i)) != NULL; i++) {
        int64_t all = launcher->slots(d, 1);

        if (all)
            json_object_set_new(object, launcher->name,
                                json_pack("{s:I, s:I}", "all", (json_int_t)all, "used",
                                          (json_int_t)ak_run_cores(d, launcher)));
    }
    return object;
}

static akssl_status look(ak_ask *ask)
{
    listing l = { .d = ask->d };
    ak_filter filter = { 0 };
    json_t *object;
    akssl_status rc;

    rc = ak_ask_number(ask, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, &filter.limit);
    if (rc == AKSSL_OK)
        rc = ak_ask_number(ask, "before", 0, 0, INT64_MAX, &filter.before);
    if (rc < 0)
        return rc;
    l.jobs = json_array();
    rc = ak_store_list(ask->d->store, &filter, see, &l);
    if (rc < 0) {
        json_decref(l.jobs);
        return rc;
    }
    object = json_object();
    json_object_set_new(object, "version", json_string(AKSSL_VERSION));
    json_object_set_new(object, "now_ms", json_integer(ak_clock_wall_ms()));
    json_object_set_new(object, "cores", cores(ask->d));
    json_object_set_new(object, "jobs", l.jobs);
    json_object_set_new(object, "running", older_runs(&l));
    return ak_describe_put(object, &ask->body);
}

const ak_route ak_route_jobs = {
    .path = "/api/jobs",
    .type = "application/json",
    .access = AK_ACCESS_READ,
    .look = look,
};
