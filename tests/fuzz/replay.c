// tests/fuzz/replay.c -- runs a fuzzer's entry point on files, where there is no libFuzzer.
//
//     PROGRAM FILE-OR-FOLDER...

#include <dirent.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

// A fuzzer that needs nothing beforehand defines none of its own.
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size >= 0) {
        rewind(file);
        bytes = malloc(size ? (size_t)size : 1); // exactly: a read behind it is seen
    }
    if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        dprintf(2, "%s cannot be read\n", path);
        exit(2);
    }
    fclose(file);
    dprintf(1, "%s\n", path);
    LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
    return true;
}

static int replay_folder(const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort), count = 0;

    for (int i = 0; i < n; i++) {
        char file[4096];

        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            count += replay_file(file);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;

    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        struct stat st;

        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            count += replay_folder(argv[i]);
        else
            count += replay_file(argv[i]);
    }
    dprintf(1, "%d inputs\n", count);
    return count ? 0 : 2;
}
