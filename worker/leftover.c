// worker/leftover.c -- what OpenMPI leaves on a host when its daemon there is killed.

#include "worker/leftover.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_OPEN = 8, LINE = 4096 + 128 };

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    (void)remove(path); // another rank may have been quicker
    return 0;
}

static void remove_session(void)
{
    const char *family = getenv("OMPI_MCA_orte_jobfam_session_dir");
    const char *top = getenv("OMPI_MCA_orte_top_session_dir");

    if (!family || !top || !strstr(top, "/ompi.") || strncmp(family, top, strlen(top)) != 0 ||
        family[strlen(top)] != '/')
        return; // not as OpenMPI 4.1 names them
    (void)nftw(family, remove_one, MOST_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    (void)rmdir(top); // others' runs may be in it
}

static void remove_memory(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[LINE];

    while (maps && fgets(line, sizeof line, maps)) {
        char *path = strchr(line, '/'), *name;

        if (!path)
            continue;
        path[strcspn(path, "\n")] = '\0';
        name = strrchr(path, '/') + 1;
        if (strncmp(name, "vader_segment.", strlen("vader_segment.")) == 0)
            (void)unlink(path);
    }
    if (maps)
        fclose(maps);
}

void ak_leftover_remove(void)
{
    remove_memory();
    remove_session();
}
