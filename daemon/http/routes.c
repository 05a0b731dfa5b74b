// daemon/http/routes.c -- the table of routes, and which one a path is.

#include <inttypes.h>
#include <string.h>

#include "daemon/http/route.h"

#define AK_ROUTE(name) extern const ak_route ak_route_##name;
#include "daemon/http/routes.def"
#undef AK_ROUTE

static const ak_route *const table[] = {
#define AK_ROUTE(name) &ak_route_##name,
#include "daemon/http/routes.def"
#undef AK_ROUTE
};

enum { ROUTES = sizeof table / sizeof *table };

const ak_route *ak_route_at(size_t index)
{
    return index < ROUTES ? table[index] : NULL;
}

// An id is 1 to 18 digits, the first of which is no 0.
static const char *skip_id(const char *path, int64_t *id)
{
    const char *at = path;

    *id = 0;
    for (; *at >= '0' && *at <= '9' && at - path < 18; at++)
        *id = *id * 10 + (*at - '0');
    return *id && *path != '0' ? at : NULL;
}

static bool fits(const char *pattern, const char *path, ak_ask *ask)
{
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            ask->rest = path;
            return strchr(path, '/') == NULL;
        }
        if (*pattern == '#') {
            path = skip_id(path, &ask->job);
            if (!path)
                return false;
        } else if (*pattern != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

const ak_route *ak_route_find(const char *path, ak_ask *ask)
{
    for (size_t i = 0; i < ROUTES; i++)
        if (fits(table[i]->path, path, ask))
            return table[i];
    return NULL;
}
