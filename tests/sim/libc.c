// tests/sim/libc.c -- the system calls that akssld makes, on the simulated disk and host.
//
// The linker gives every call of FUNCTION in the program to __wrap_FUNCTION (-Wl,--wrap).  Outside
// of a seed, and for descriptors that are not simulated, the real one answers.  The list of what
// is wrapped is seams.txt; a test compares it with what akssld's objects ask for.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/files.h"
#include "tests/sim/wrap.h"

void sim_files_begin(void)
{
    sim_here->files = sim_alloc(sizeof(sim_files));
}

int sim_files_left(void)
{
    int count = 0;

    for (int i = 0; i < SIM_FDS; i++)
        count += sim_here->files->at[i].open;
    return count;
}

sim_file *sim_files_get(int fd)
{
    sim_file *file;

    if (!sim_here || fd < SIM_FD_BASE || fd >= SIM_FD_BASE + SIM_FDS)
        return NULL;
    file = &sim_here->files->at[fd - SIM_FD_BASE];
    return file->open ? file : NULL;
}

int sim_files_new(const sim_file *form)
{
    for (int i = 0; i < SIM_FDS; i++) {
        sim_file *file = &sim_here->files->at[i];

        if (file->open)
            continue;
        *file = *form;
        file->open = true;
        return SIM_FD_BASE + i;
    }
    errno = EMFILE;
    return -1;
}

// answer turns an errno into what a system call returns.
static int answer(int error)
{
    sim_disk_gate_after();
    if (sim_here->dead && sim_here->in_daemon)
        error = EIO;
    if (error)
        errno = error;
    return error ? -1 : 0;
}

// ---- open and close

static int open_node(const char *path, int flags, sim_node **node)
{
    int error = sim_disk_find(path, node);

    if (error == ENOENT && flags & O_CREAT)
        return sim_disk_make(path, false, node);
    if (!error && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return EEXIST;
    if (!error && (*node)->folder && (flags & O_ACCMODE) != O_RDONLY)
        return EISDIR;
    if (!error && !(*node)->folder && flags & O_DIRECTORY)
        return ENOTDIR;
    if (!error && flags & O_TRUNC)
        sim_disk_truncate(*node, 0);
    return error;
}

static bool is_there(const char *path)
{
    sim_node *node;

    return sim_disk_find(path, &node) == 0;
}

static sim_effect effect_of(const char *path, int flags)
{
    if (flags & O_CREAT && !is_there(path))
        return SIM_GROWS;
    return (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC ? SIM_CHANGES : SIM_READS;
}

int __wrap_open(const char *path, int flags, ...)
{
    sim_node *node = NULL;
    va_list args;
    mode_t mode;
    int error;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (!sim_here)
        return __real_open(path, flags, mode);
    error = sim_disk_gate("open", path, effect_of(path, flags));
    if (!error)
        error = open_node(path, flags, &node);
    if (answer(error) < 0)
        return -1;
    return sim_files_new(&(sim_file){ .node = node,
                                      .append = (flags & O_APPEND) != 0,
                                      .write = (flags & O_ACCMODE) != O_RDONLY });
}

int __wrap_close(int fd)
{
    sim_file *file = sim_files_get(fd);

    if (!file)
        return __real_close(fd);
    if (file->node && file->node->lock == file)
        file->node->lock = NULL;
    file->open = false;
    return 0;
}

int __wrap_flock(int fd, int operation)
{
    sim_file *file = sim_files_get(fd);

    if (!file)
        return __real_flock(fd, operation);
    if (file->node->lock && file->node->lock != file)
        return answer(EWOULDBLOCK);
    file->node->lock = operation & LOCK_UN ? NULL : file;
    return 0;
}

// ---- reading and writing

static ssize_t read_at(sim_file *file, void *data, size_t size, int64_t offset)
{
    int64_t n;

    if (file->node) {
        if (answer(file->node->folder ? EISDIR : sim_disk_gate("read", "", SIM_READS)) < 0)
            return -1;
        return sim_disk_read(file->node, offset, data, (int64_t)size);
    }
    n = file->text && file->size > offset ? file->size - offset : 0;
    n = n < (int64_t)size ? n : (int64_t)size;
    if (n)
        memcpy(data, file->text + offset, (size_t)n);
    return n;
}

ssize_t __wrap_read(int fd, void *data, size_t size)
{
    sim_file *file = sim_files_get(fd);
    ssize_t n;

    if (!file)
        return __real_read(fd, data, size);
    n = read_at(file, data, size, file->offset);
    if (n > 0)
        file->offset += n;
    return n;
}

ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset)
{
    sim_file *file = sim_files_get(fd);

    return file ? read_at(file, data, size, offset) : __real_pread(fd, data, size, offset);
}

static ssize_t write_at(sim_file *file, const void *data, size_t size, int64_t offset)
{
    int error = sim_disk_gate("write", "", SIM_GROWS);

    if (error == ENOSPC && size > 1 && sim_chance(30)) { // the last block that there is
        size /= 2;
        error = 0;
    }
    if (!error)
        sim_disk_write(file->node, offset, data, (int64_t)size);
    return answer(error) < 0 ? -1 : (ssize_t)size;
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    sim_file *file = sim_files_get(fd);
    int64_t offset;
    ssize_t n;

    if (sim_here && fd == STDERR_FILENO && sim_here->in_daemon) { // its log, without the time
        if (!sim_here->dead && size > 25)
            sim_trace("%.*s", (int)size - 26, (const char *)data + 25);
        return (ssize_t)size;
    }
    if (!file)
        return __real_write(fd, data, size);
    offset = file->append ? file->node->size : file->offset;
    n = write_at(file, data, size, offset);
    if (n > 0)
        file->offset = offset + n;
    return n;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    sim_file *file = sim_files_get(fd);

    return file ? write_at(file, data, size, offset) : __real_pwrite(fd, data, size, offset);
}

int __wrap_fsync(int fd)
{
    sim_file *file = sim_files_get(fd);
    int error;

    if (!file)
        return __real_fsync(fd);
    error = sim_disk_gate("fsync", file->node->folder ? "a folder" : "", SIM_CHANGES);
    if (!error) {
        sim_pass(sim_range(0, sim_here->plan.sync_us * 1000));
        sim_disk_sync(file->node);
    }
    return answer(error);
}

int __wrap_ftruncate(int fd, off_t size)
{
    sim_file *file = sim_files_get(fd);
    int error;

    if (!file)
        return __real_ftruncate(fd, size);
    error = sim_disk_gate("ftruncate", "", SIM_CHANGES);
    if (!error)
        sim_disk_truncate(file->node, size);
    return answer(error);
}

// ---- names

static void describe(const sim_node *node, struct stat *st)
{
    memset(st, 0, sizeof *st);
    st->st_mode = node->folder ? S_IFDIR | 0700 : S_IFREG | 0600;
    st->st_size = node->size;
    st->st_ino = (ino_t)node->id;
    st->st_nlink = 1;
    st->st_uid = geteuid();
}

static int stat_path(const char *path, struct stat *st)
{
    sim_node *node;
    int error = sim_disk_gate("stat", path, SIM_READS);

    if (!error)
        error = sim_disk_find(path, &node);
    if (!error)
        describe(node, st);
    return answer(error);
}

int __wrap_stat(const char *path, struct stat *st)
{
    return sim_here ? stat_path(path, st) : __real_stat(path, st);
}

int __wrap_lstat(const char *path, struct stat *st)
{
    return sim_here ? stat_path(path, st) : __real_lstat(path, st);
}

int __wrap_fstat(int fd, struct stat *st)
{
    sim_file *file = sim_files_get(fd);
    const sim_node folder = { .folder = true };

    if (!file)
        return __real_fstat(fd, st);
    describe(file->node ? file->node : &folder, st);
    return 0;
}

int __wrap_access(const char *path, int mode)
{
    struct stat st;

    return sim_here ? stat_path(path, &st) : __real_access(path, mode);
}

char *__wrap_realpath(const char *path, char *resolved)
{
    struct stat st;

    if (!sim_here)
        return __real_realpath(path, resolved);
    if (strcmp(path, "/proc/self/exe") == 0)
        path = "/bin/akssld";
    return stat_path(path, &st) < 0 ? NULL : strdup(path);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    sim_node *node;
    int error;

    if (!sim_here)
        return __real_mkdir(path, mode);
    error = sim_disk_gate("mkdir", path, is_there(path) ? SIM_READS : SIM_GROWS);
    return answer(error ? error : sim_disk_make(path, true, &node));
}

static int remove_path(const char *call, const char *path)
{
    int error = sim_disk_gate(call, path, SIM_CHANGES);

    return answer(error ? error : sim_disk_remove(path));
}

int __wrap_unlink(const char *path)
{
    return sim_here ? remove_path("unlink", path) : __real_unlink(path);
}

int __wrap_rmdir(const char *path)
{
    return sim_here ? remove_path("rmdir", path) : __real_rmdir(path);
}

int __wrap_remove(const char *path)
{
    return sim_here ? remove_path("remove", path) : __real_remove(path);
}

int __wrap_rename(const char *from, const char *to)
{
    int error;

    if (!sim_here)
        return __real_rename(from, to);
    error = sim_disk_gate("rename", to, SIM_CHANGES);
    return answer(error ? error : sim_disk_rename(from, to));
}

// ---- whole files

static ssize_t read_cookie(void *cookie, char *data, size_t size)
{
    return __wrap_read((int)(intptr_t)cookie, data, size);
}

static int close_cookie(void *cookie)
{
    return __wrap_close((int)(intptr_t)cookie);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    const cookie_io_functions_t calls = { .read = read_cookie, .close = close_cookie };
    int fd;

    if (!sim_here)
        return __real_fopen(path, mode);
    if (mode[0] != 'r')
        sim_broken("fopen of '%s' for writing is not simulated", path);
    fd = __wrap_open(path, O_RDONLY);
    return fd < 0 ? NULL : fopencookie((void *)(intptr_t)fd, mode, calls);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    sim_file *file = sim_files_get(fd);
    void **slot = file ? sim_here->files->maps : NULL;

    if (!file)
        return __real_mmap(at, size, protection, flags, fd, offset);
    while (*slot)
        slot++;
    *slot = calloc(size, 1);
    sim_disk_read(file->node, offset, *slot, (int64_t)size);
    return *slot;
}

int __wrap_munmap(void *at, size_t size)
{
    for (int i = 0; sim_here && i < 64; i++) {
        if (sim_here->files->maps[i] != at)
            continue;
        free(at);
        sim_here->files->maps[i] = NULL;
        return 0;
    }
    return __real_munmap(at, size);
}

static int walk(const char *path, __nftw_func_t visit)
{
    sim_node *node;
    struct stat st;
    struct FTW at = { 0 };
    int rc = 0;

    if (stat_path(path, &st) < 0 || sim_disk_find(path, &node))
        return -1;
    while (node->folder && node->now.count && rc == 0) {
        char *below = NULL;
        int count = node->now.count;

        if (asprintf(&below, "%s/%s", path, node->now.at[0].name) < 0)
            abort();
        rc = walk(below, visit);
        free(below);
        if (rc == 0 && node->now.count == count)
            sim_broken("nftw of '%s' is simulated for removing only", path);
    }
    return rc ? rc : visit(path, &st, node->folder ? FTW_DP : FTW_F, &at);
}

int __wrap_nftw(const char *path, __nftw_func_t visit, int descriptors, int flags)
{
    return sim_here ? walk(path, visit) : __real_nftw(path, visit, descriptors, flags);
}
