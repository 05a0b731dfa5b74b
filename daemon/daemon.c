// daemon/daemon.c -- the program: what it owns, how it starts and ends.
//
//     start: loop, locks, store, jobs of the store, server, then jobs run
//     end:   signal -> runs are left, or commit and stop (30 s) -> server closes -> handles close
//     ->
//            loop ends

#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/elastic.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "daemon/hosts.h"
#include "daemon/http/http.h"
#include "daemon/lock.h"
#include "daemon/meter.h"
#include "daemon/restore.h"
#include "daemon/run.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { TICK_MS = 1000, CLOSE_MS = 1000, MAX_FILES = 16384 };

// ---- the end

static void on_server_closed(void *ctx)
{
    ak_daemon *d = ctx;

    d->server = NULL;
    ak_auth_close(d->auth);
    ak_checker_free(d->checker);
    ak_catalogue_free(d->catalogue);
    ak_hosts_close(d->hosts);
    d->hosts = NULL;
    d->checker = NULL;
    d->catalogue = NULL;
    ak_reaper_stop(&d->reaper);
    uv_close((uv_handle_t *)&d->term, NULL);
    uv_close((uv_handle_t *)&d->interrupt, NULL);
    uv_close((uv_handle_t *)&d->tick, NULL);
    uv_close((uv_handle_t *)&d->wake, NULL);
    uv_close((uv_handle_t *)&d->stop, NULL);
}

static void begin_close(ak_daemon *d)
{
    d->closing = true;
    uv_timer_stop(&d->stop);
    uv_timer_stop(&d->tick);
    ak_control_retry(d);
    ak_watches_free(d->watches);
    ak_tails_free(d->tails);
    ak_http_close(d->http);
    d->http = NULL;
    d->watches = NULL;
    d->tails = NULL;
    if (d->server)
        ak_server_close(d->server, CLOSE_MS, on_server_closed, d);
    else
        on_server_closed(d);
}

void ak_daemon_run_over(ak_daemon *d)
{
    if (!d->stopping)
        ak_control_schedule(d);
    else if (!d->runs && !d->closing)
        begin_close(d);
}

static void each_run(ak_daemon *d, void (*what)(ak_run *run))
{
    for (size_t i = 0; i < d->jobs.count; i++)
        if (d->jobs.at[i]->run)
            what(d->jobs.at[i]->run);
}

static void stop_run(ak_run *run)
{
    ak_run_stop(run, "akssld is stopping");
}

static void end_run(ak_run *run)
{
    if (!run->leaving) // it goes on, once the work that was begun for it is done
        ak_run_end(run, "akssld is stopping and had no commit in time");
}

static void on_stop_late(uv_timer_t *timer)
{
    each_run(timer->data, end_run);
}

static void on_signal(uv_signal_t *signal, int number)
{
    ak_daemon *d = signal->data;

    if (d->stopping) {
        if (d->ending)
            each_run(d, ak_run_kill);
        return;
    }
    d->stopping = true;
    d->ending = number == SIGINT || strcmp(d->config->on_term, "stop") == 0;
    ak_log_write(d->log, AK_LOG_INFO, "signal %d: stopping, %d runs %s", number, d->runs,
                 d->ending ? "commit first" : "are left");
    uv_timer_start(&d->stop, on_stop_late, AK_DAEMON_STOP_MS, 0);
    each_run(d, d->ending ? stop_run : ak_run_leave);
    if (!d->runs && !d->closing)
        begin_close(d);
}

// ---- the start

static void on_tick(uv_timer_t *timer)
{
    ak_daemon *d = timer->data;

    ak_control_retry(d);
    each_run(d, ak_run_follow);
    ak_meter_tick(d);
    ak_elastic_tick(d);
    ak_hosts_tick(d->hosts);
    ak_auth_end_expired(d->auth, ak_clock_wall_ms());
}

static ak_job *find_active(void *ctx, int64_t id)
{
    ak_daemon *d = ctx;

    return ak_jobs_find(&d->jobs, id);
}

static bool is_active(void *ctx, int64_t id)
{
    ak_job *job = find_active(ctx, id);

    return job && !ak_job_state_ended(job->state);
}

// More connections than the usual 1024 files allow, but no more than what programs that close
// every descriptor before exec (mpirun) do quickly.
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= MAX_FILES)
        return;
    limit.rlim_cur = limit.rlim_max < MAX_FILES ? limit.rlim_max : MAX_FILES;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static akssl_status init_loop(ak_daemon *d)
{
    int rc = uv_loop_init(&d->loop);

    if (rc < 0)
        return ak_fail(AKSSL_ERR_INTERNAL, "the event loop cannot be made: %s", uv_strerror(rc));
    uv_signal_init(&d->loop, &d->term);
    uv_signal_init(&d->loop, &d->interrupt);
    uv_timer_init(&d->loop, &d->tick);
    uv_timer_init(&d->loop, &d->wake);
    uv_timer_init(&d->loop, &d->stop);
    d->term.data = d->interrupt.data = d->tick.data = d->wake.data = d->stop.data = d;
    return AKSSL_OK;
}

// A socket elsewhere is locked on its own; one in the state folder is covered by the folder's.
static akssl_status lock_socket(ak_daemon *d)
{
    const ak_config *config = d->config;
    size_t length = strlen(config->state_dir);
    char *lock, *what;
    akssl_status rc = ak_lock_socket(config->socket);

    if (rc < 0 || (strncmp(config->socket, config->state_dir, length) == 0 &&
                   strchr(config->socket + length, '/') == config->socket + length))
        return rc;
    lock = ak_path("%s.lock", config->socket);
    what = ak_path("socket '%s'", config->socket);
    rc = ak_lock_take(&d->socket_lock, lock, what);
    free(lock);
    free(what);
    return rc;
}

static akssl_status take_locks(ak_daemon *d)
{
    const ak_config *config = d->config;
    char *lock = ak_path("%s/lock", config->state_dir);
    char *what = ak_path("state folder '%s'", config->state_dir);
    akssl_status rc = ak_lock_take(&d->lock, lock, what);

    free(lock);
    free(what);
    return rc < 0 ? rc : lock_socket(d);
}

static akssl_status open_store(ak_daemon *d)
{
    char *jobs = ak_path("%s/jobs", d->config->state_dir);
    char *path = ak_path("%s/akssld.db", d->config->state_dir);
    char *mark = ak_path("%s/" AK_RESTORE_MARK, d->config->state_dir);
    akssl_status rc = ak_files_make(jobs);

    if (rc == AKSSL_OK && access(mark, F_OK) == 0)
        rc = ak_fail(
            AKSSL_ERR_STATE,
            "state folder '%s' holds a restore that did not end: repeat it with --restore, or "
            "empty the folder",
            d->config->state_dir);
    free(mark);
    if (rc == AKSSL_OK)
        rc = ak_store_open(&d->store, path);
    free(path);
    free(jobs);
    return rc;
}

// Everybody whom the file system lets through may connect once the mode says so.
static akssl_status open_socket(ak_daemon *d)
{
    const ak_config *config = d->config;

    if (config->socket_mode != 0600 && chmod(config->socket, (mode_t)config->socket_mode) < 0)
        return ak_fail_errno(errno, "socket '%s': --socket-mode", config->socket);
    return AKSSL_OK;
}

static akssl_status open_doors(ak_daemon *d)
{
    const ak_config *config = d->config;
    const ak_tls tls = { config->client_ca, config->tls_cert, config->tls_key, false };
    bool plain = config->listen_insecure_plaintext[0] != '\0';
    const char *listen = plain ? config->listen_insecure_plaintext : config->listen;
    akssl_status rc = open_socket(d);

    if (rc < 0 || !listen[0])
        return rc;
    rc = ak_server_listen(d->server, listen, plain ? NULL : &tls);
    if (rc < 0)
        return ak_wrap(rc, plain ? "--listen-insecure-plaintext" : "--listen");
    ak_log_write(d->log, AK_LOG_INFO, "serves '%s', port %d, %s", listen, ak_server_port(d->server),
                 plain                  ? "without TLS"
                 : config->client_ca[0] ? "with TLS, to those who show a certificate"
                                        : "with TLS");
    if (plain)
        ak_log_write(d->log, AK_LOG_WARN,
                     "NO TLS on '%s': whoever sees the network can read tokens and use them",
                     listen);
    return AKSSL_OK;
}

static akssl_status open_all(ak_daemon *d)
{
    akssl_status rc = ak_reaper_start(&d->reaper, &d->loop);

    d->watches = ak_watches_new(&d->loop, d->config->state_dir, find_active, d);
    d->tails = ak_tails_new(&d->loop, is_active, d);
    d->audit = ak_audit_new(d->config->state_dir, d->log);
    if (rc == AKSSL_OK)
        rc = take_locks(d);
    if (rc == AKSSL_OK)
        rc = open_store(d);
    if (rc == AKSSL_OK)
        d->auth = ak_auth_new(d->store, d->config->rate, &d->loop, ak_handler_entered, d);
    if (rc == AKSSL_OK)
        rc = ak_meter_open(d);
    if (rc == AKSSL_OK)
        rc = ak_checker_new(&d->checker, &d->loop, d->config);
    if (rc == AKSSL_OK)
        rc = ak_hosts_open(&d->hosts, d);
    if (rc == AKSSL_OK)
        rc = ak_control_recover(d);
    if (rc == AKSSL_OK)
        rc = ak_server_open(&d->server, &d->loop, d->config->socket, ak_handler_events(), d);
    if (rc == AKSSL_OK)
        rc = open_doors(d);
    if (rc < 0)
        return rc;
    rc = ak_http_open(&d->http, d);
    if (rc < 0)
        return rc;
    d->catalogue = ak_catalogue_new(d);
    uv_signal_start(&d->term, on_signal, SIGTERM);
    uv_signal_start(&d->interrupt, on_signal, SIGINT);
    uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
    ak_log_write(d->log, AK_LOG_INFO, "%s serves '%s' with %" PRId64 " cores, state in '%s'",
                 AKSSL_VERSION, d->config->socket, d->config->slots, d->config->state_dir);
    ak_control_schedule(d);
    return AKSSL_OK;
}

static void release(ak_daemon *d)
{
    ak_jobs_fini(&d->jobs);
    ak_meter_close(d);
    ak_auth_free(d->auth);
    ak_audit_free(d->audit);
    ak_store_close(d->store);
    if (d->socket_lock >= 0)
        close(d->socket_lock);
    if (d->lock >= 0)
        close(d->lock);
}

akssl_status ak_daemon_run(const ak_config *config, const ak_log *log)
{
    ak_daemon d = { .config = config, .log = log, .lock = -1, .socket_lock = -1 };
    char *sentence = NULL;
    akssl_status rc;

    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    rc = init_loop(&d);
    if (rc < 0)
        return rc;
    rc = open_all(&d);
    if (rc < 0) {
        sentence = ak_path("%s", ak_error_text());
        d.stopping = true;
        each_run(&d, ak_run_leave);
        if (!d.runs && !d.closing)
            begin_close(&d);
    }
    uv_run(&d.loop, UV_RUN_DEFAULT);
    uv_loop_close(&d.loop);
    release(&d);
    if (sentence)
        (void)ak_fail(rc, "%s", sentence);
    else
        ak_log_write(log, AK_LOG_INFO, "stopped");
    free(sentence);
    return rc;
}
