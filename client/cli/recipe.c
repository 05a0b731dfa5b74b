// client/cli/recipe.c -- recipes: specs that reproduce a published run, by name.

#include "client/cli/recipe.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cmd.h"

// beside gives the folder at `there` seen from the program's own, or fails.
static bool beside(const char *there, char folder[PATH_MAX])
{
    char program[PATH_MAX], path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);

    if (length <= 0)
        return false;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    return (size_t)snprintf(path, sizeof path, "%s/%s", program, there) < sizeof path &&
           realpath(path, folder);
}

static bool find_folder(char folder[PATH_MAX])
{
    const char *given = getenv("AKSSL_RECIPES");

    if (given && given[0])
        return realpath(given, folder);
    return beside("../share/akssl/recipes", folder) || beside("../../deploy/recipes", folder);
}

// A name is words of a file's path, and cannot lead out of the folder.
static bool is_name(const char *name)
{
    return name[0] && name[0] != '/' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-/")] == '\0';
}

// list_names prints " FOLDER/NAME" of each.
static void list_names(const char *folder, FILE *out)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        struct dirent **files = NULL;
        int file_count;

        if (entries[i]->d_name[0] != '.' && (size_t)snprintf(path, sizeof path, "%s/%s", folder,
                                                             entries[i]->d_name) < sizeof path) {
            file_count = scandir(path, &files, NULL, alphasort);
            for (int j = 0; j < file_count; j++) {
                const char *end = strrchr(files[j]->d_name, '.');

                if (end && strcmp(end, ".yaml") == 0)
                    fprintf(out, " %s/%.*s", entries[i]->d_name, (int)(end - files[j]->d_name),
                            files[j]->d_name);
                free(files[j]);
            }
            free(files);
        }
        free(entries[i]);
    }
    free(entries);
}

static int unknown(const char *name, const char *folder)
{
    char *names = NULL;
    size_t size;
    FILE *out = open_memstream(&names, &size);

    if (out) {
        list_names(folder, out);
        fclose(out);
    }
    ak_cli_error(AK_EXIT_USAGE, "submit: no recipe '%.64s' in '%s': give one of%s", name, folder,
                 names ? names : "");
    free(names);
    return AK_EXIT_USAGE;
}

int ak_recipe_load(const char *name, akssl_job_spec *spec)
{
    char folder[PATH_MAX], path[PATH_MAX];

    if (!find_folder(folder))
        return ak_cli_error(AK_EXIT_USAGE, "submit: there is no folder of recipes: name it in "
                                           "AKSSL_RECIPES (deploy/recipes of the source tree)");
    if (!is_name(name) ||
        (size_t)snprintf(path, sizeof path, "%s/%s.yaml", folder, name) >= sizeof path ||
        access(path, R_OK) < 0)
        return unknown(name, folder);
    if (akssl_job_spec_load_yaml(spec, path) < 0) {
        ak_cli_error(AK_EXIT_USAGE, "%s", akssl_last_error());
        return AK_EXIT_USAGE;
    }
    return AK_EXIT_DONE;
}
