// tests/sim/host.c -- folders, /proc, signals and time as akssld's system calls see them.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "proto/base/alloc.h"
#include "tests/sim/files.h"
#include "tests/sim/oracle.h"
#include "tests/sim/wrap.h"

// ---- folders; what DIR points to is ours

typedef struct folder {
    char **names;
    int count, at, fd;
    struct dirent entry;
} folder;

static void add(folder *f, const char *name)
{
    f->names = ak_realloc(f->names, (size_t)f->count + 1, sizeof *f->names);
    f->names[f->count++] = ak_strdup(name);
}

static void list_processes(folder *f)
{
    char name[16];

    for (const sim_proc *p = sim_here->procs->first; p; p = p->next) {
        if (!p->alive)
            continue;
        snprintf(name, sizeof name, "%d", p->pid);
        add(f, name);
    }
    add(f, "self");
}

DIR *__wrap_opendir(const char *path)
{
    bool proc = strcmp(path, "/proc") == 0;
    folder *f;
    int fd;

    if (!sim_here)
        return __real_opendir(path);
    if (proc && sim_here->dead) {
        errno = EIO;
        return NULL;
    }
    fd = proc ? sim_files_new(&(sim_file){ 0 }) : __wrap_open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return NULL;
    f = ak_alloc(1, sizeof *f);
    f->fd = fd;
    if (proc)
        list_processes(f);
    for (int i = 0; !proc && i < sim_files_get(fd)->node->now.count; i++)
        add(f, sim_files_get(fd)->node->now.at[i].name);
    return (DIR *)f;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    folder *f = (folder *)dir;

    if (!sim_here)
        return __real_readdir(dir);
    if (f->at == f->count)
        return NULL;
    snprintf(f->entry.d_name, sizeof f->entry.d_name, "%s", f->names[f->at++]);
    return &f->entry;
}

int __wrap_closedir(DIR *dir)
{
    folder *f = (folder *)dir;

    if (!sim_here)
        return __real_closedir(dir);
    __wrap_close(f->fd);
    for (int i = 0; i < f->count; i++)
        free(f->names[i]);
    free(f->names);
    free(f);
    return 0;
}

int __wrap_dirfd(DIR *dir)
{
    return sim_here ? ((folder *)dir)->fd : __real_dirfd(dir);
}

// ---- /proc/PID and what is in it

int __wrap_openat(int at, const char *path, int flags, ...)
{
    sim_file *in = sim_files_get(at);
    sim_file form = { 0 };
    size_t size = 0;

    if (!in)
        return __real_openat(at, path, flags);
    form.proc = in->proc ? in->proc : sim_procs_find(atoi(path));
    if (!form.proc || !form.proc->alive) {
        errno = ENOENT;
        return -1;
    }
    if (in->proc) {
        form.text = sim_procs_file(form.proc, path, &size);
        form.size = (int64_t)size;
    }
    return sim_files_new(&form);
}

int __wrap_kill(pid_t pid, int number)
{
    sim_proc *proc;

    if (!sim_here)
        return __real_kill(pid, number);
    if (sim_here->dead) {
        sim_procs_farewell();
        return 0;
    }
    proc = sim_procs_find(pid < 0 ? -pid : pid); // a group is its leader here
    if (!proc) {
        errno = ESRCH;
        return -1;
    }
    if (number) {
        sim_oracle_signalled(proc, number);
        sim_procs_signal(proc, number);
    }
    return 0;
}

// pidfd_send_signal: to the process whose folder of /proc is open.
long __wrap_syscall(long number, ...)
{
    sim_file *file;
    va_list args;
    int fd, signal;

    va_start(args, number);
    fd = va_arg(args, int);
    signal = va_arg(args, int);
    va_end(args);
    file = sim_files_get(fd);
    if (number != SYS_pidfd_send_signal || !file || !file->proc) {
        errno = ENOSYS;
        return -1;
    }
    if (signal && !sim_here->dead && file->proc->alive) {
        sim_oracle_signalled(file->proc, signal);
        sim_procs_signal(file->proc, signal);
    }
    return 0;
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    if (!sim_here)
        return __real_waitid(type, id, info, options);
    errno = ECHILD; // the host reaps
    return -1;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    if (!sim_here)
        return __real_waitpid(pid, status, options);
    errno = ECHILD;
    return -1;
}

int __wrap_prctl(int option, ...)
{
    (void)option;
    return 0;
}

pid_t __wrap_getpid(void)
{
    return sim_here ? sim_here->procs->daemon_pid : __real_getpid();
}

// ---- time

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    int64_t ns;

    if (!sim_here)
        return __real_clock_gettime(clock, time);
    ns = sim_here->now + (clock == CLOCK_REALTIME ? sim_here->wall_ms * SIM_MS : 0);
    *time = (struct timespec){ .tv_sec = ns / SIM_S, .tv_nsec = ns % SIM_S };
    return 0;
}

// akssld sleeps, the world goes on.
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    sim *s = sim_here;
    int64_t end;

    if (!s)
        return __real_nanosleep(time, left);
    end = s->now + time->tv_sec * SIM_S + time->tv_nsec;
    while (!s->dead && sim_step(1u << SIM_WORLD, end))
        continue;
    if (end > s->now)
        s->now = end;
    return 0;
}
