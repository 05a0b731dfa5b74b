// tests/fault/fault.c -- a library to preload: one call that changes a file is made to fail, or is
// the last one.
//
// It stands between a program and libc.  A commit begins where rank 0 makes the folder of commits
// (and waits there until it is told what to do), and in akssld where it creates the state's draft.
// From there on each call that changes something under $AKSSL_FAULT_FOLDER/state is counted, and
// the one that was asked for gets its fault, once.  README.md has the files that it speaks through.
//
// With $AKSSL_FAULT_LIFE it counts from where it is told a fault, in akssld and in rank 0, and
// waits nowhere; a fault may then last until the next is told.
//
// For a power cut power.c keeps what was not flushed.

#include "tests/fault/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 2 * PATH_MAX, PAGE = 4096 };

typedef enum kind { NONE, KILL, AFTER, TORN, POWER, SHORT, FAIL } kind;

static const struct {
    const char *name;
    kind kind;
    int error;
    bool lasts;
} kinds[] = {
    { "none", NONE, 0, false },        { "kill", KILL, 0, false },
    { "after", AFTER, 0, false },      { "torn", TORN, 0, false },
    { "power", POWER, 0, false },      { "short", SHORT, 0, false },
    { "enospc", FAIL, ENOSPC, false }, { "eio", FAIL, EIO, false },
    { "erofs", FAIL, EROFS, false },   { "full", FAIL, ENOSPC, true },
    { "readonly", FAIL, EROFS, true },
};

// The functions of libc have no argument that could bring this: it is the one global.
static struct {
    const char *role;     // "worker", "daemon"; NULL: this process is left alone
    const char *folder;   // of the test
    char state[PATH_MAX]; // what is under it counts
    pthread_mutex_t lock;
    bool counting, life;
    kind kind;
    int error;  // of FAIL
    bool lasts; // it fails from `at` on
    int at, count;
    char from[64]; // in a life: the end of the path where counting begins; "": at once
} here = { .lock = PTHREAD_MUTEX_INITIALIZER };

// ---- what it says and is told

static void path_of(char out[PATH_MAX], const char *name, const char *suffix)
{
    snprintf(out, PATH_MAX, "%s/%s%s", here.folder, name, suffix);
}

static void note(const char *file, const char *call, const char *path)
{
    char name[PATH_MAX], line[LINE];
    int length = snprintf(line, sizeof line, "%s %d %s %s\n", here.role, here.count, call, path);
    int fd;

    path_of(name, file, "");
    fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)!syscall(SYS_write, fd, line, (size_t)length);
    syscall(SYS_close, fd);
}

// take reads "KIND NUMBER [FROM]" from the file that is there for this role, once; false: there is
// none.
static bool take(void)
{
    char path[PATH_MAX], taken[PATH_MAX], text[128] = "", word[16] = "";
    int fd;

    path_of(path, "fault.", here.role);
    path_of(taken, "taken.", here.role);
    if (syscall(SYS_rename, path, taken) < 0)
        return false;
    fd = (int)syscall(SYS_openat, AT_FDCWD, taken, O_RDONLY | O_CLOEXEC);
    (void)!read(fd, text, sizeof text - 1);
    close(fd);
    here.kind = NONE;
    here.at = 0;
    here.from[0] = '\0';
    if (sscanf(text, "%15s %d %63s", word, &here.at, here.from) >= 2)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (strcmp(word, kinds[i].name) == 0) {
                here.kind = kinds[i].kind;
                here.error = kinds[i].error;
                here.lasts = kinds[i].lasts;
            }
    return true;
}

// wait_at_gate: until there is something to take, or nothing will be any more.
static void wait_at_gate(void)
{
    struct timespec moment = { 0, 5000000 };
    char waiting[PATH_MAX], open_gate[PATH_MAX];

    path_of(waiting, "waiting", "");
    path_of(open_gate, "open", "");
    syscall(SYS_close,
            (int)syscall(SYS_openat, AT_FDCWD, waiting, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (!take() && access(open_gate, F_OK) < 0)
        nanosleep(&moment, NULL);
    syscall(SYS_unlink, waiting);
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), n = strlen(end);

    return length >= n && strcmp(path + length - n, end) == 0;
}

static void begin_life(const char *path)
{
    bool told = take();

    if (told)
        here.counting = false;
    if (told || (!here.counting && here.from[0])) {
        here.counting = !here.from[0] || ends_with(path, here.from);
        here.count = 0;
    }
}

static void begin(const char *call, const char *path)
{
    bool worker = strcmp(here.role, "worker") == 0;

    if (here.life)
        begin_life(path);
    if (here.life)
        return;
    if (worker ? strcmp(call, "mkdir") != 0 || !ends_with(path, "/commits")
               : strcmp(call, "open") != 0 || !ends_with(path, "/state.safetensors.tmp"))
        return;
    here.kind = NONE;
    here.count = 0;
    here.counting = true;
    if (worker)
        wait_at_gate();
    else
        take();
}

// ---- the fault

static void die(bool power)
{
    char path[PATH_MAX];
    FILE *file;
    int pid;

    path_of(path, "daemon.pid", "");
    file = power ? fopen(path, "re") : NULL;
    if (file && fscanf(file, "%d", &pid) == 1 && pid > 1 && pid != getpid())
        kill(pid, SIGKILL); // first, so that it sees nothing of what comes
    if (power)
        fault_take_back();
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static bool counts(const char *path)
{
    return here.role && strncmp(path, here.state, strlen(here.state)) == 0;
}

// A full disk takes no bytes and no names, and gives up what is there.
static bool takes_room(const char *call)
{
    return strstr(call, "open") || strstr(call, "write") || strcmp(call, "mkdir") == 0;
}

// next counts a call and says what happens to it.
static kind next(const char *call, const char *path)
{
    begin(call, path);
    if (!here.counting)
        return NONE;
    here.count++;
    note("trace", call, path);
    if (here.kind == NONE || (here.lasts ? here.count < here.at : here.count != here.at))
        return NONE;
    if (here.lasts && here.error == ENOSPC && !takes_room(call))
        return NONE;
    note("fired", call, path);
    return here.kind;
}

// change makes a system call with its fault, under the lock; size: of a write, its third argument.
static long change(const char *call, const char *path, long number, const long arg[4], size_t size)
{
    kind fault = next(call, path);
    long third = arg[2], result;

    if (fault == FAIL) {
        errno = here.error;
        return -1;
    }
    if (fault == KILL || fault == POWER)
        die(fault == POWER);
    if (size && (fault == SHORT || fault == TORN)) // past the page cache there are whole pages only
        third = (long)(size < 2 * PAGE ? size - size / 2 : size / 2 / PAGE * PAGE);
    result = syscall(number, arg[0], arg[1], third, arg[3]);
    if (fault == AFTER || fault == TORN)
        die(false);
    return result;
}

static void enter(void)
{
    pthread_mutex_lock(&here.lock);
}

static long leave(long result)
{
    int error = errno;

    pthread_mutex_unlock(&here.lock);
    errno = error;
    return result;
}

static bool fd_counts(int fd, char path[PATH_MAX])
{
    char link[64];
    ssize_t n;

    if (!here.role)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    return counts(path);
}

static bool fails(const char *call, const char *path)
{
    bool failed;

    enter();
    failed = next(call, path) == FAIL;
    leave(0);
    if (failed)
        errno = here.error;
    return failed;
}

bool fault_fails(const char *call, const char *path)
{
    return here.life && counts(path) && fails(call, path);
}

bool fault_fails_at(const char *call, int fd)
{
    char path[PATH_MAX];

    return here.life && fd_counts(fd, path) && fails(call, path);
}

// ---- the calls

#define SHOWN __attribute__((visibility("default")))

static long open_it(const char *path, int flags, mode_t mode)
{
    const long arg[4] = { AT_FDCWD, (long)path, flags, (long)mode };
    struct stat st;
    bool there;
    long fd;

    if (!counts(path) || !(flags & (O_CREAT | O_TRUNC)))
        return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    enter();
    there = stat(path, &st) == 0;
    fd = change("open", path, SYS_openat, arg, 0);
    if (fd >= 0 && !there)
        fault_remember_made(path);
    return leave(fd);
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(args, int) : 0;
}

SHOWN int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return (int)open_it(path, flags, mode);
}

SHOWN int open64(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return (int)open_it(path, flags, mode);
}

static ssize_t write_it(const char *call, long number, int fd, const void *data, size_t size,
                        off_t at)
{
    const long arg[4] = { fd, (long)data, (long)size, at };
    char path[PATH_MAX];
    long n;

    if (!fd_counts(fd, path))
        return syscall(number, fd, data, size, at);
    enter();
    fault_remember_write(path, fd);
    n = change(call, path, number, arg, size);
    return leave(n);
}

SHOWN ssize_t write(int fd, const void *data, size_t size)
{
    return write_it("write", SYS_write, fd, data, size, 0);
}

SHOWN ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return write_it("pwrite", SYS_pwrite64, fd, data, size, at);
}

SHOWN ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
    return write_it("pwrite", SYS_pwrite64, fd, data, size, at);
}

static int on_fd(const char *call, long number, int fd, long second)
{
    const long arg[4] = { fd, second, 0, 0 };
    char path[PATH_MAX];
    long rc;

    if (!fd_counts(fd, path))
        return (int)syscall(number, fd, second);
    enter();
    rc = change(call, path, number, arg, 0);
    if (rc == 0 && number != SYS_ftruncate)
        fault_flushed(path);
    return (int)leave(rc);
}

SHOWN int fsync(int fd)
{
    return on_fd("fsync", SYS_fsync, fd, 0);
}
SHOWN int fdatasync(int fd)
{
    return on_fd("fdatasync", SYS_fdatasync, fd, 0);
}
SHOWN int ftruncate(int fd, off_t size)
{
    return on_fd("ftruncate", SYS_ftruncate, fd, size);
}
SHOWN int ftruncate64(int fd, off_t size)
{
    return on_fd("ftruncate", SYS_ftruncate, fd, size);
}

static int on_name(const char *call, long number, const char *path, long second)
{
    const long arg[4] = { (long)path, second, 0, 0 };
    long rc;

    if (!counts(path))
        return (int)syscall(number, path, second);
    enter();
    rc = change(call, path, number, arg, 0);
    if (rc == 0 && number == SYS_mkdir)
        fault_remember_made(path);
    if (rc == 0 && number == SYS_rename)
        fault_remember_rename(path, (const char *)second);
    return (int)leave(rc);
}

SHOWN int mkdir(const char *path, mode_t mode)
{
    return on_name("mkdir", SYS_mkdir, path, mode);
}
SHOWN int unlink(const char *path)
{
    return on_name("unlink", SYS_unlink, path, 0);
}
SHOWN int rmdir(const char *path)
{
    return on_name("rmdir", SYS_rmdir, path, 0);
}

SHOWN int rename(const char *from, const char *to)
{
    return on_name("rename", SYS_rename, from, (long)to);
}

SHOWN int remove(const char *path)
{
    struct stat st;
    bool folder = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);

    return folder ? on_name("rmdir", SYS_rmdir, path, 0) : on_name("unlink", SYS_unlink, path, 0);
}

// ---- who is who

__attribute__((constructor)) static void meet(void)
{
    char line[512] = "";
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 2);
    const char *second = n > 0 ? line + strlen(line) + 1 : "";
    const char *folder = getenv("AKSSL_FAULT_FOLDER"), *rank = getenv("OMPI_COMM_WORLD_RANK");

    if (fd >= 0)
        close(fd);
    if (!folder)
        return;
    here.folder = folder;
    here.life = getenv("AKSSL_FAULT_LIFE") != NULL;
    if (here.life && rank && strcmp(rank, "0") != 0)
        return;
    snprintf(here.state, sizeof here.state, "%s/state/", folder);
    if (ends_with(line, "/akssl-worker") && strcmp(second, "run") == 0)
        here.role = "worker";
    else if (ends_with(line, "/akssld") && strcmp(second, "--guard") != 0)
        here.role = "daemon";
}
