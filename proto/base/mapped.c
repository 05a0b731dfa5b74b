// proto/base/mapped.c -- SIGBUS, with a sentence.
//
// A handler may not take locks, so nobody can tell it which files are mapped: the kernel's own list
// (/proc/self/maps) does.

#include "proto/base/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 8192 }; // a path of 4096 bytes, some of which are written as \012

static const char *hexadecimal(const char *at, uintptr_t *value)
{
    for (*value = 0;; at++) {
        if (*at >= '0' && *at <= '9')
            *value = *value * 16 + (uintptr_t)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            *value = *value * 16 + (uintptr_t)(*at - 'a' + 10);
        else
            return at;
    }
}

// "FIRST-END rwxp OFFSET DEVICE INODE PATH"; NULL: not that address, or no file.
static const char *path_at(const char *line, uintptr_t address)
{
    uintptr_t first, end;

    line = hexadecimal(line, &first);
    if (*line != '-')
        return NULL;
    line = hexadecimal(line + 1, &end);
    return address >= first && address < end ? strchr(line, '/') : NULL;
}

// The path of the file that is mapped at an address, in room of LINE bytes; NULL: none.
static const char *find_path(char *room, uintptr_t address)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    const char *path = NULL;
    size_t held = 0;
    char *end;
    ssize_t got;

    while (!path && fd >= 0 && (got = read(fd, room + held, LINE - 1 - held)) > 0) {
        held += (size_t)got;
        room[held] = '\0';
        while (!path && (end = strchr(room, '\n'))) {
            *end = '\0';
            path = path_at(room, address);
            if (!path) {
                held -= (size_t)(end + 1 - room);
                memmove(room, end + 1, held + 1);
            }
        }
        if (!path && held == LINE - 1)
            held = 0; // no line of the kernel's
    }
    if (fd >= 0)
        close(fd);
    return path;
}

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; // there is nobody to tell
}

static void on_bus(int number, siginfo_t *info, void *context)
{
    char room[LINE];
    const char *path = find_path(room, (uintptr_t)info->si_addr);

    (void)number;
    (void)context;
    if (!path)
        return; // the handler is gone: this time the kernel ends the process
    say(program_invocation_short_name);
    say(": a part of '");
    say(path);
    say("' cannot be read: the file was cut, or its disk fails; see to that, then start again\n");
    _exit(EXIT_FAILURE);
}

void ak_mapped_guard(void)
{
    struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_RESETHAND };

    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
