// tests/sim/wrap.h -- the functions that the linker hands to the simulator (seams.txt).

#ifndef AK_SIM_WRAP_H
#define AK_SIM_WRAP_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define SIM_WRAP(type, name, ...)                                                                  \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __real_##name(__VA_ARGS__);

// libc.c
SIM_WRAP(int, open, const char *path, int flags, ...)
SIM_WRAP(int, close, int fd)
SIM_WRAP(int, flock, int fd, int operation)
SIM_WRAP(ssize_t, read, int fd, void *data, size_t size)
SIM_WRAP(ssize_t, pread, int fd, void *data, size_t size, off_t offset)
SIM_WRAP(ssize_t, write, int fd, const void *data, size_t size)
SIM_WRAP(ssize_t, pwrite, int fd, const void *data, size_t size, off_t offset)
SIM_WRAP(int, fsync, int fd)
SIM_WRAP(int, ftruncate, int fd, off_t size)
SIM_WRAP(int, stat, const char *path, struct stat *st)
SIM_WRAP(int, lstat, const char *path, struct stat *st)
SIM_WRAP(int, fstat, int fd, struct stat *st)
SIM_WRAP(int, access, const char *path, int mode)
SIM_WRAP(char *, realpath, const char *path, char *resolved)
SIM_WRAP(int, mkdir, const char *path, mode_t mode)
SIM_WRAP(int, unlink, const char *path)
SIM_WRAP(int, rmdir, const char *path)
SIM_WRAP(int, remove, const char *path)
SIM_WRAP(int, rename, const char *from, const char *to)
SIM_WRAP(FILE *, fopen, const char *path, const char *mode)
SIM_WRAP(void *, mmap, void *at, size_t size, int protection, int flags, int fd, off_t offset)
SIM_WRAP(int, munmap, void *at, size_t size)
SIM_WRAP(int, nftw, const char *path, __nftw_func_t visit, int descriptors, int flags)

// host.c
SIM_WRAP(DIR *, opendir, const char *path)
SIM_WRAP(struct dirent *, readdir, DIR *dir)
SIM_WRAP(int, closedir, DIR *dir)
SIM_WRAP(int, dirfd, DIR *dir)
SIM_WRAP(int, openat, int folder, const char *path, int flags, ...)
SIM_WRAP(int, kill, pid_t pid, int signal)
SIM_WRAP(long, syscall, long number, ...)
SIM_WRAP(int, waitid, idtype_t type, id_t id, siginfo_t *info, int options)
SIM_WRAP(pid_t, waitpid, pid_t pid, int *status, int options)
SIM_WRAP(int, prctl, int option, ...)
SIM_WRAP(pid_t, getpid, void)
SIM_WRAP(int, clock_gettime, clockid_t clock, struct timespec *time)
SIM_WRAP(int, nanosleep, const struct timespec *time, struct timespec *left)

#endif
