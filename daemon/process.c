// daemon/process.c -- processes as /proc shows them: found by a mark, not by their parents.

#include "daemon/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/str.h"

enum { MIN_MARK = 16, MAX_FILE = 1 << 20 };

// What is looked for, and what was found.
typedef struct hunt {
    const char *mark;
    bool guard; // the guard only
    int signal;
    ak_str text;
    int count;
    bool blind; // something could not be looked at, for lack of descriptors or memory
} hunt;

// open_at opens what is there; what has just gone is nothing.
static int open_at(int folder, const char *name, int flags, hunt *h)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | flags);

    h->blind |= fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
    return fd;
}

static void read_proc(int folder, const char *name, hunt *h)
{
    char block[4096];
    int fd = open_at(folder, name, 0, h);
    ssize_t n;

    ak_str_clear(&h->text);
    if (fd < 0)
        return;
    while (h->text.length < MAX_FILE && (n = read(fd, block, sizeof block)) > 0)
        ak_str_append_n(&h->text, block, (size_t)n);
    close(fd);
}

static bool is_zombie(int folder, hunt *h)
{
    const char *name_end;

    read_proc(folder, "stat", h);
    name_end = h->text.length ? strrchr(h->text.text, ')') : NULL;
    return !name_end || name_end[1] != ' ' || strchr("ZXx", name_end[2]);
}

static bool holds(int folder, const char *file, hunt *h)
{
    read_proc(folder, file, h);
    return h->text.length && memmem(h->text.text, h->text.length, h->mark, strlen(h->mark));
}

static bool is_guard(int folder, hunt *h)
{
    size_t name;

    read_proc(folder, "cmdline", h);
    name = h->text.length ? strlen(h->text.text) + 1 : 0;
    return name < h->text.length && strcmp(h->text.text + name, "--guard") == 0;
}

static bool is_wanted(int folder, hunt *h)
{
    struct stat st;

    return fstat(folder, &st) == 0 && st.st_uid == geteuid() && !is_zombie(folder, h) &&
           (holds(folder, "cmdline", h) || holds(folder, "environ", h)) &&
           (!h->guard || is_guard(folder, h));
}

// The signal goes to the process whose folder in /proc was read, or to none: its number may have
// become another's meanwhile.
static void send_signal(int folder, pid_t pid, int signal)
{
    if (syscall(SYS_pidfd_send_signal, folder, signal, NULL, 0) < 0 &&
        (errno == ENOSYS || errno == EBADF))
        kill(pid, signal);
}

static void visit(int proc, const char *name, hunt *h)
{
    long pid = strtol(name, NULL, 10);
    int folder;

    if (!isdigit((unsigned char)name[0]) || pid <= 1 || pid == getpid())
        return;
    folder = open_at(proc, name, O_DIRECTORY, h);
    if (folder < 0)
        return;
    if (is_wanted(folder, h)) {
        h->count++;
        if (h->signal)
            send_signal(folder, (pid_t)pid, h->signal);
    }
    close(folder);
}

static int go_through(hunt h)
{
    bool marked = strlen(h.mark) >= MIN_MARK;
    DIR *proc = marked ? opendir("/proc") : NULL;
    struct dirent *entry;

    h.blind = marked && !proc;
    while (proc && (entry = readdir(proc)))
        visit(dirfd(proc), entry->d_name, &h);
    if (proc)
        closedir(proc);
    ak_str_fini(&h.text);
    return h.count + h.blind;
}

int ak_process_signal(const char *mark, int signal)
{
    return go_through((hunt){ .mark = mark, .signal = signal, .text = AK_STR_INIT });
}

int ak_process_signal_guard(const char *mark, int signal)
{
    return go_through((hunt){ .mark = mark, .guard = true, .signal = signal, .text = AK_STR_INIT });
}

int ak_process_end_marked(const char *mark, int64_t grace_ms)
{
    const struct timespec pause = { .tv_nsec = 50 * 1000000L };
    int64_t start = ak_clock_ns(), waited = 0;
    int left = ak_process_signal(mark, SIGTERM);

    while (left && waited < grace_ms + 5000) {
        nanosleep(&pause, NULL);
        waited = (ak_clock_ns() - start) / 1000000;
        left = ak_process_signal(mark, waited < grace_ms ? 0 : SIGKILL);
    }
    return left;
}

// ---- orphans

typedef struct known {
    pid_t pid;
    int found;
} known;

static void match(uv_handle_t *handle, void *ctx)
{
    known *k = ctx;

    if (handle->type == UV_PROCESS && uv_process_get_pid((uv_process_t *)handle) == k->pid)
        k->found |= uv_is_active(handle) != 0;
}

static void reap(ak_reaper *reaper);

static void on_retry(uv_timer_t *timer)
{
    reap(timer->data);
}

static void reap(ak_reaper *reaper)
{
    for (;;) {
        siginfo_t info = { 0 };
        known k;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
            return;
        k = (known){ info.si_pid, 0 };
        uv_walk(reaper->signal.loop, match, &k);
        if (k.found) { // libuv's: it may hide an orphan behind it, so look again
            uv_timer_start(&reaper->retry, on_retry, 20, 0);
            return;
        }
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

static void on_child(uv_signal_t *signal, int number)
{
    (void)number;
    reap(signal->data);
}

akssl_status ak_reaper_start(ak_reaper *reaper, uv_loop_t *loop)
{
    int rc;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    rc = uv_signal_init(loop, &reaper->signal);
    if (rc < 0)
        return ak_fail(AKSSL_ERR_INTERNAL, "signals cannot be watched: %s", uv_strerror(rc));
    uv_timer_init(loop, &reaper->retry);
    reaper->signal.data = reaper;
    reaper->retry.data = reaper;
    rc = uv_signal_start(&reaper->signal, on_child, SIGCHLD);
    if (rc < 0)
        return ak_fail(AKSSL_ERR_INTERNAL, "SIGCHLD cannot be watched: %s", uv_strerror(rc));
    return AKSSL_OK;
}

void ak_reaper_stop(ak_reaper *reaper)
{
    uv_close((uv_handle_t *)&reaper->signal, NULL);
    uv_close((uv_handle_t *)&reaper->retry, NULL);
}
