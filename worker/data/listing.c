// worker/data/listing.c -- the sorted contents of a folder.

#include "worker/data/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ak_entry *)a)->name, ((const ak_entry *)b)->name);
}

// A link to nowhere is left out, as a file that is not there.
static void add(ak_listing *l, int64_t *room, int fd, const char *name)
{
    struct stat st;

    if (name[0] == '.' || fstatat(fd, name, &st, 0) < 0 ||
        (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return;
    if (l->count == *room) {
        *room = *room ? 2 * *room : 64;
        l->entry = ak_realloc(l->entry, (size_t)*room, sizeof *l->entry);
    }
    l->entry[l->count++] = (ak_entry){ .name = ak_strdup(name),
                                       .folder = S_ISDIR(st.st_mode),
                                       .size = st.st_size,
                                       .device = st.st_dev,
                                       .number = st.st_ino };
}

akssl_status ak_listing_read(ak_listing *out, const char *folder)
{
    ak_listing l = { 0 };
    struct dirent *entry;
    int64_t room = 0;
    int failed, fd;
    DIR *dir;
    akssl_status rc = ak_confine_open(&fd, folder);

    if (rc < 0)
        return rc;
    dir = fdopendir(fd);
    if (!dir) {
        failed = errno;
        close(fd);
        return ak_fail_errno(failed, "folder '%.512s'", folder);
    }
    errno = 0;
    while ((entry = readdir(dir))) {
        add(&l, &room, dirfd(dir), entry->d_name);
        errno = 0;
    }
    failed = errno;
    closedir(dir);
    if (failed) {
        ak_listing_fini(&l);
        return ak_fail_errno(failed, "read folder '%.512s'", folder);
    }
    if (l.count)
        qsort(l.entry, (size_t)l.count, sizeof *l.entry, by_name);
    *out = l;
    return AKSSL_OK;
}

void ak_listing_fini(ak_listing *l)
{
    for (int64_t i = 0; i < l->count; i++)
        free(l->entry[i].name);
    free(l->entry);
    *l = (ak_listing){ 0 };
}

bool ak_listing_has(const ak_listing *l, const char *name)
{
    for (int64_t i = 0; i < l->count; i++)
        if (l->entry[i].folder && strcmp(l->entry[i].name, name) == 0)
            return true;
    return false;
}
