// worker/data/records.c -- CIFAR's binary files, and lists of class names.

#include "worker/data/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"
#include "worker/data/inflow.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, PATH = 4096 };

char **ak_class_names(const char *path, int64_t classes)
{
    char line[256], **names;
    int64_t count = 0;
    FILE *file;
    int fd;

    if (ak_confine_open(&fd, path) < 0) // names are for people: a set is as good without them
        return NULL;
    file = fdopen(fd, "r");
    if (!file)
        return NULL;
    names = ak_alloc((size_t)classes, sizeof *names);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!line[0])
            continue;
        if (count < classes)
            names[count] = ak_strdup(line);
        count++;
    }
    fclose(file);
    if (count == classes)
        return names;
    for (int64_t i = 0; i < classes; i++)
        free(names[i]);
    free(names);
    return NULL;
}

// One record: its label, and its planes as pixels.
static akssl_status read_record(ak_inflow *flow, const ak_cifar *how, uint8_t *pixels,
                                int64_t *label)
{
    uint8_t bytes[2 + 3 * PLANE], *plane = bytes + how->head;
    akssl_status rc = ak_inflow_read(flow, bytes, (size_t)how->head + 3 * PLANE);

    if (rc < 0)
        return rc;
    *label = plane[-1];
    if (*label >= how->classes)
        return ak_fail(AKSSL_ERR_CORRUPT,
                       "'%s': label %" PRId64 " is not in 0 to %d: is this the other CIFAR?",
                       ak_inflow_path(flow), *label, how->classes - 1);
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < 3; c++)
            pixels[3 * i + c] = plane[c * PLANE + i];
    return AKSSL_OK;
}

// Reads a file's records behind those that the set has; what is over the room is only checked.
static akssl_status read_file(ak_dataset *set, const ak_cifar *how, const char *path, int64_t most)
{
    size_t record = (size_t)how->head + 3 * PLANE;
    uint8_t spare[3 * PLANE];
    ak_inflow *flow;
    int64_t label;
    akssl_status rc = ak_inflow_open(&flow, path);

    if (rc < 0)
        return rc;
    if (ak_inflow_most(flow) % record || !ak_inflow_most(flow))
        rc = ak_fail(AKSSL_ERR_CORRUPT,
                     "'%s' is no whole number of records of %zu bytes: fetch it again (the binary "
                     "version)",
                     path, record);
    for (int64_t n = ak_inflow_most(flow) / (uint64_t)record; rc == AKSSL_OK && n; n--) {
        bool kept = set->size < most;

        rc = read_record(flow, how, kept ? set->pixels + set->size * 3 * PLANE : spare, &label);
        if (rc == AKSSL_OK && kept)
            set->labels[set->size++] = label;
    }
    if (rc == AKSSL_OK)
        rc = ak_inflow_end(flow);
    ak_inflow_close(flow);
    return rc;
}

static akssl_status count_records(const ak_cifar *how, const char *folder, ak_split split,
                                  int64_t *count)
{
    const char *const *files = how->files[split == AK_SPLIT_TEST];
    char path[PATH];

    for (*count = 0; *files; files++) {
        ak_inflow *flow;
        akssl_status rc;

        snprintf(path, sizeof path, "%.2048s/%.256s", folder, *files);
        rc = ak_inflow_open(&flow, path);
        if (rc < 0)
            return rc;
        *count += (int64_t)(ak_inflow_most(flow) / (uint64_t)(how->head + 3 * PLANE));
        ak_inflow_close(flow);
    }
    return AKSSL_OK;
}

akssl_status ak_cifar_open(ak_dataset *set, const ak_cifar *how, const char *folder, ak_split split,
                           int64_t limit)
{
    const char *const *files = how->files[split == AK_SPLIT_TEST];
    char inside[PATH], path[PATH];
    int64_t most;
    akssl_status rc;

    snprintf(inside, sizeof inside, "%.1024s/%.256s", folder, how->folder_inside);
    if (access(inside, F_OK) == 0)
        folder = inside;
    rc = count_records(how, folder, split, &most);
    if (rc < 0)
        return rc;
    most = limit > 0 && limit < most ? limit : most;
    set->height = set->width = SIDE;
    set->channels = 3;
    set->classes = how->classes;
    set->pixels = ak_try_alloc((size_t)most, 3 * PLANE);
    set->labels = ak_try_alloc((size_t)most, sizeof *set->labels);
    if (!set->pixels || !set->labels)
        return ak_wrap(AKSSL_ERR_NO_MEMORY, "'%s'", folder);
    for (; rc == AKSSL_OK && *files; files++) {
        snprintf(path, sizeof path, "%.2048s/%.256s", folder, *files);
        rc = read_file(set, how, path, most);
    }
    snprintf(path, sizeof path, "%.2048s/%.256s", folder, how->names);
    set->class_names = ak_class_names(path, set->classes);
    return rc;
}
