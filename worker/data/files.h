// worker/data/files.h -- private to worker/data: images as pieces of files, by name.

#ifndef AK_DATA_FILES_H
#define AK_DATA_FILES_H

#include "worker/data/kind.h"

typedef struct ak_file {
    char *name;     // the image's, as people know it; owned
    uint32_t path;  // of ak_files' paths
    int64_t offset; // -1: the image is a file of its own, PATH/NAME
    int64_t size;
} ak_file;

typedef struct ak_files {
    char **paths; // files, or folders of files
    ak_file *file;
    int64_t *labels; // [count]; -1: none
    int64_t count, room, path_count;
} ak_files;

// ak_files_path adds a path; its number is path_count - 1.
void ak_files_path(ak_files *files, const char *path);

// ak_files_add takes the name.
akssl_status ak_files_add(ak_files *files, ak_file file, int64_t label) AKSSL_MUST_CHECK;
void ak_files_fini(ak_files *files);

// ak_files_give makes the images, as far as the limit, those of set and leaves files empty.
void ak_files_give(ak_files *files, ak_dataset *set, int64_t limit);

#endif
