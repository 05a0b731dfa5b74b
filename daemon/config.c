// daemon/config.c -- the command line of akssld.

#include "daemon/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/files.h"
#include "daemon/http/http.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/option.h"
#include "proto/rpc/address.h"

static const ak_option table[] = {
    AK_OPTION_STRING(ak_config, state_dir, "", NULL,
                     "folder of jobs and database; made if missing"),
    AK_OPTION_STRING(ak_config, socket, "", NULL,
                     "unix socket to serve (default: akssld.sock there)"),
    AK_OPTION_INT(ak_config, slots, 0, 0, 65536, "cores to give to jobs (default 0: all)"),
    AK_OPTION_STRING(ak_config, log_level, "info", "error|warn|info|debug",
                     "what to log on stderr"),
    AK_OPTION_STRING(ak_config, worker, "", NULL,
                     "akssl-worker (default: beside akssld, else in PATH)"),
    AK_OPTION_STRING(ak_config, on_term, "leave", "leave|stop",
                     "what SIGTERM does to runs (SIGINT stops them)"),
    AK_OPTION_INT(ak_config, adopt_timeout, 60, 1, 86400,
                  "seconds that a run has to come back to akssld (default 60)"),
    AK_OPTION_INT(ak_config, orphan_timeout, 3600, 1, 31536000,
                  "seconds that a run goes on without akssld (default 3600)"),
    AK_OPTION_STRING(ak_config, listen, "", NULL, "HOST:PORT to serve with TLS, too"),
    AK_OPTION_STRING(ak_config, listen_insecure_plaintext, "", NULL,
                     "HOST:PORT to serve without TLS: whoever sees the network sees tokens"),
    AK_OPTION_STRING(ak_config, http, "", NULL,
                     "HOST:PORT for page and metrics: loopback, else with TLS and tokens"),
    AK_OPTION_STRING(ak_config, tls_cert, "", NULL,
                     "certificate to show (default: tls/server.crt in the state folder)"),
    AK_OPTION_STRING(ak_config, tls_key, "", NULL, "its key (default: tls/server.key there)"),
    AK_OPTION_STRING(ak_config, client_ca, "", NULL,
                     "ask callers on TCP for a certificate that this CA has signed"),
    AK_OPTION_INT(ak_config, socket_mode, 600, 0, 777,
                  "permissions of the socket: 660 its group, 666 everybody (default 600)"),
    AK_OPTION_INT(ak_config, rate, 100, 1, 1000000,
                  "calls a second that each person may make (default 100)"),
    AK_OPTION_STRING(ak_config, uplink, "", NULL,
                     "address by which ranks find akssld (default: the socket)"),
    AK_OPTION_STRING(ak_config, uplink_ca, "", NULL,
                     "CA that ranks trust (default: tls/ca.crt in the state folder)"),
    AK_OPTION_STRING(ak_config, uplink_cert, "", NULL,
                     "certificate that ranks show (default: tls/worker.crt there)"),
    AK_OPTION_STRING(ak_config, uplink_key, "", NULL, "its key (default: tls/worker.key there)"),
    AK_OPTION_STRING(ak_config, data_root, "", NULL,
                     "folder that jobs may read data and weights from; may be repeated"),
    AK_OPTION_STRING(ak_config, host, "", NULL,
                     "for --init-tls: a name or address of this host; may be repeated"),
    AK_OPTION_STRING(ak_config, client, "", NULL,
                     "for --init-tls: make a caller's certificate of this name"),
    AK_OPTION_STRING(ak_config, restore, "", NULL,
                     "make the state folder, which is empty, of this backup, and end"),
    AK_OPTION_INT(ak_config, fair_share_half_life, 604800, 60, 315360000,
                  "seconds in which use of cores loses half its weight (default 604800)"),
    AK_OPTION_BOOL(ak_config, deny_code, true,
                   "whether akssld denies itself to make code in memory (default true; false for "
                   "valgrind)"),
    AK_OPTION_BOOL(ak_config, preempt, true,
                   "whether runs make way for jobs of a higher priority (default true)"),
    AK_OPTION_STRING(ak_config, launcher, "", "|local|hosts|slurm",
                     "of jobs that name none (default: hosts or slurm where set up, else local)"),
    AK_OPTION_STRING(ak_config, hosts, "", NULL,
                     "hosts for jobs: NAME:SLOTS,... or a file (with a / in its name) of them"),
    AK_OPTION_STRING(ak_config, host_agent, "ssh -x -o BatchMode=yes", NULL,
                     "how they are reached: AGENT HOST COMMAND (default ssh)"),
    AK_OPTION_INT(ak_config, host_timeout, 60, 2, 86400,
                  "seconds without an answer after which a host is left out (default 60)"),
    AK_OPTION_INT(ak_config, slurm_slots, 0, 0, 1048576,
                  "cores that jobs may have of Slurm at once (default 0: none)"),
    AK_OPTION_STRING(ak_config, slurm_options, "", NULL,
                     "more options of sbatch, as '-p cpu --account lab'"),
    AK_OPTION_END,
};

void ak_config_help(FILE *out)
{
    fprintf(out, "usage: akssld --state-dir DIR [--socket PATH] [--slots N] [--log-level LEVEL] "
                 "[--worker PATH]\n              [--on-term leave|stop] [--adopt-timeout S] "
                 "[--orphan-timeout S]\n              [--listen HOST:PORT] [--http HOST:PORT] "
                 "[--data-root DIR]...\n              [--rate N] [--socket-mode MODE]\n"
                 "              [--fair-share-half-life S] [--preempt true|false]\n"
                 "              [--hosts LIST|FILE [--host-agent COMMAND] [--host-timeout S]]\n"
                 "              [--slurm-slots N [--slurm-options TEXT]] [--launcher NAME]\n"
                 "       akssld --state-dir DIR --init-tls [--host NAME]... [--client NAME]\n"
                 "       akssld --state-dir DIR --restore BACKUP\n"
                 "       akssld --help | --version\n\n");
    for (const ak_option *row = table; row->name; row++) {
        char flag[48];

        snprintf(flag, sizeof flag, "--%s", row->name);
        for (char *c = flag; *c; c++)
            if (*c == '_')
                *c = '-';
        fprintf(out, "  %-28s %s%s%s\n", flag, row->help, row->choices ? ": " : "",
                row->choices ? row->choices : "");
    }
}

// set adds to a flag that may be repeated, and replaces any other.
static akssl_status set(ak_config *config, const char *name, const char *value)
{
    static const char *const repeated[] = { "data_root", "host" };
    const ak_option *row = ak_option_find(table, name);
    char **field = (char **)(void *)((char *)config + row->offset);
    bool adds = false;
    akssl_status rc;
    char *all;

    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++)
        adds |= strcmp(row->name, repeated[i]) == 0 && (*field)[0];
    if (strchr(value, '\n'))
        return ak_fail(AKSSL_ERR_INVALID, "give one line");
    all = adds ? ak_path("%s\n%s", *field, value) : ak_path("%s", value);
    rc = ak_option_set(table, config, name, all);
    free(all);
    return rc;
}

static akssl_status parse_flag(ak_config *config, int argc, char **argv, int *i)
{
    const char *flag = argv[*i] + 2;
    const char *value = strchr(flag, '=');
    char name[48];
    akssl_status rc;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(flag, "="), flag);
    if (!ak_option_find(table, name))
        return ak_fail(AKSSL_ERR_NOT_FOUND, "no flag '--%s': see akssld --help", name);
    if (value)
        value++;
    else if (*i + 1 < argc)
        value = argv[++*i];
    else
        return ak_fail(AKSSL_ERR_INVALID, "--%s needs a value: see akssld --help", name);
    rc = set(config, name, value);
    return rc < 0 ? ak_wrap(rc, "--%s", name) : AKSSL_OK;
}

akssl_status ak_config_parse(ak_config *config, int argc, char **argv)
{
    akssl_status rc;

    memset(config, 0, sizeof *config);
    ak_option_defaults(table, config);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            config->help = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            config->version = true;
        } else if (strcmp(argv[i], "--init-tls") == 0) {
            config->init_tls = true;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            rc = parse_flag(config, argc, argv, &i);
            if (rc < 0)
                return rc;
        } else {
            return ak_fail(AKSSL_ERR_INVALID, "'%s' is no flag: see akssld --help", argv[i]);
        }
    }
    if (!config->help && !config->version && !config->state_dir[0])
        return ak_fail(AKSSL_ERR_INVALID, "--state-dir DIR is missing: see akssld --help");
    return AKSSL_OK;
}

static void take(char **field, char *value)
{
    free(*field);
    *field = value;
}

static akssl_status make_absolute(char **field)
{
    char *path = realpath(*field, NULL);

    if (!path)
        return ak_fail_errno(errno, "'%s'", *field);
    take(field, path);
    return AKSSL_OK;
}

static akssl_status settle_socket(ak_config *config)
{
    struct sockaddr_un address;

    if (!config->socket[0]) {
        take(&config->socket, ak_path("%s/akssld.sock", config->state_dir));
    } else if (config->socket[0] != '/') {
        char *here = getcwd(NULL, 0);

        if (!here)
            return ak_fail_errno(errno, "socket '%s': the current folder", config->socket);
        take(&config->socket, ak_path("%s/%s", here, config->socket));
        free(here);
    }
    if (strlen(config->socket) >= sizeof address.sun_path)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "socket path '%s' has %zu bytes, a unix socket's has at most %zu: give a "
                       "shorter one with --socket",
                       config->socket, strlen(config->socket), sizeof address.sun_path - 1);
    return AKSSL_OK;
}

static akssl_status settle_worker(ak_config *config)
{
    char *slash = strrchr(config->self, '/');
    char *found;

    if (config->worker[0]) {
        if (access(config->worker, X_OK) < 0)
            return ak_fail_errno(errno, "--worker '%s'", config->worker);
        return make_absolute(&config->worker);
    }
    found = ak_path("%.*s/akssl-worker", (int)(slash - config->self), config->self);
    if (access(found, X_OK) < 0)
        take(&found, ak_files_program("akssl-worker"));
    if (!found)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "akssl-worker is neither beside akssld nor in PATH: "
                                            "install it or give --worker PATH");
    take(&config->worker, found);
    return AKSSL_OK;
}

static akssl_status settle_tls(ak_config *config)
{
    if (config->listen[0] && config->listen_insecure_plaintext[0])
        return ak_fail(AKSSL_ERR_INVALID,
                       "--listen and --listen-insecure-plaintext: give one of them");
    if (!config->tls_cert[0])
        take(&config->tls_cert, ak_path("%s/tls/server.crt", config->state_dir));
    if (!config->tls_key[0])
        take(&config->tls_key, ak_path("%s/tls/server.key", config->state_dir));
    if (config->listen[0] && access(config->tls_cert, R_OK) < 0)
        return ak_fail_errno(errno,
                             "--listen: certificate '%s' (akssld --state-dir '%s' --init-tls makes "
                             "one)",
                             config->tls_cert, config->state_dir);
    if (config->http[0] && !ak_http_is_loopback(config->http) && access(config->tls_cert, R_OK) < 0)
        return ak_fail_errno(errno,
                             "--http: beyond loopback it is served with TLS: certificate '%s' "
                             "(akssld --state-dir '%s' --init-tls makes one)",
                             config->tls_cert, config->state_dir);
    return AKSSL_OK;
}

// What is there in the state folder need not be named.
static void settle_file(const ak_config *config, char **field, const char *name)
{
    char *path = ak_path("%s/tls/%s", config->state_dir, name);

    if (!(*field)[0] && access(path, R_OK) == 0)
        take(field, path);
    else
        free(path);
}

static akssl_status settle_uplink(ak_config *config)
{
    if (!config->uplink[0])
        take(&config->uplink, ak_path("unix:%s", config->socket));
    if (ak_address_kind_of(config->uplink, NULL) != AK_ADDRESS_TLS)
        return AKSSL_OK;
    settle_file(config, &config->uplink_ca, "ca.crt");
    settle_file(config, &config->uplink_cert, "worker.crt");
    settle_file(config, &config->uplink_key, "worker.key");
    if (config->client_ca[0] && !config->uplink_cert[0])
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "--client-ca asks for certificates, and ranks have none for --uplink: make "
                       "one with `akssld --state-dir '%s' --init-tls --client worker`",
                       config->state_dir);
    return AKSSL_OK;
}

static akssl_status settle_roots(ak_config *config)
{
    ak_str all = AK_STR_INIT;
    const char *at = config->data_root;

    while (*at) {
        size_t length = strcspn(at, "\n");
        char *given = ak_path("%.*s", (int)length, at), *real = realpath(given, NULL);
        akssl_status rc = real ? AKSSL_OK : ak_fail_errno(errno, "--data-root '%s'", given);

        free(given);
        if (rc < 0) {
            ak_str_fini(&all);
            return rc;
        }
        ak_str_format(&all, "%s%s", all.length ? "\n" : "", real);
        free(real);
        at += length + (at[length] == '\n');
    }
    take(&config->data_root, ak_str_take(&all));
    return AKSSL_OK;
}

// Octal digits were read as decimal ones.
static akssl_status settle_mode(ak_config *config)
{
    int64_t digits = config->socket_mode;

    if (digits % 10 > 7 || digits / 10 % 10 > 7)
        return ak_fail(AKSSL_ERR_INVALID, "--socket-mode: give three digits from 0 to 7");
    config->socket_mode = digits / 100 * 64 + digits / 10 % 10 * 8 + digits % 10;
    return AKSSL_OK;
}

// Jobs go where there is something set up for them, unless --launcher says otherwise.
static void settle_launcher(ak_config *config)
{
    const char *job = getenv("SLURM_JOB_ID");

    config->allocated = job && job[0] && !config->hosts[0] &&
                        (!config->launcher[0] || strcmp(config->launcher, "hosts") == 0);
    if (!config->launcher[0])
        take(&config->launcher, ak_path("%s", config->hosts[0] || config->allocated ? "hosts"
                                              : config->slurm_slots                 ? "slurm"
                                                                                    : "local"));
}

akssl_status ak_config_settle(ak_config *config)
{
    akssl_status rc;

    rc = ak_files_make(config->state_dir);
    if (rc < 0)
        return ak_wrap(rc, "state folder");
    rc = make_absolute(&config->state_dir);
    if (rc < 0)
        return rc;
    rc = settle_socket(config);
    if (rc < 0)
        return rc;
    rc = settle_tls(config);
    if (rc == AKSSL_OK)
        rc = settle_uplink(config);
    if (rc == AKSSL_OK)
        rc = settle_roots(config);
    if (rc == AKSSL_OK)
        rc = settle_mode(config);
    if (rc < 0)
        return rc;
    settle_launcher(config);
    if (!config->slots)
        config->slots = uv_available_parallelism();
    config->self = realpath("/proc/self/exe", NULL);
    if (!config->self)
        return ak_fail_errno(errno, "/proc/self/exe");
    return settle_worker(config);
}

void ak_config_fini(ak_config *config)
{
    if (!config)
        return;
    ak_option_fini(table, config);
    free(config->self);
    config->self = NULL;
}
