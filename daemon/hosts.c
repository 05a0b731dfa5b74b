// daemon/hosts.c -- the hosts of launcher `hosts`: which answer, what is free on them.

#include "daemon/hosts.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/after.h"
#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/launcher/launcher.h"
#include "daemon/run.h"
#include "daemon/tool.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/rpc/address.h"

typedef struct ak_host {
    ak_hosts *hosts;
    const ak_hostlist_row *row;
    bool here; // need not be asked
    bool up;
    bool told;        // that it is lost
    bool failed;      // it was asked since it has answered last, and did not
    char *why;        // what is wrong with it; "" when nothing is known
    int64_t silent;   // seconds in which we would have heard it, since it has answered last
    int64_t due_ns;   // when it is to be asked next
    int64_t asked_ns; // when it was asked last
    int64_t doubt_ns; // when a run with ranks on it has ended unheard; 0: it has answered since
    ak_tool *tool;    // while it is asked
} ak_host;

struct ak_hosts {
    ak_daemon *d;
    ak_hostlist list;
    ak_host *at; // as the list
    int asked;
    size_t next;   // whose turn it is to be asked, if he is due
    ak_args agent; // its words
};

// ---- the list

static bool is_own_address(const char *name)
{
    struct ifaddrs *all = NULL;
    struct in_addr wanted;
    bool found = false;

    if (inet_pton(AF_INET, name, &wanted) != 1 || getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        struct sockaddr_in address;

        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&address, i->ifa_addr, sizeof address);
        found = address.sin_addr.s_addr == wanted.s_addr;
    }
    freeifaddrs(all);
    return found;
}

static bool is_here(const char *name)
{
    char own[256] = "";

    if (strcmp(name, "localhost") == 0 || is_own_address(name))
        return true;
    if (gethostname(own, sizeof own - 1) < 0 || !own[0])
        return false;
    return strcmp(name, own) == 0 || (!strchr(name, '.') && strlen(name) == strcspn(own, ".") &&
                                      strncmp(name, own, strlen(name)) == 0);
}

static akssl_status read_list(ak_hostlist *list, const char *value)
{
    ak_str text = AK_STR_INIT;
    akssl_status rc;

    if (!strchr(value, '/'))
        return ak_hostlist_parse(list, value);
    rc = ak_files_read(value, AK_HOSTLIST_TEXT, &text);
    if (rc == AKSSL_OK && (!text.length || strlen(text.text) != text.length))
        rc = ak_fail(AKSSL_ERR_INVALID, "it is no list of hosts: say NAME slots=N, a line each");
    if (rc == AKSSL_OK)
        rc = ak_hostlist_parse(list, text.text);
    ak_str_fini(&text);
    return rc < 0 ? ak_wrap(rc, "'%s'", value) : AKSSL_OK;
}

static akssl_status find_hosts(ak_hosts *h, const ak_config *config)
{
    const char *nodes = getenv("SLURM_JOB_NODELIST"), *cpus = getenv("SLURM_JOB_CPUS_PER_NODE");
    akssl_status rc;

    if (!config->allocated) {
        rc = read_list(&h->list, config->hosts);
        return rc < 0 ? ak_wrap(rc, "--hosts") : AKSSL_OK;
    }
    rc = ak_hostlist_slurm(&h->list, nodes ? nodes : "", cpus ? cpus : "");
    return rc < 0 ? ak_wrap(rc, "SLURM_JOB_NODELIST and SLURM_JOB_CPUS_PER_NODE") : AKSSL_OK;
}

static akssl_status find_agent(ak_hosts *h, const ak_config *config)
{
    char *path;

    ak_args_add_words(&h->agent, config->host_agent);
    path = h->agent.count ? ak_files_program(h->agent.at[0]) : NULL;
    if (!path)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "--host-agent '%s' cannot be run: install openssh-client, or name a program "
                       "that is called as ssh is: AGENT HOST COMMAND",
                       config->host_agent);
    free(h->agent.at[0]);
    h->agent.at[0] = path;
    return AKSSL_OK;
}

static akssl_status check_uplink(const ak_hosts *h, const ak_config *config)
{
    for (size_t i = 0; i < h->list.count; i++)
        if (!is_here(h->list.at[i].name) &&
            ak_address_kind_of(config->uplink, NULL) == AK_ADDRESS_UNIX)
            return ak_fail(AKSSL_ERR_INVALID,
                           "ranks on host '%s' cannot reach '%s': serve TCP (--listen) and say "
                           "where they find it (--uplink THIS-HOST:PORT)",
                           h->list.at[i].name, config->uplink);
    return AKSSL_OK;
}

static void init_hosts(ak_hosts *h)
{
    int64_t now = ak_clock_ns();
    bool others = false;

    h->at = ak_alloc(h->list.count + 1, sizeof *h->at);
    for (size_t i = 0; i < h->list.count; i++) {
        ak_host *host = &h->at[i];

        host->hosts = h;
        host->row = &h->list.at[i];
        host->here = h->d->config->allocated || is_here(host->row->name);
        host->up = host->here;
        host->due_ns = now;
        ak_text_set(&host->why, "it has not answered yet");
        others |= !host->here;
    }
    ak_log_write(h->d->log, AK_LOG_INFO, "hosts: %zu%s", h->list.count,
                 h->d->config->allocated ? ", of the Slurm allocation"
                 : others                ? ", which are asked whether they answer"
                                         : "");
}

akssl_status ak_hosts_open(ak_hosts **out, ak_daemon *d)
{
    const ak_config *config = d->config;
    ak_hosts *h;
    akssl_status rc;

    if (!config->allocated && (!config->hosts || !config->hosts[0]))
        return AKSSL_OK;
    h = ak_alloc(1, sizeof *h);
    h->d = d;
    rc = find_hosts(h, config);
    if (rc == AKSSL_OK && !config->allocated)
        rc = find_agent(h, config);
    if (rc == AKSSL_OK)
        rc = check_uplink(h, config);
    if (rc < 0) {
        ak_hosts_close(h);
        return rc;
    }
    init_hosts(h);
    *out = h;
    return AKSSL_OK;
}

void ak_hosts_close(ak_hosts *h)
{
    if (!h)
        return;
    for (size_t i = 0; h->at && i < h->list.count; i++) {
        ak_tool_cancel(h->at[i].tool);
        free(h->at[i].why);
    }
    free(h->at);
    ak_hostlist_fini(&h->list);
    ak_args_fini(&h->agent);
    free(h);
}

// ---- whether they answer

static void note(ak_host *host, const char *why)
{
    ak_text_set(&host->why, why);
}

static bool is_usable(const ak_host *host)
{
    return host->up && !host->doubt_ns;
}

static void answered(ak_host *host)
{
    ak_hosts *h = host->hosts;
    bool usable = is_usable(host);

    host->silent = 0;
    note(host, "");
    host->failed = host->told = false;
    if (host->asked_ns < host->doubt_ns)
        host->due_ns = host->doubt_ns; // it was asked before what is in doubt
    else
        host->doubt_ns = 0;
    if (!host->up)
        ak_log_write(h->d->log, AK_LOG_INFO, "host '%s' answers: %" PRId64 " slots",
                     host->row->name, host->row->slots);
    host->up = true;
    if (is_usable(host) && !usable)
        ak_control_schedule(h->d);
}

static void on_answer(void *ctx, ak_tool_result *result)
{
    ak_host *host = ctx;
    const char *words = ak_tool_complaint(result);
    char *why = NULL;

    host->tool = NULL;
    host->hosts->asked--;
    if (!result->exit_code && !result->signal) { // perhaps in time, while the loop stood still
        answered(host);
        return;
    }
    if (result->timed_out)
        why = ak_path("it does not answer in time");
    else if (result->exit_code == 1 && !words[0])
        why = ak_path("it has no program '%s'", host->hosts->d->config->worker);
    else
        why = ak_path("%.200s (%s ended with %" PRId64 ")", words[0] ? words : "no word",
                      host->hosts->agent.at[0], result->exit_code);
    note(host, why);
    host->failed = true;
    free(why);
}

static void ask(ak_host *host)
{
    ak_hosts *h = host->hosts;
    ak_str worker = AK_STR_INIT; // as the host's shell takes it for one word
    int64_t wait_ms = h->d->config->host_timeout * 500;
    ak_args argv = { 0 };

    for (size_t i = 0; i < h->agent.count; i++)
        ak_args_add(&argv, "%s", h->agent.at[i]);
    ak_args_add(&argv, "%s", host->row->name);
    ak_args_add_words(&argv, "test -x");
    ak_args_quote(&worker, h->d->config->worker);
    ak_args_add(&argv, "%s", worker.text);
    host->asked_ns = ak_clock_ns();
    host->due_ns = host->asked_ns + h->d->config->host_timeout * INT64_C(250000000);
    if (ak_tool_start(&host->tool, &h->d->loop, argv.at, (uint64_t)wait_ms, on_answer, host) < 0) {
        note(host, ak_error_text()); // nobody was asked
    } else {
        h->asked++;
    }
    ak_args_fini(&argv);
    ak_str_fini(&worker);
}

// Mpirun would wait for its ranks there as long as it takes.
static void end_runs(const ak_host *host, const char *why)
{
    ak_daemon *d = host->hosts->d;

    for (size_t i = 0; i < d->jobs.count; i++) {
        ak_run *run = d->jobs.at[i]->run;

        if (!run || run->phase >= AK_RUN_FINISHED || run->leaving ||
            !ak_hostlist_slots(&run->places, host->row->name))
            continue;
        ak_after_unheard(run, d->config->host_timeout * 1000);
        run->pause_ms = 0; // it goes on without that host
        ak_run_end(run, why);
    }
}

// look counts ticks, not time: while the loop stood still, nobody was heard.  True when the host is
// given up.
static bool look(ak_host *host)
{
    ak_daemon *d = host->hosts->d;
    bool was_up = host->up;
    char *why;

    if (++host->silent < d->config->host_timeout || !host->failed)
        return false;
    host->up = false;
    why = ak_path("host '%s' does not answer: %s", host->row->name, host->why);
    if (!host->told)
        ak_log_write(d->log, AK_LOG_WARN, "%s: it is left out", why);
    host->told = true;
    end_runs(host, why);
    free(why);
    return was_up;
}

// ask_due goes round, so that hosts that take all of their time to say nothing keep no other from
// being asked.
static void ask_due(ak_hosts *h)
{
    int64_t now = ak_clock_ns();
    size_t first = h->next;

    for (size_t i = 0; i < h->list.count && h->asked < AK_HOSTS_AT_ONCE; i++) {
        size_t at = (first + i) % h->list.count;
        ak_host *host = &h->at[at];

        if (host->here || host->tool || now < host->due_ns)
            continue;
        ask(host);
        h->next = at + 1;
    }
}

void ak_hosts_tick(ak_hosts *h)
{
    bool fewer = false;

    if (!h)
        return;
    ask_due(h);
    for (size_t i = 0; i < h->list.count && !h->d->stopping; i++)
        if (!h->at[i].here)
            fewer |= look(&h->at[i]);
    if (fewer) // what waited for them to be sure
        ak_control_schedule(h->d);
}

// ---- after a run that has ended unheard

void ak_hosts_doubt(ak_hosts *h, const ak_hostlist *places)
{
    int64_t now = ak_clock_ns();

    for (size_t i = 0; h && i < h->list.count; i++)
        if (!h->at[i].here && ak_hostlist_slots(places, h->list.at[i].name)) {
            h->at[i].doubt_ns = h->at[i].due_ns = now;
            h->at[i].failed = false; // before
        }
}

bool ak_hosts_settled(const ak_hosts *h, const ak_hostlist *places, char **why)
{
    bool settled = true;

    *why = NULL;
    for (size_t i = 0; h && i < h->list.count; i++) {
        const ak_host *host = &h->at[i];

        if (!host->doubt_ns || !ak_hostlist_slots(places, host->row->name))
            continue;
        if (host->failed) {
            *why = ak_path("host '%s' does not answer: %s", host->row->name, host->why);
            return true;
        }
        settled &=
            host->asked_ns >= host->doubt_ns && !host->tool &&
            ak_clock_ns() - host->doubt_ns > h->d->config->host_timeout * INT64_C(1000000000);
    }
    return settled;
}

// ---- what there is on them

int64_t ak_hosts_slots(const ak_hosts *h, int64_t threads)
{
    int64_t sum = 0, largest = 0;

    for (size_t i = 0; h && i < h->list.count; i++) {
        int64_t slots = is_usable(&h->at[i]) ? h->list.at[i].slots : 0;

        sum += slots / threads * threads;
        largest = slots > largest ? slots : largest;
    }
    return sum ? sum : largest; // one rank takes all of a host
}

int64_t ak_hosts_lost(const ak_hosts *h)
{
    int64_t lost = 0;

    for (size_t i = 0; h && i < h->list.count; i++)
        lost += !is_usable(&h->at[i]);
    return lost;
}

bool ak_hosts_unsure(const ak_hosts *h)
{
    bool unsure = false;

    for (size_t i = 0; h && i < h->list.count; i++)
        unsure |= h->at[i].up && h->at[i].doubt_ns;
    return unsure;
}

static bool is_gone(const ak_gone *gone, int64_t id)
{
    for (size_t i = 0; gone && i < gone->count; i++)
        if (gone->jobs[i] == id)
            return true;
    return false;
}

// used_on counts the cores of runs on a host, but for that of job, and of those that are gone.
static int64_t used_on(const ak_daemon *d, const ak_job *job, const ak_gone *gone, const char *name)
{
    int64_t cores = 0;

    for (size_t i = 0; i < d->jobs.count; i++) {
        const ak_run *run = d->jobs.at[i]->run;

        if (run && run->job != job && !is_gone(gone, run->job->id))
            cores += ak_hostlist_slots(&run->places, name) * run->job->spec.threads_per_shard;
    }
    return cores;
}

static void take_places(const ak_hosts *h, const int64_t *ranks, ak_hostlist *places)
{
    for (size_t i = 0; i < h->list.count; i++) {
        const char *name = h->list.at[i].name;

        if (ranks[i] && ak_hostlist_add(places, name, strlen(name), ranks[i]) < 0)
            return; // cannot be: the name was taken before
    }
}

bool ak_hosts_place(const ak_daemon *d, const ak_job *job, const ak_gone *gone, int64_t *ranks,
                    ak_hostlist *places)
{
    const ak_hosts *h = d->hosts;
    size_t count = h ? h->list.count : 0;
    int64_t *free_cores = ak_alloc(count + 1, sizeof *free_cores);
    int64_t *got = ak_alloc(count + 1, sizeof *got);
    int64_t threads = job->spec.threads_per_shard;
    int64_t slots = ak_hosts_slots(h, threads), need = threads < slots ? threads : slots;

    for (size_t i = 0; i < count; i++)
        free_cores[i] = is_usable(&h->at[i])
                            ? h->list.at[i].slots - used_on(d, job, gone, h->list.at[i].name)
                            : 0;
    while (need > 0 && *ranks > 0 &&
           ak_hostlist_place(free_cores, count, *ranks, need, got) < *ranks)
        *ranks /= 2;
    if (need > 0 && *ranks > 0)
        take_places(h, got, places);
    free(got);
    free(free_cores);
    return places->count > 0;
}

json_t *ak_hosts_rows(const ak_hosts *h)
{
    json_t *rows = json_array();

    for (size_t i = 0; h && i < h->list.count; i++) {
        const ak_host *host = &h->at[i];
        char *help = ak_path("%" PRId64 " slots, %s%s", host->row->slots,
                             host->up ? "answers" : "does not answer: ", host->up ? "" : host->why);

        json_array_append_new(rows, json_pack("{s:s, s:s, s:I, s:b}", "name", host->row->name,
                                              "help", help, "slots", (json_int_t)host->row->slots,
                                              "up", host->up));
        free(help);
    }
    return rows;
}
