// tests/fuzz/lab.c -- a whole akssld, without gRPC and without processes.
//
// What is defined here stands before the libraries' own definition of the same name: the link has
// -z muldefs.

#include "tests/fuzz/lab.h"

#include <stdarg.h>
#include <sys/stat.h>

#include "daemon/checker.h"
#include "daemon/elastic.h"
#include "daemon/files.h"
#include "daemon/meter.h"
#include "daemon/thread.h"
#include "daemon/tool.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

static lab *the_lab; // whose processes, tools and work these are

// ---- work: done when lab_settle says so, on this thread

typedef struct lab_work {
    struct lab_work *next;
    ak_work_run run;
    ak_work_done done;
    void *ctx;
} lab_work;

void ak_work_start(uv_loop_t *loop, ak_work_run run, ak_work_done done, void *ctx)
{
    lab_work *work = ak_alloc(1, sizeof *work), **last = &the_lab->works;

    (void)loop;
    *work = (lab_work){ NULL, run, done, ctx };
    while (*last)
        last = &(*last)->next;
    *last = work;
}

static bool do_work(lab *l)
{
    lab_work *work = l->works;
    char error[1024] = "";
    akssl_status rc;

    if (!work)
        return false;
    l->works = work->next;
    rc = work->run(work->ctx);
    if (rc < 0)
        snprintf(error, sizeof error, "%s", ak_error_text());
    work->done(work->ctx, rc, error);
    free(work);
    return true;
}

// ---- threads that nobody waits for: done at once, told when the loop runs

akssl_status ak_thread_start(void *(*run)(void *ctx), void *ctx)
{
    run(ctx);
    return AKSSL_OK;
}

// ---- tools

struct ak_tool {
    struct ak_tool *next;
    ak_tool_done done;
    void *ctx;
    char *spec; // the file of a check, NULL for the catalogue
};

akssl_status ak_tool_start(ak_tool **out, uv_loop_t *loop, char *const argv[], uint64_t timeout_ms,
                           ak_tool_done done, void *ctx)
{
    ak_tool *tool = ak_alloc(1, sizeof *tool), **last = &the_lab->tools;

    (void)loop;
    (void)timeout_ms;
    tool->done = done;
    tool->ctx = ctx;
    for (int i = 0; argv[i]; i++)
        if (strcmp(argv[i], "--spec") == 0)
            tool->spec = ak_strdup(argv[i + 1]);
    while (*last)
        last = &(*last)->next;
    *last = tool;
    *out = tool;
    return AKSSL_OK;
}

static void tool_free(ak_tool *tool)
{
    ak_tool **at = &the_lab->tools;

    while (*at != tool)
        at = &(*at)->next;
    *at = tool->next;
    free(tool->spec);
    free(tool);
}

void ak_tool_cancel(ak_tool *tool)
{
    if (tool)
        tool_free(tool);
}

// The first byte says how it ended; the rest is what it printed, up to a NUL on stdout and then on
// stderr.  Without a body a check prints the spec that it was given.
static void answer(lab *l, ak_tool *tool, fuzz_bytes body)
{
    ak_tool_result result = { .out = AK_STR_INIT, .err = AK_STR_INIT };
    const uint8_t *cut;
    uint64_t how;

    if (!body.left && tool->spec && ak_files_read(tool->spec, 1 << 20, &result.out) < 0)
        ak_str_clear(&result.out);
    how = fuzz_number(&body, 1);
    result.exit_code = how & 1;
    result.signal = how & 2 ? 9 : 0;
    result.timed_out = how & 4;
    result.overflowed = how & 8;
    cut = body.left ? memchr(body.at, 0, body.left) : NULL;
    if (cut) {
        fuzz_bytes out = fuzz_take(&body, (size_t)(cut - body.at));

        ak_str_append_n(&result.out, out.at, out.left);
        fuzz_take(&body, 1);
        ak_str_append_n(&result.err, body.at, body.left);
    } else {
        ak_str_append_n(&result.out, body.at, body.left);
    }
    tool->done(tool->ctx, &result);
    for (ak_tool *other = l->tools; other; other = other->next)
        if (other == tool) {
            tool_free(tool);
            break;
        }
    ak_str_fini(&result.out);
    ak_str_fini(&result.err);
}

void lab_tool_answers(lab *l, fuzz_bytes body)
{
    if (l->tools)
        answer(l, l->tools, body);
}

// ---- processes: a run is its guard, which may outlive the daemon

typedef struct lab_process {
    struct lab_process *next;
    uv_process_t *handle; // NULL: its daemon is gone
    uv_exit_cb exited;
    char run[64];
    char *exit_file;
} lab_process;

static lab_process *processes;

// The handle becomes one of a smaller kind, which closes as any does.
int uv_spawn(uv_loop_t *loop, uv_process_t *handle, const uv_process_options_t *options)
{
    lab_process *process = ak_alloc(1, sizeof *process);

    _Static_assert(sizeof(uv_idle_t) <= sizeof(uv_process_t), "no room for it");
    uv_idle_init(loop, (uv_idle_t *)handle);
    handle->pid = 0;
    *process = (lab_process){ .next = processes, .handle = handle, .exited = options->exit_cb };
    for (char **at = options->env; *at; at++)
        if (strncmp(*at, "AKSSL_RUN=", 10) == 0)
            snprintf(process->run, sizeof process->run, "%s", *at + 10);
    FUZZ_CHECK(process->run[0] && strcmp(options->args[1], "--guard") == 0);
    process->exit_file = ak_strdup(options->args[2]);
    processes = process;
    return 0;
}

static void process_end(lab_process *process, int code, int signal)
{
    lab_process **at = &processes;
    char text[64];

    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    snprintf(text, sizeof text, "code %d signal %d\n", code, signal);
    if (ak_files_write(process->exit_file, text, strlen(text)) < 0)
        FUZZ_CHECK(ak_error_text()[0]); // the job's folder is gone
    if (process->handle)
        process->exited(process->handle, code, signal);
    free(process->exit_file);
    free(process);
}

int uv_process_kill(uv_process_t *handle, int signal)
{
    (void)handle;
    (void)signal; // an input, or the end of it, says when it takes effect
    return 0;
}

// A run whose daemon is gone dies at once.
int ak_process_signal(const char *mark, int signal)
{
    lab_process *next;
    int count = 0;

    for (lab_process *at = processes; at; at = next) {
        next = at->next;
        if (strcmp(at->run, mark) != 0)
            continue;
        count++;
        if (signal == SIGKILL && !at->handle)
            process_end(at, 0, signal);
    }
    return count;
}

int ak_process_signal_guard(const char *mark, int signal)
{
    return ak_process_signal(mark, signal);
}

int ak_process_end_marked(const char *mark, int64_t grace_ms)
{
    (void)grace_ms;
    return ak_process_signal(mark, SIGKILL);
}

void lab_process_ends(lab *l, int code, int signal)
{
    (void)l;
    if (processes)
        process_end(processes, code, signal);
}

// ---- the log: made, and not written

void ak_log_write(const ak_log *log, ak_log_level level, const char *format, ...)
{
    char *line = NULL;
    va_list args;

    (void)log;
    (void)level;
    va_start(args, format);
    FUZZ_CHECK(vasprintf(&line, format, args) >= 0);
    va_end(args);
    free(line);
}

// ---- calls

struct ak_call {
    ak_call *next;
    ak_rpc_id rpc;
    void *user, *who;
    char secret[128];
    bool answered, full;
};

ak_rpc_id ak_call_rpc(const ak_call *call)
{
    return call->rpc;
}

uid_t ak_call_uid(const ak_call *call)
{
    (void)call;
    return 0;
}

const char *ak_call_token(const ak_call *call)
{
    (void)call;
    return "";
}

const char *ak_call_peer(const ak_call *call)
{
    (void)call;
    return "";
}

const char *ak_call_peer_name(const ak_call *call)
{
    (void)call;
    return "";
}

void ak_call_vouch(ak_call *call)
{
    (void)call;
}

void ak_call_set_caller(ak_call *call, void *who)
{
    call->who = who;
}

void *ak_call_caller(const ak_call *call)
{
    return call->who;
}

akssl_status ak_call_outcome(const ak_call *call)
{
    (void)call;
    return AKSSL_OK;
}

const char *ak_call_secret(const ak_call *call)
{
    return call->secret;
}

void ak_call_set_user(ak_call *call, void *user)
{
    call->user = user;
}

void *ak_call_user(const ak_call *call)
{
    return call->user;
}

// What is sent must be a message that a receiver can read.
static void check_message(const ak_call *call, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = ak_alloc(size, 1);
    ProtobufCMessage *copy;

    FUZZ_CHECK(message->descriptor == ak_rpc_find(call->rpc)->reply);
    FUZZ_CHECK(protobuf_c_message_pack(message, bytes) == size);
    copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    FUZZ_CHECK(copy);
    protobuf_c_message_free_unpacked(copy, NULL);
    free(bytes);
}

void ak_call_reply(ak_call *call, const ProtobufCMessage *message)
{
    FUZZ_CHECK(ak_rpc_find(call->rpc)->kind == AK_RPC_UNARY);
    FUZZ_CHECK(!call->answered);
    check_message(call, message);
    call->answered = true;
}

bool ak_call_send(ak_call *call, const ProtobufCMessage *message)
{
    FUZZ_CHECK(ak_rpc_find(call->rpc)->kind != AK_RPC_UNARY);
    if (call->answered)
        return false;
    check_message(call, message);
    call->full = the_lab->full;
    return call->full;
}

size_t ak_call_waiting(const ak_call *call)
{
    (void)call;
    return 0;
}

void ak_call_finish(ak_call *call)
{
    FUZZ_CHECK(ak_rpc_find(call->rpc)->kind != AK_RPC_UNARY);
    call->answered = true;
}

void ak_call_fail(ak_call *call, akssl_status status, const char *sentence)
{
    FUZZ_CHECK(status < 0 && sentence && sentence[0]);
    call->answered = true;
}

akssl_status ak_server_open(ak_server **out, uv_loop_t *loop, const char *path,
                            const ak_server_events *events, void *ctx)
{
    (void)out;
    (void)loop;
    (void)path;
    (void)events;
    (void)ctx;
    abort(); // the lab has none
}

void ak_server_close(ak_server *server, uint64_t grace_ms, void (*closed)(void *ctx), void *ctx)
{
    (void)server;
    (void)grace_ms;
    (void)closed;
    (void)ctx;
    abort();
}

static bool is_there(const lab *l, const ak_call *call)
{
    for (const ak_call *at = l->calls; at; at = at->next)
        if (at == call)
            return true;
    return false;
}

static void end(lab *l, ak_call *call, bool cancelled)
{
    ak_call **at = &l->calls;

    ak_handler_events()->ended(&l->d, call, cancelled);
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    free(call);
}

static void end_answered(lab *l)
{
    ak_call *call = l->calls;

    while (call) {
        if (!call->answered) {
            call = call->next;
            continue;
        }
        end(l, call, false);
        call = l->calls; // the end of one may have answered others
    }
}

ak_call *lab_call(lab *l, ak_rpc_id rpc, const ProtobufCMessage *request, const char *secret)
{
    ak_call *call = ak_alloc(1, sizeof *call);

    call->rpc = rpc;
    snprintf(call->secret, sizeof call->secret, "%s", secret);
    call->next = l->calls;
    l->calls = call;
    ak_handler_events()->started(&l->d, call, rpc, request);
    uv_run(&l->d.loop, UV_RUN_NOWAIT); // a spec's paths are looked at
    end_answered(l);
    return is_there(l, call) ? call : NULL;
}

ak_call *lab_find(lab *l, ak_rpc_id rpc)
{
    for (ak_call *call = l->calls; call; call = call->next)
        if (call->rpc == rpc)
            return call;
    return NULL;
}

void lab_receive(lab *l, ak_call *call, const ProtobufCMessage *message)
{
    ak_handler_events()->received(&l->d, call, message);
    end_answered(l);
}

void lab_hang_up(lab *l, ak_call *call)
{
    end(l, call, true);
    end_answered(l);
}

void lab_drain(lab *l)
{
    l->full = false;
    for (ak_call *call = l->calls; call; call = call->next)
        if (call->full && !call->answered) {
            call->full = false;
            ak_handler_events()->drained(&l->d, call);
        }
    end_answered(l);
}

// ---- the daemon

const char *lab_folder(void)
{
    static char path[300];

    snprintf(path, sizeof path, "%s/state", fuzz_folder());
    return path;
}

const char *lab_database(void)
{
    static char path[320];

    snprintf(path, sizeof path, "%s/akssld.db", lab_folder());
    return path;
}

void lab_clear(void)
{
    mkdir(lab_folder(), 0700);
    fuzz_empty(lab_folder());
}

// Made once and then copied, which is ten times as fast.
void lab_new_database(void)
{
    static ak_str empty = AK_STR_INIT;
    ak_store *store;

    if (!empty.length) {
        FUZZ_CHECK(ak_store_open(&store, lab_database()) == AKSSL_OK);
        ak_store_close(store);
        FUZZ_CHECK(ak_files_read(lab_database(), 1 << 20, &empty) == AKSSL_OK);
        return;
    }
    fuzz_write(lab_database(), empty.text, empty.length);
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

static void init_handles(ak_daemon *d)
{
    FUZZ_CHECK(uv_loop_init(&d->loop) == 0);
    uv_timer_init(&d->loop, &d->tick);
    uv_timer_init(&d->loop, &d->wake);
    uv_timer_init(&d->loop, &d->stop);
    d->tick.data = d->wake.data = d->stop.data = d;
}

static void close_handles(ak_daemon *d)
{
    uv_close((uv_handle_t *)&d->tick, NULL);
    uv_close((uv_handle_t *)&d->wake, NULL);
    uv_close((uv_handle_t *)&d->stop, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    FUZZ_CHECK(uv_loop_close(&d->loop) == 0);
}

bool lab_start(lab *l)
{
    ak_daemon *d = &l->d;
    char *jobs = ak_path("%s/jobs", lab_folder());

    memset(l, 0, sizeof *l);
    the_lab = l;
    l->log = (ak_log){ "akssld", AK_LOG_ERROR };
    l->config = (ak_config){ .state_dir = (char *)lab_folder(),
                             .socket = (char *)"/nonexistent",
                             .uplink = (char *)"unix:/nonexistent",
                             .data_root = (char *)"",
                             .rate = 1000000,
                             .worker = (char *)"/nonexistent",
                             .log_level = (char *)"error",
                             .on_term = (char *)"leave",
                             .slots = LAB_SLOTS,
                             .fair_share_half_life = 1209600,
                             .adopt_timeout = 60,
                             .orphan_timeout = 60,
                             .self = (char *)"/nonexistent" };
    d->config = &l->config;
    d->log = &l->log;
    d->lock = d->socket_lock = -1;
    FUZZ_CHECK(ak_files_make(jobs) == AKSSL_OK);
    free(jobs);
    init_handles(d);
    if (ak_store_open(&d->store, lab_database()) < 0) {
        close_handles(d);
        return false;
    }
    d->watches = ak_watches_new(&d->loop, d->config->state_dir, find_active, d);
    d->tails = ak_tails_new(&d->loop, is_active, d);
    d->audit = ak_audit_new(lab_folder(), d->log);
    d->auth = ak_auth_new(d->store, d->config->rate, &d->loop, ak_handler_entered, d);
    FUZZ_CHECK(ak_checker_new(&d->checker, &d->loop, d->config) == AKSSL_OK);
    d->catalogue = ak_catalogue_new(d);
    if (ak_meter_open(d) < 0 || ak_control_recover(d) < 0) {
        lab_stop(l);
        return false;
    }
    ak_control_schedule(d);
    return true;
}

typedef struct running {
    const lab *l;
    lab_timer timers[LAB_TIMERS];
    int count;
} running;

static void on_timer(uv_handle_t *handle, void *self)
{
    running *now = self;
    uv_timer_t *timer = (uv_timer_t *)handle;
    lab_timer *found = &now->timers[now->count];

    if (handle->type != UV_TIMER || !uv_is_active(handle) || uv_is_closing(handle))
        return;
    FUZZ_CHECK(now->count < LAB_TIMERS);
    now->count++;
    *found = (lab_timer){ timer, timer->start_id, now->l->now_ms + uv_timer_get_due_in(timer) };
    for (int i = 0; i < now->l->timer_count; i++)
        if (now->l->timers[i].timer == timer && now->l->timers[i].start == timer->start_id)
            *found = now->l->timers[i];
}

// Without a clock of its own, a timer that starts again and again would keep the longer ones from
// ever being due.
void lab_time_passes(lab *l)
{
    running now = { .l = l };
    const lab_timer *next = now.timers;
    uv_timer_cb callback;
    uint64_t repeat;

    ak_control_retry(&l->d);
    ak_elastic_tick(&l->d);
    uv_walk(&l->d.loop, on_timer, &now);
    if (now.count == 0)
        return;
    for (int i = 1; i < now.count; i++)
        if (now.timers[i].due_ms < next->due_ms)
            next = &now.timers[i];
    memcpy(l->timers, now.timers, sizeof l->timers);
    l->timer_count = now.count;
    l->now_ms = next->due_ms > l->now_ms ? next->due_ms : l->now_ms;
    callback = next->timer->timer_cb;
    repeat = uv_timer_get_repeat(next->timer);
    uv_timer_stop(next->timer);
    if (repeat)
        uv_timer_start(next->timer, callback, repeat, repeat);
    callback(next->timer);
    end_answered(l);
}

void lab_settle(lab *l)
{
    for (int i = 0; i < 1000 && (do_work(l) || i == 0); i++) {
        end_answered(l);
        uv_run(&l->d.loop, UV_RUN_NOWAIT);
    }
    end_answered(l);
}

void lab_submit(lab *l, const ak_spec *spec)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    ak_tool *check = NULL;

    request.spec = ak_rpc_spec_encode(spec);
    lab_call(l, AK_RPC_submit, &request.base, "");
    akssl__v1__job_spec__free_unpacked(request.spec, NULL);
    for (ak_tool *tool = l->tools; tool; tool = tool->next)
        check = tool->spec ? tool : check;
    if (check)
        answer(l, check, (fuzz_bytes){ NULL, 0 });
    end_answered(l);
}

ak_run *lab_run(lab *l, int64_t id)
{
    ak_job *job = ak_jobs_find(&l->d.jobs, id);

    for (size_t i = 0; !(job && job->run) && i < l->d.jobs.count; i++)
        job = l->d.jobs.at[i];
    return job ? job->run : NULL;
}

// wait_for_runs goes on until none is left; what is killed ends here.
static void wait_for_runs(lab *l)
{
    for (int i = 0; l->d.runs || l->works; i++) {
        FUZZ_CHECK(i < 10000); // a run that does not end
        for (lab_process *at = processes, *next; at; at = next) {
            next = at->next;
            if (at->handle)
                process_end(at, 0, SIGKILL);
        }
        lab_settle(l);
        if (l->d.runs)
            lab_time_passes(l);
    }
}

static void each_run(lab *l, void (*what)(ak_run *run))
{
    for (size_t i = l->d.jobs.count; i-- > 0;)
        if (l->d.jobs.at[i]->run)
            what(l->d.jobs.at[i]->run);
}

// orphan takes its processes from a daemon that leaves them.
static void orphan(ak_run *run)
{
    for (lab_process *at = processes; at; at = at->next)
        if (run->phase < AK_RUN_ENDING && strcmp(at->run, run->id) == 0)
            at->handle = NULL;
}

static void end_daemon(lab *l)
{
    ak_daemon *d = &l->d;

    wait_for_runs(l);
    ak_watches_free(d->watches);
    ak_tails_free(d->tails);
    d->watches = NULL;
    d->tails = NULL;
    while (l->calls)
        end(l, l->calls, true);
    lab_settle(l); // what was asked by calls that have ended
    ak_auth_close(d->auth);
    ak_checker_free(d->checker);
    ak_catalogue_free(d->catalogue);
    FUZZ_CHECK(!l->tools && !l->works);
    close_handles(d);
    ak_jobs_fini(&d->jobs);
    ak_auth_free(d->auth);
    ak_audit_free(d->audit);
    d->auth = NULL;
    ak_meter_close(d);
    ak_store_close(d->store);
}

void lab_leave(lab *l)
{
    l->d.stopping = l->d.closing = true;
    each_run(l, orphan);
    each_run(l, ak_run_leave);
    end_daemon(l);
}

void lab_stop(lab *l)
{
    l->d.stopping = l->d.closing = l->d.ending = true;
    each_run(l, ak_run_kill);
    end_daemon(l);
    while (processes)
        process_end(processes, 0, SIGKILL);
}
