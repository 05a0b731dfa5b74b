// daemon/process.c -- processes as /proc shows them: found by a mark, not by their parents.

#include "daemon/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/str.h"

enum { MIN_MARK = 16, MAX_FILE = 1 << 20 };

static void read_proc(int folder, const char *name, ak_str *text)
{
    char block[4096];
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    ak_str_clear(text);
    if (fd < 0)
        return;
    while (text->length < MAX_FILE && (n = read(fd, block, sizeof block)) > 0)
        ak_str_append_n(text, block, (size_t)n);
    close(fd);
}

static int is_zombie(int folder, ak_str *text)
{
    const char *name_end;

    read_proc(folder, "stat", text);
    name_end = text->length ? strrchr(text->text, ')') : NULL;
    return !name_end || name_end[1] != ' ' || strchr("ZXx", name_end[2]);
}

static int holds(int folder, const char *file, const char *mark, ak_str *text)
{
    read_proc(folder, file, text);
    return text->length && memmem(text->text, text->length, mark, strlen(mark));
}

static int is_marked(int proc, const char *pid, const char *mark, ak_str *text)
{
    int folder = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    int found;

    if (folder < 0)
        return 0;
    found = fstat(folder, &st) == 0 && st.st_uid == geteuid() && !is_zombie(folder, text) &&
            (holds(folder, "cmdline", mark, text) || holds(folder, "environ", mark, text));
    close(folder);
    return found;
}

int ak_process_signal(const char *mark, int signal)
{
    DIR *proc = strlen(mark) < MIN_MARK ? NULL : opendir("/proc");
    ak_str text = AK_STR_INIT;
    struct dirent *entry;
    int count = 0;

    while (proc && (entry = readdir(proc))) {
        long pid = strtol(entry->d_name, NULL, 10);

        if (!isdigit((unsigned char)entry->d_name[0]) || pid <= 1 || pid == getpid() ||
            !is_marked(dirfd(proc), entry->d_name, mark, &text))
            continue;
        count++;
        if (signal)
            kill((pid_t)pid, signal);
    }
    if (proc)
        closedir(proc);
    ak_str_fini(&text);
    return count;
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
