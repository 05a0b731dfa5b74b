// tests/fuzz/fuzz.h -- what the fuzzers share: the entry point, bytes taken apart, a scratch
// folder.

#ifndef AK_TESTS_FUZZ_H
#define AK_TESTS_FUZZ_H

#include <ftw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

// FUZZ_CHECK ends the process when something that must hold does not.
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(2, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

// ---- an input, taken apart from its front; what is not there is 0

typedef struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
} fuzz_bytes;

static inline fuzz_bytes fuzz_take(fuzz_bytes *b, size_t size)
{
    fuzz_bytes part = { b->at, size < b->left ? size : b->left };

    if (part.left) { // an empty input may have no address
        b->at += part.left;
        b->left -= part.left;
    }
    return part;
}

static inline uint64_t fuzz_number(fuzz_bytes *b, size_t bytes)
{
    fuzz_bytes part = fuzz_take(b, bytes);
    uint64_t value = 0;

    for (size_t i = 0; i < part.left; i++)
        value |= (uint64_t)part.at[i] << (8 * i);
    return value;
}

// fuzz_part takes a part that says its length, in two bytes, before it.
static inline fuzz_bytes fuzz_part(fuzz_bytes *b)
{
    size_t size = (size_t)fuzz_number(b, 2);

    return fuzz_take(b, size);
}

// fuzz_text copies a part as a string of just its size, so that a read behind it is seen.
static inline char *fuzz_text(fuzz_bytes part)
{
    char *text = malloc(part.left + 1);

    FUZZ_CHECK(text);
    if (part.left)
        memcpy(text, part.at, part.left);
    text[part.left] = '\0';
    return text;
}

// fuzz_words cuts text at its line ends, in place, into at most `room` words; returns how many.
static inline int fuzz_words(char *text, char **words, int room)
{
    char *rest = NULL;
    int count = 0;

    for (char *at = strtok_r(text, "\n", &rest); at && count < room;
         at = strtok_r(NULL, "\n", &rest))
        words[count++] = at;
    return count;
}

// ---- files

static inline int fuzz_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    return at->level > 0 ? remove(path) : 0;
}

// fuzz_empty removes what is in a folder.
static inline void fuzz_empty(const char *folder)
{
    nftw(folder, fuzz_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fuzz_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    FUZZ_CHECK(file && fwrite(data, 1, size, file) == size);
    fclose(file);
}

// The process's scratch folder: made when first asked for, removed at its end.
static char fuzz_folder_path[256];

static inline void fuzz_folder_end(void)
{
    fuzz_empty(fuzz_folder_path);
    rmdir(fuzz_folder_path);
}

static inline const char *fuzz_folder(void)
{
    const char *parent = getenv("TMPDIR");

    if (fuzz_folder_path[0])
        return fuzz_folder_path;
    if (!parent)
        parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(fuzz_folder_path, sizeof fuzz_folder_path, "%s/akssl-fuzz-XXXXXX", parent);
    FUZZ_CHECK(mkdtemp(fuzz_folder_path));
    atexit(fuzz_folder_end);
    return fuzz_folder_path;
}

// fuzz_quiet sends what the code under test prints nowhere; the fuzzer and the sanitizers write to
// the descriptor, not to the stream.
static inline void fuzz_quiet(void)
{
    stdout = fopen("/dev/null", "w");
    stderr = fopen("/dev/null", "w");
    FUZZ_CHECK(stdout && stderr);
}

#endif
