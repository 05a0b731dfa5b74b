// tests/system/directory.c -- preloaded into akssld: a list of users that hangs, as of a directory
// whose server does not answer.
//
// AKSSL_TEST_FOLDER/hang-UID is there: getpwuid_r(UID) waits until it is not.

#include <dlfcn.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef int lookup(uid_t uid, struct passwd *entry, char *text, size_t size, struct passwd **found);

__attribute__((visibility("default"))) int getpwuid_r(uid_t uid, struct passwd *entry, char *text,
                                                      size_t size, struct passwd **found)
{
    const char *folder = getenv("AKSSL_TEST_FOLDER");
    char path[4096];
    lookup *real;

    snprintf(path, sizeof path, "%s/hang-%lu", folder ? folder : "", (unsigned long)uid);
    while (folder && access(path, F_OK) == 0)
        usleep(20000);
    *(void **)&real = dlsym(RTLD_NEXT, "getpwuid_r");
    return real(uid, entry, text, size, found);
}
