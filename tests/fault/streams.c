// tests/fault/streams.c -- stdio's files: libc's own calls for them pass by fault.c.
//
// A write is counted where the program makes it, a flush and a close where bytes wait for them.

#include "tests/fault/fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>

#define SHOWN __attribute__((visibility("default")))

enum { FIRST = 3 }; // 1 and 2 are logs

// next gives libc's function; what it is put into is a pointer to a function.
static void next(const char *name, void *function)
{
    *(void **)function = dlsym(RTLD_NEXT, name);
}

static bool stream_fails(const char *call, FILE *file)
{
    int fd = file ? fileno(file) : -1;

    return fd >= FIRST && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY && fault_fails_at(call, fd);
}

static FILE *open_it(const char *name, const char *path, const char *mode)
{
    FILE *(*function)(const char *path, const char *mode);

    if (mode[0] != 'r' && fault_fails("fopen", path))
        return NULL;
    next(name, &function);
    return function(path, mode);
}

SHOWN FILE *fopen(const char *path, const char *mode)
{
    return open_it("fopen", path, mode);
}

SHOWN FILE *fopen64(const char *path, const char *mode)
{
    return open_it("fopen64", path, mode);
}

SHOWN size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file)
{
    size_t (*function)(const void *bytes, size_t size, size_t count, FILE *file);

    if (stream_fails("fwrite", file))
        return 0;
    next("fwrite", &function);
    return function(bytes, size, count, file);
}

SHOWN int fflush(FILE *file)
{
    int (*function)(FILE * file);

    if (file && __fpending(file) && stream_fails("fflush-write", file))
        return EOF;
    next("fflush", &function);
    return function(file);
}

SHOWN int fclose(FILE *file)
{
    bool failed = __fpending(file) && stream_fails("fclose-write", file);
    int (*function)(FILE * file), error = errno;

    next("fclose", &function);
    if (!failed)
        return function(file);
    (void)function(file);
    errno = error;
    return EOF;
}
