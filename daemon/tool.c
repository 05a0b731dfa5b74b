// daemon/tool.c -- a short program run for its output.

#include "daemon/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { MAX_ERR = 64 << 10, BLOCK = 16 << 10, LINGER_MS = 1000, KILLED_MS = 2000 };

struct ak_tool {
    uv_process_t process;
    uv_pipe_t out, err;
    uv_timer_t timer;
    ak_tool_result result;
    ak_tool_done done;
    void *ctx;
    int handles; // that are still open
    bool killed, exited;
    char block[BLOCK];
};

static void on_closed(uv_handle_t *handle)
{
    ak_tool *tool = handle->data;

    if (--tool->handles)
        return;
    if (tool->done)
        tool->done(tool->ctx, &tool->result);
    ak_str_fini(&tool->result.out);
    ak_str_fini(&tool->result.err);
    free(tool);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void finish_when_over(ak_tool *tool)
{
    bool reading =
        !uv_is_closing((uv_handle_t *)&tool->out) || !uv_is_closing((uv_handle_t *)&tool->err);

    if (tool->exited && !reading)
        close_handle(&tool->timer);
}

static void on_timer(uv_timer_t *timer);

static void kill_group(ak_tool *tool)
{
    if (tool->exited || tool->killed)
        return;
    kill(-uv_process_get_pid(&tool->process), SIGKILL);
    tool->killed = true;
    uv_timer_start(&tool->timer, on_timer, KILLED_MS, 0);
}

// leave_it gives up a process that no signal ends, since it waits in the kernel, say for a file
// server: neither its asker nor the loop's end waits for it.
static void leave_it(ak_tool *tool)
{
    close_handle(&tool->out);
    close_handle(&tool->err);
    close_handle(&tool->timer);
    uv_unref((uv_handle_t *)&tool->process);
    tool->result.signal = SIGKILL;
    if (tool->done)
        tool->done(tool->ctx, &tool->result);
    tool->done = NULL;
}

static void on_timer(uv_timer_t *timer)
{
    ak_tool *tool = timer->data;

    if (tool->exited) { // something that it left behind holds the pipes
        close_handle(&tool->out);
        close_handle(&tool->err);
        finish_when_over(tool);
    } else if (tool->killed) {
        leave_it(tool);
    } else {
        tool->result.timed_out = true;
        kill_group(tool);
    }
}

static void on_exit_(uv_process_t *process, int64_t exit_code, int signal)
{
    ak_tool *tool = process->data;

    tool->exited = true;
    tool->result.exit_code = exit_code;
    tool->result.signal = signal;
    close_handle(process);
    if (!uv_is_closing((uv_handle_t *)&tool->timer))
        uv_timer_start(&tool->timer, on_timer, LINGER_MS, 0);
    finish_when_over(tool);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    ak_tool *tool = handle->data;

    (void)suggested;
    *buf = uv_buf_init(tool->block, sizeof tool->block);
}

static void keep(ak_tool *tool, ak_str *text, const char *data, size_t size)
{
    ak_str_append_n(text, data, size);
    if (text == &tool->result.err && text->length > MAX_ERR) {
        size_t drop = text->length - MAX_ERR / 2;

        memmove(text->text, text->text + drop, text->length - drop + 1);
        text->length -= drop;
    } else if (text->length > AK_TOOL_MAX_OUTPUT) {
        tool->result.overflowed = true;
        ak_str_clear(text);
        kill_group(tool);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    ak_tool *tool = stream->data;

    if (n > 0) {
        keep(tool, stream == (uv_stream_t *)&tool->out ? &tool->result.out : &tool->result.err,
             buf->base, (size_t)n);
    } else if (n < 0) {
        close_handle(stream);
        finish_when_over(tool);
    }
}

static int spawn(ak_tool *tool, uv_loop_t *loop, char *const argv[])
{
    uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE } };
    uv_process_options_t options = { 0 };

    stdio[1].flags = stdio[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    stdio[1].data.stream = (uv_stream_t *)&tool->out;
    stdio[2].data.stream = (uv_stream_t *)&tool->err;
    options.file = argv[0];
    options.args = (char **)argv;
    options.stdio = stdio;
    options.stdio_count = 3;
    options.flags = UV_PROCESS_DETACHED;
    options.exit_cb = on_exit_;
    return uv_spawn(loop, &tool->process, &options);
}

akssl_status ak_tool_start(ak_tool **out, uv_loop_t *loop, char *const argv[], uint64_t timeout_ms,
                           ak_tool_done done, void *ctx)
{
    ak_tool *tool = ak_alloc(1, sizeof *tool);
    int rc;

    tool->process.data = tool->out.data = tool->err.data = tool->timer.data = tool;
    uv_pipe_init(loop, &tool->out, 0);
    uv_pipe_init(loop, &tool->err, 0);
    uv_timer_init(loop, &tool->timer);
    tool->handles = 4;
    rc = spawn(tool, loop, argv);
    if (rc < 0) {
        tool->exited = true;
        close_handle(&tool->process);
        close_handle(&tool->out);
        close_handle(&tool->err);
        close_handle(&tool->timer);
        return ak_fail_errno(-rc, "'%s' cannot be started", argv[0]);
    }
    tool->done = done;
    tool->ctx = ctx;
    uv_timer_start(&tool->timer, on_timer, timeout_ms, 0);
    uv_read_start((uv_stream_t *)&tool->out, on_room, on_read);
    uv_read_start((uv_stream_t *)&tool->err, on_room, on_read);
    *out = tool;
    return AKSSL_OK;
}

void ak_tool_cancel(ak_tool *tool)
{
    if (!tool)
        return;
    tool->done = NULL;
    kill_group(tool);
    close_handle(&tool->out);
    close_handle(&tool->err);
    finish_when_over(tool);
}

const char *ak_tool_complaint(ak_tool_result *result)
{
    char *text = result->err.text;
    char *line = text, *mark;
    size_t end = result->err.length;

    if (!end)
        return "";
    while (end && strchr(" \r\n\t", text[end - 1]))
        text[--end] = '\0';
    if (strrchr(text, '\n'))
        line = strrchr(text, '\n') + 1;
    mark = strstr(line, " akssl-worker: ");
    if (mark && strncmp(line, "20", 2) == 0) // a log line: time, level, program
        line = mark + strlen(" akssl-worker: ");
    else if (strncmp(line, "akssl-worker: ", 14) == 0)
        line += 14;
    return line;
}
