// daemon/launcher/hostlist.c -- hosts and a number each.

#include "daemon/launcher/hostlist.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "._-";

// ---- the list

void ak_hostlist_fini(ak_hostlist *list)
{
    if (!list)
        return;
    free(list->at);
    *list = (ak_hostlist){ 0 };
}

int64_t ak_hostlist_slots(const ak_hostlist *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].name, name) == 0)
            return list->at[i].slots;
    return 0;
}

void ak_hostlist_text(const ak_hostlist *list, ak_str *text)
{
    for (size_t i = 0; i < list->count; i++)
        ak_str_format(text, "%s%s:%" PRId64, i ? "," : "", list->at[i].name, list->at[i].slots);
}

akssl_status ak_hostlist_add(ak_hostlist *list, const char *name, size_t length, int64_t slots)
{
    ak_hostlist_row row = { .slots = slots };

    if (!length || length >= sizeof row.name || strspn(name, name_bytes) < length ||
        name[0] == '-' || name[0] == '.')
        return ak_fail(AKSSL_ERR_INVALID,
                       "'%.*s' is no name of a host: it has letters, digits, '.', '_' and '-', %d "
                       "at most",
                       (int)(length < 64 ? length : 64), name, AK_HOSTLIST_NAME - 1);
    memcpy(row.name, name, length);
    if (slots < 1 || slots > AK_HOSTLIST_SLOTS)
        return ak_fail(AKSSL_ERR_INVALID, "host '%s': give 1 to %d slots", row.name,
                       AK_HOSTLIST_SLOTS);
    if (ak_hostlist_slots(list, row.name))
        return ak_fail(AKSSL_ERR_INVALID, "host '%s' is in the list twice", row.name);
    if (list->count == AK_HOSTLIST_MAX)
        return ak_fail(AKSSL_ERR_LIMIT, "there are more than %d hosts", AK_HOSTLIST_MAX);
    list->at = ak_realloc(list->at, list->count + 1, sizeof *list->at);
    list->at[list->count++] = row;
    return AKSSL_OK;
}

// number reads digits, at most as many as any of our numbers has; -1 when there are none or more.
static int64_t number(const char **at)
{
    int64_t value = 0;
    int digits = 0;

    for (; isdigit((unsigned char)**at); (*at)++) {
        if (++digits > 9)
            return -1;
        value = value * 10 + (**at - '0');
    }
    return digits ? value : -1;
}

// ---- flags and files

static const char blanks[] = " \t\r";

// An entry: NAME, NAME:N or NAME slots=N, and nothing after it but blanks.
static akssl_status parse_entry(ak_hostlist *list, const char *at, size_t length)
{
    const char *end = at + length;
    size_t name = strcspn(at, " \t\r:,#\n");
    int64_t slots = 1;
    const char *rest = at + name;

    if (rest < end && *rest == ':') {
        rest++;
        slots = number(&rest);
    } else {
        rest += strspn(rest, blanks);
        if (rest < end && strncmp(rest, "slots=", 6) == 0) {
            rest += 6;
            slots = number(&rest);
        }
    }
    rest += strspn(rest, blanks);
    if (rest < end || slots < 0)
        return ak_fail(AKSSL_ERR_INVALID, "'%.*s': say NAME:SLOTS, or in a file NAME slots=N",
                       (int)(length < 80 ? length : 80), at);
    return ak_hostlist_add(list, at, name, slots);
}

static akssl_status parse_line(ak_hostlist *list, const char *at, size_t length)
{
    const char *end = at + strcspn(at, "#\n");
    akssl_status rc = AKSSL_OK;

    if (end > at + length)
        end = at + length;
    at += strspn(at, blanks);
    while (rc == AKSSL_OK && at < end) {
        size_t entry = strcspn(at, ",#\n");

        rc = parse_entry(list, at, entry);
        at += entry + (at[entry] == ',');
        at += strspn(at, blanks);
    }
    return rc;
}

static akssl_status finish(ak_hostlist *list, akssl_status rc)
{
    if (rc == AKSSL_OK && !list->count)
        rc = ak_fail(AKSSL_ERR_INVALID, "there is no host in it");
    if (rc < 0)
        ak_hostlist_fini(list);
    return rc;
}

akssl_status ak_hostlist_parse(ak_hostlist *list, const char *text)
{
    akssl_status rc = AKSSL_OK;

    while (rc == AKSSL_OK && *text) {
        size_t length = strcspn(text, "\n");

        rc = parse_line(list, text, length);
        text += length + (text[length] == '\n');
    }
    return finish(list, rc);
}

// ---- Slurm

typedef struct expansion {
    ak_hostlist *list;
    char name[AK_HOSTLIST_NAME];
    const char *whole;
} expansion;

static akssl_status no_list(const char *text)
{
    return ak_fail(AKSSL_ERR_INVALID, "'%.80s' is no list of nodes as Slurm writes it", text);
}

static akssl_status expand(expansion *e, size_t used, const char *at, const char *end);

// One range of a bracket, "7" or "07-12", with what follows the bracket.
static akssl_status expand_range(expansion *e, size_t used, const char *range, const char *rest,
                                 const char *end)
{
    const char *at = range;
    int64_t from = number(&at), to = from;
    int width = (int)(at - range);
    akssl_status rc = AKSSL_OK;

    if (*at == '-') {
        at++;
        to = number(&at);
    }
    if (from < 0 || to < from || to - from >= AK_HOSTLIST_MAX || (*at != ',' && *at != ']'))
        return no_list(e->whole);
    for (int64_t i = from; i <= to && rc == AKSSL_OK; i++) {
        int n = snprintf(e->name + used, sizeof e->name - used, "%0*" PRId64, width, i);

        if (n < 0 || (size_t)n >= sizeof e->name - used)
            return no_list(e->whole);
        rc = expand(e, used + (size_t)n, rest, end);
    }
    return rc;
}

// expand goes on with a name of which `used` bytes are there.
static akssl_status expand(expansion *e, size_t used, const char *at, const char *end)
{
    const char *close;
    akssl_status rc = AKSSL_OK;

    while (at < end && *at != '[') {
        if (used + 1 >= sizeof e->name)
            return no_list(e->whole);
        e->name[used++] = *at++;
    }
    if (at == end)
        return ak_hostlist_add(e->list, e->name, used, 1);
    close = memchr(at, ']', (size_t)(end - at));
    if (!close)
        return no_list(e->whole);
    while (rc == AKSSL_OK && at < close) { // at the '[' or a ','
        rc = expand_range(e, used, ++at, close + 1, end);
        at += strcspn(at, ",]");
    }
    return rc;
}

static akssl_status expand_all(ak_hostlist *list, const char *nodes)
{
    expansion e = { .list = list, .whole = nodes };
    akssl_status rc = AKSSL_OK;

    while (rc == AKSSL_OK && *nodes) {
        const char *end = nodes;
        bool inside = false;

        for (; *end && (inside || *end != ','); end++)
            inside = *end == '[' || (inside && *end != ']');
        rc = expand(&e, 0, nodes, end);
        nodes = end + (*end == ',');
    }
    return rc;
}

static akssl_status no_cpus(const ak_hostlist *list, const char *cpus)
{
    return ak_fail(AKSSL_ERR_INVALID, "'%.80s' does not say the CPUs of %zu nodes", cpus,
                   list->count);
}

// "2(x3),4" goes over the nodes in their order.
static akssl_status take_cpus(ak_hostlist *list, const char *cpus)
{
    const char *at = cpus;
    size_t next = 0;

    while (*at) {
        int64_t slots = number(&at), times = 1;

        if (strncmp(at, "(x", 2) == 0) {
            at += 2;
            times = number(&at);
            if (*at++ != ')')
                return no_cpus(list, cpus);
        }
        if (slots < 1 || slots > AK_HOSTLIST_SLOTS || times < 1 ||
            times > (int64_t)(list->count - next) || (*at && *at != ','))
            return no_cpus(list, cpus);
        for (; times > 0; times--)
            list->at[next++].slots = slots;
        at += *at == ',';
    }
    return next < list->count ? no_cpus(list, cpus) : AKSSL_OK;
}

akssl_status ak_hostlist_slurm(ak_hostlist *list, const char *nodes, const char *cpus)
{
    akssl_status rc = expand_all(list, nodes);

    if (rc == AKSSL_OK && list->count)
        rc = take_cpus(list, cpus);
    return finish(list, rc);
}

// ---- where ranks go

// best gives the host on which all of `asked` fit with the least left over, or else the one with
// most room; -1 when there is no room.
static int64_t best(const int64_t *room, size_t count, int64_t asked)
{
    int64_t found = -1;

    for (size_t i = 0; i < count; i++) {
        bool fits = room[i] >= asked;
        bool had = found >= 0 && room[found] >= asked;

        if (room[i] < 1)
            continue;
        if (found < 0 || (fits && (!had || room[i] < room[found])) ||
            (!fits && !had && room[i] > room[found]))
            found = (int64_t)i;
    }
    return found;
}

int64_t ak_hostlist_place(const int64_t *free_cores, size_t count, int64_t asked, int64_t need,
                          int64_t *ranks)
{
    int64_t *room = ak_alloc(count + 1, sizeof *room);
    int64_t placed = 0, host;

    for (size_t i = 0; i < count; i++) {
        ranks[i] = 0;
        room[i] = free_cores[i] > 0 ? free_cores[i] / need : 0;
    }
    while (placed < asked && (host = best(room, count, asked - placed)) >= 0) {
        int64_t n = room[host] < asked - placed ? room[host] : asked - placed;

        ranks[host] = n;
        room[host] = 0;
        placed += n;
    }
    free(room);
    return placed;
}
