// tests/sim/uv.c -- the part of libuv that akssld uses, on the simulated world.
//
// A handle's first reserved word is its event (timers), its process or its tool; `flags` says
// whether it is active and closing.  akssld walks no handles here: no orphan is handed to it.

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/daemon.h"
#include "daemon/thread.h"
#include "tests/sim/oracle.h"
#include "tests/sim/procs.h"
#include "tests/sim/world.h"

enum { ACTIVE = 1, CLOSING = 2, SIGNALS = 8, DRAIN_EVENTS = 200000 };

static struct {
    uv_signal_t *at[SIGNALS];
    int count, closing;
} loop_of; // there is one loop

static sim_event **event_of(void *handle)
{
    return (sim_event **)&((uv_handle_t *)handle)->u.reserved[0];
}

static void init(uv_loop_t *loop, void *handle, uv_handle_type type)
{
    uv_handle_t *h = handle;

    h->loop = loop;
    h->type = type;
    h->flags = 0;
    memset(h->u.reserved, 0, sizeof h->u.reserved);
}

static void set_active(void *handle, bool active)
{
    uv_handle_t *h = handle;

    if (active == ((h->flags & ACTIVE) != 0))
        return;
    h->flags ^= ACTIVE;
    h->loop->active_handles += active ? 1 : UINT32_MAX; // minus one
}

// ---- the loop

int uv_loop_init(uv_loop_t *loop)
{
    memset(loop, 0, sizeof *loop);
    loop_of.count = loop_of.closing = 0;
    return 0;
}

int uv_loop_close(uv_loop_t *loop)
{
    (void)loop;
    return 0;
}

static bool is_alive(const uv_loop_t *loop)
{
    return loop->active_handles || loop->active_reqs.count || loop_of.closing;
}

// A process that is dead lets go of its memory by its own shutdown, at which it is asked twice, as
// by somebody in a hurry.  Nothing that it does reaches anything (sim.dead).
static void drain(uv_loop_t *loop)
{
    int64_t now = sim_here->now;
    int left = DRAIN_EVENTS;

    sim_here->in_daemon = true;
    sim_uv_signal(SIGINT);
    sim_uv_signal(SIGINT);
    sim_procs_farewell();
    while (is_alive(loop) && left-- && sim_step(1u << SIM_DAEMON, INT64_MAX))
        continue;
    if (is_alive(loop))
        sim_broken("the simulator cannot make a dead akssld let go of its memory");
    sim_here->now = now; // the time that it takes is nobody's
}

int uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    sim *s = sim_here;

    (void)mode;
    s->d = (ak_daemon *)((char *)loop - offsetof(ak_daemon, loop));
    while (is_alive(loop) && !s->dead) {
        if (!sim_step(1u << SIM_DAEMON | 1u << SIM_WORLD, s->plan.limit))
            sim_oracle_late();
        if (!s->dead)
            sim_oracle_look();
    }
    if (s->dead)
        drain(loop);
    s->d = NULL;
    s->in_daemon = true; // what is left of ak_daemon_run
    return 0;
}

const char *uv_strerror(int error)
{
    return strerror(-error);
}

unsigned uv_available_parallelism(void)
{
    return (unsigned)sim_here->slots;
}

uv_buf_t uv_buf_init(char *base, unsigned length)
{
    return (uv_buf_t){ .base = base, .len = length };
}

int uv_random(uv_loop_t *loop, uv_random_t *req, void *buf, size_t size, unsigned flags,
              uv_random_cb cb)
{
    unsigned char *bytes = buf;

    (void)loop, (void)req, (void)flags, (void)cb;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)sim_draw();
    return 0;
}

void uv_walk(uv_loop_t *loop, uv_walk_cb cb, void *ctx)
{
    (void)loop, (void)cb, (void)ctx;
}

// ---- handles

int uv_is_active(const uv_handle_t *handle)
{
    return (handle->flags & ACTIVE) != 0;
}

int uv_is_closing(const uv_handle_t *handle)
{
    return (handle->flags & CLOSING) != 0;
}

static void on_closed(void *ctx)
{
    uv_handle_t *handle = ctx;

    loop_of.closing--;
    if (handle->close_cb)
        handle->close_cb(handle);
}

static void forget_signal(const uv_handle_t *handle)
{
    for (int i = 0; i < loop_of.count; i++)
        if ((uv_handle_t *)loop_of.at[i] == handle)
            loop_of.at[i] = loop_of.at[--loop_of.count];
}

void uv_close(uv_handle_t *handle, uv_close_cb cb)
{
    sim_proc *proc = handle->u.reserved[0];

    if (handle->type == UV_TIMER || handle->type == UV_ASYNC)
        sim_cancel(event_of(handle));
    else if (handle->type == UV_SIGNAL)
        forget_signal(handle);
    else if (handle->type == UV_PROCESS && proc)
        proc->handle = NULL;
    for (int i = 0; handle->type == UV_NAMED_PIPE && proc && i < 2; i++)
        if ((uv_handle_t *)proc->pipes[i] == handle)
            proc->pipes[i] = NULL;
    set_active(handle, false);
    handle->flags |= CLOSING;
    handle->close_cb = cb;
    loop_of.closing++;
    sim_after(SIM_DAEMON, 0, "closed", on_closed, handle, NULL);
}

// ---- timers

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    init(loop, timer, UV_TIMER);
    return 0;
}

static void on_timer(void *ctx);

static void arm(uv_timer_t *timer, uint64_t ms)
{
    int64_t late = sim_chance(20) ? sim_range(0, 3 * SIM_MS) : 0;

    set_active(timer, true);
    sim_after(SIM_DAEMON, (int64_t)ms * SIM_MS + late, "timer", on_timer, timer, event_of(timer));
}

static void on_timer(void *ctx)
{
    uv_timer_t *timer = ctx;

    set_active(timer, false);
    if (timer->repeat)
        arm(timer, timer->repeat);
    timer->timer_cb(timer);
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    if (uv_is_closing((uv_handle_t *)timer))
        return UV_EINVAL;
    sim_cancel(event_of(timer));
    timer->timer_cb = cb;
    timer->repeat = repeat;
    arm(timer, timeout);
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    sim_cancel(event_of(timer));
    set_active(timer, false);
    return 0;
}

// ---- signals

int uv_signal_init(uv_loop_t *loop, uv_signal_t *signal)
{
    init(loop, signal, UV_SIGNAL);
    return 0;
}

int uv_signal_start(uv_signal_t *signal, uv_signal_cb cb, int number)
{
    signal->signal_cb = cb;
    signal->signum = number;
    set_active(signal, true);
    if (loop_of.count < SIGNALS)
        loop_of.at[loop_of.count++] = signal;
    return 0;
}

bool sim_uv_signal(int number)
{
    for (int i = 0; i < loop_of.count; i++) {
        if (loop_of.at[i]->signum != number)
            continue;
        loop_of.at[i]->signal_cb(loop_of.at[i], number);
        return true;
    }
    return false;
}

// ---- the thread pool: a work is done in one moment, and told in a later one

static void on_worked(void *ctx)
{
    uv_work_t *req = ctx;

    req->loop->active_reqs.count--;
    req->after_work_cb(req, 0);
}

static void on_work(void *ctx)
{
    uv_work_t *req = ctx;

    req->work_cb(req);
    sim_after(SIM_DAEMON, sim_range(0, sim_here->plan.work_ms * SIM_MS / 4), "worked", on_worked,
              req, NULL);
}

int uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb run, uv_after_work_cb done)
{
    req->loop = loop;
    req->work_cb = run;
    req->after_work_cb = done;
    loop->active_reqs.count++;
    sim_after(SIM_DAEMON, sim_range(0, sim_here->plan.work_ms * SIM_MS), "work", on_work, req,
              NULL);
    return 0;
}

// ---- threads that nobody waits for: what they do is done at once, and told in a later moment

akssl_status ak_thread_start(void *(*run)(void *ctx), void *ctx)
{
    run(ctx);
    return AKSSL_OK;
}

int uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb)
{
    init(loop, async, UV_ASYNC);
    async->async_cb = cb;
    return 0;
}

void uv_unref(uv_handle_t *handle)
{
    set_active(handle, false);
}

static void on_async(void *ctx)
{
    uv_async_t *async = ctx;

    async->async_cb(async);
}

int uv_async_send(uv_async_t *async)
{
    if (!*event_of(async))
        sim_after(SIM_DAEMON, sim_range(0, sim_here->plan.work_ms * SIM_MS), "async", on_async,
                  async, event_of(async));
    return 0;
}

// ---- processes and their output

int uv_spawn(uv_loop_t *loop, uv_process_t *handle, const uv_process_options_t *options)
{
    int rc;

    init(loop, handle, UV_PROCESS);
    if (sim_here->dead)
        return UV_EAGAIN;
    rc = sim_procs_spawn(handle, options);
    if (rc == 0)
        set_active(handle, true);
    return rc;
}

uv_pid_t uv_process_get_pid(const uv_process_t *handle)
{
    return handle->pid;
}

static void on_exited(void *ctx)
{
    sim_proc *proc = ctx;
    uv_process_t *handle = proc->handle;

    if (!handle || !uv_is_active((uv_handle_t *)handle))
        return;
    proc->handle = NULL;
    set_active(handle, false);
    proc->exited(handle, proc->exit_code, proc->exit_signal);
}

void sim_uv_exited(sim_proc *proc)
{
    sim_after(SIM_DAEMON, sim_range(0, 5 * SIM_MS), "exited", on_exited, proc, NULL);
}

int uv_process_kill(uv_process_t *handle, int number)
{
    sim_proc *proc = handle->u.reserved[0];

    if (!proc || !uv_is_active((uv_handle_t *)handle))
        return UV_ESRCH;
    if (sim_here->dead)
        sim_uv_exited(proc);
    else
        sim_procs_signal(proc, number);
    return 0;
}

int uv_pipe_init(uv_loop_t *loop, uv_pipe_t *pipe, int ipc)
{
    (void)ipc;
    init(loop, pipe, UV_NAMED_PIPE);
    return 0;
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb)
{
    stream->alloc_cb = alloc_cb;
    stream->read_cb = read_cb;
    set_active(stream, true);
    return 0;
}

static void put(uv_pipe_t *pipe, const char *text)
{
    uv_stream_t *stream = (uv_stream_t *)pipe;
    uv_buf_t room;

    while (*text) {
        size_t left = strlen(text), n;

        stream->alloc_cb((uv_handle_t *)stream, 65536, &room);
        n = left < room.len ? left : room.len;
        memcpy(room.base, text, n);
        text += n;
        stream->read_cb(stream, (ssize_t)n, &room);
        if (uv_is_closing((uv_handle_t *)stream))
            return;
    }
    stream->read_cb(stream, UV_EOF, &room);
}

static void on_output(void *ctx)
{
    sim_proc *proc = ctx;

    for (int i = 0; i < 2; i++)
        if (proc->pipes[i] && uv_is_active((uv_handle_t *)proc->pipes[i]))
            put(proc->pipes[i], i ? proc->err : proc->out);
}

void sim_uv_output(sim_proc *proc)
{
    sim_after(SIM_DAEMON, sim_range(0, 5 * SIM_MS), "output", on_output, proc, NULL);
}
