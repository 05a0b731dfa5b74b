// daemon/auth/roots.c -- paths in a spec, resolved and compared.

#include "daemon/auth/roots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/files.h"
#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"

// Where Debian puts data sets: those that are named without a folder.
#define SYSTEM_SETS "/usr/share/datasets"

static akssl_status check_covered(const ak_roots *roots, const char *key, const char *path,
                                  const char *real)
{
    char *jobs = ak_path("%s/jobs", roots->state_dir);
    bool covered = ak_confine_covers(jobs, real) || ak_confine_covers(SYSTEM_SETS, real) ||
                   ak_confine_covers(roots->data_root, real);

    free(jobs);
    if (covered || (roots->admin && !roots->data_root[0]))
        return AKSSL_OK;
    if (!roots->data_root[0])
        return ak_fail(AKSSL_ERR_PERMISSION,
                       "%s '%s': akssld was started without --data-root, so only administrators "
                       "may name files: ask for one",
                       key, path);
    return ak_fail(AKSSL_ERR_PERMISSION,
                   "%s '%s' is outside the folders that akssld lets jobs read: move it below a "
                   "--data-root",
                   key, path);
}

static bool goes_up(const char *path)
{
    const char *last = strrchr(path, '/');

    return strstr(path, "/../") || (last && strcmp(last, "/..") == 0);
}

static akssl_status check(const ak_roots *roots, const char *key, const char *path)
{
    char *real;
    akssl_status rc;

    if (!path || !path[0] || (roots->admin && !roots->data_root[0]))
        return AKSSL_OK;
    if (path[0] != '/')
        return ak_fail(AKSSL_ERR_INVALID, "%s '%s': give an absolute path", key, path);
    real = realpath(path, NULL);
    if (real)
        rc = check_covered(roots, key, path, real);
    else // what is not there must not be told of outside the roots
        rc = check_covered(roots, key, path, goes_up(path) ? "/" : path);
    if (!real && rc == AKSSL_OK)
        rc = ak_fail_errno(errno, "%s '%s'", key, path);
    free(real);
    return rc;
}

// A pattern counts as the folder that it begins in, and so does a file that is yet to be made: the
// workers look at the files themselves, where there are roots.
static akssl_status check_place(const ak_roots *roots, char *place, bool made)
{
    char *brace = strchr(place, '{'), *slash;

    if ((brace || made) && !roots->admin && !roots->data_root[0])
        return ak_fail(AKSSL_ERR_PERMISSION,
                       "dataset '%s': akssld was started without --data-root, so only "
                       "administrators may name patterns, and files that are yet to be made: ask "
                       "for one",
                       place);
    if (brace)
        *brace = '\0';
    slash = strrchr(place, '/');
    if (slash && (brace || (made && access(place, F_OK) < 0)))
        slash[slash == place] = '\0';
    return check(roots, "dataset", place);
}

// KIND:PLACE, and further places behind ",test=", "::" or ",from=KIND:".
static akssl_status check_dataset(const ak_roots *roots, const char *dataset)
{
    static const char *const marks[] = { ",test=", "::", ",from=" };
    char *text = ak_strdup(dataset), *at = strchr(text, ':');
    akssl_status rc = AKSSL_OK;

    at = at ? at + 1 : NULL;
    while (at && rc == AKSSL_OK) {
        char *next = NULL, *place = at;
        int which = 0;

        for (int i = 0; i < 3; i++) {
            char *found = strstr(at, marks[i]);

            if (found && (!next || found < next)) {
                next = found;
                which = i;
            }
        }
        at = next ? next + strlen(marks[which]) : NULL;
        if (next)
            *next = '\0';
        if (next && which == 2) {
            at = strchr(at, ':');
            at = at ? at + 1 : NULL;
        }
        rc = check_place(roots, place, next && which == 2);
    }
    free(text);
    return rc;
}

bool ak_roots_asks(const ak_roots *roots, const ak_spec *spec)
{
    if (roots->admin && !roots->data_root[0])
        return false;
    return strchr(spec->dataset, ':') || spec->train_list[0] || spec->test_list[0] ||
           spec->classes[0] == '@' || spec->weights[0] || spec->init_backbone[0];
}

akssl_status ak_roots_check(const ak_roots *roots, const ak_spec *spec)
{
    akssl_status rc = check_dataset(roots, spec->dataset);

    if (rc == AKSSL_OK)
        rc = check(roots, "train-list", spec->train_list);
    if (rc == AKSSL_OK)
        rc = check(roots, "test-list", spec->test_list);
    if (rc == AKSSL_OK && spec->classes[0] == '@')
        rc = check(roots, "classes", spec->classes + 1);
    if (rc == AKSSL_OK)
        rc = check(roots, "weights", spec->weights);
    if (rc == AKSSL_OK)
        rc = check(roots, "init-backbone", spec->init_backbone);
    return rc;
}

void ak_roots_announce(const ak_config *config)
{
    char *roots;

    unsetenv(AK_CONFINE_ROOTS);
    if (!config->data_root[0])
        return;
    roots = ak_path("%s\n%s/jobs\n%s/tmp\n" SYSTEM_SETS, config->data_root, config->state_dir,
                    config->state_dir);
    setenv(AK_CONFINE_ROOTS, roots, 1);
    free(roots);
}
