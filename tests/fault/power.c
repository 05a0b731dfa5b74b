// tests/fault/power.c -- what a power cut takes back: names whose folder, and bytes whose file was
// not flushed.

#include "tests/fault/fault.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_UNFLUSHED = 256 };

typedef struct unflushed {
    enum { MADE, RENAMED, WRITTEN } what;
    char path[PATH_MAX], from[PATH_MAX]; // from: of a rename
    off_t size;                          // of what is written: bytes that are safe
} unflushed;

// As in fault.c, under whose lock all of it is.
static struct {
    unflushed list[MAX_UNFLUSHED];
    int count;
} here;

static void keep(int what, const char *path, const char *from, off_t size)
{
    unflushed *u = &here.list[here.count];

    if (here.count == MAX_UNFLUSHED || strstr(path, "akssld.db"))
        return; // SQLite's files are written in place: tests/sim cuts those
    u->what = what;
    u->size = size;
    snprintf(u->path, sizeof u->path, "%s", path);
    snprintf(u->from, sizeof u->from, "%s", from);
    here.count++;
}

void fault_remember_made(const char *path)
{
    keep(MADE, path, "", 0);
}

static bool is_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && path[length] == '/' &&
           !strchr(path + length + 1, '/');
}

// A flush of path makes its bytes safe, or of a folder the names in it.
void fault_flushed(const char *path)
{
    int left = 0;

    for (int i = 0; i < here.count; i++) {
        const unflushed *u = &here.list[i];

        if (u->what == WRITTEN ? strcmp(u->path, path) != 0 : !is_in(u->path, path))
            here.list[left++] = *u;
    }
    here.count = left;
}

void fault_remember_write(const char *path, int fd)
{
    struct stat st;

    for (int i = 0; i < here.count; i++)
        if (here.list[i].what == WRITTEN && strcmp(here.list[i].path, path) == 0)
            return;
    if (fstat(fd, &st) == 0)
        keep(WRITTEN, path, "", st.st_size);
}

// A file that is renamed takes what is unflushed of it along.
void fault_remember_rename(const char *from, const char *to)
{
    for (int i = 0; i < here.count; i++)
        if (here.list[i].what == WRITTEN && strcmp(here.list[i].path, from) == 0)
            snprintf(here.list[i].path, sizeof here.list[i].path, "%s", to);
    keep(RENAMED, to, from, 0);
}

void fault_take_back(void)
{
    while (here.count) {
        const unflushed *u = &here.list[--here.count];

        if (u->what == WRITTEN)
            (void)!truncate(u->path, u->size);
        else if (u->what == RENAMED)
            syscall(SYS_rename, u->path, u->from);
        else if (syscall(SYS_unlink, u->path) < 0)
            syscall(SYS_rmdir, u->path);
    }
}
