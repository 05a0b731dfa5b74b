// worker/data/records.h -- private to worker/data: files of images all of one size, in planes.

#ifndef AK_DATA_RECORDS_H
#define AK_DATA_RECORDS_H

#include "worker/data/kind.h"

// How CIFAR's binary files lie: records of `head` bytes, the last of which is the label, then a
// red, a green and a blue plane of 32 x 32.
typedef struct ak_cifar {
    const char *folder_inside;   // where the archive unpacks to
    const char *const *files[2]; // of the training part, of the held-out one; end with NULL
    const char *names;           // file of class names, one a line
    int head, classes;
} ak_cifar;

// ak_cifar_open fills set from a folder, or the folder of that name inside it.
akssl_status ak_cifar_open(ak_dataset *set, const ak_cifar *how, const char *folder, ak_split split,
                           int64_t limit) AKSSL_MUST_CHECK;

// ak_class_names reads a text file with one name a line; NULL when there is none, or when it has
// not just as many names.
char **ak_class_names(const char *path, int64_t classes);

#endif
