// worker/data/dataset.h -- labelled images by index; one file and one row in datasets.def each.
//
// A data set is named by --dataset NAME or NAME:ARGUMENT.  Its images are in memory, or are read
// and decoded one by one; who uses them sees no difference but in time.

#ifndef AK_DATA_DATASET_H
#define AK_DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"
#include "proto/base/str.h"
#include "proto/format/digest.h"
#include "worker/image/decode.h"
#include "worker/image/image.h"

typedef struct ak_dataset ak_dataset;

// ak_split says which part: the one to train on, or the held-out one (of evaluations).
typedef enum ak_split { AK_SPLIT_TRAIN = 1, AK_SPLIT_TEST } ak_split;

// What is asked of a data set; texts are borrowed for the call, NULL is as good as "".
typedef struct ak_dataset_ask {
    const char *name;
    ak_split split;
    const char *list;    // a file that names the images to use, one a line (select.h)
    const char *classes; // names or numbers of the classes to use, by commas, or @FILE of them
    int64_t limit;       // use the first N of what these leave; 0: all
    bool look;           // what would be made on first use is not: its images come from elsewhere
    bool skip_bad;       // another image stands in for a bad one; else reading one fails
} ak_dataset_ask;

// ak_dataset_open reads or lists the set and checks what can be checked without decoding: a
// missing, truncated or damaged file is ERR_NOT_FOUND or ERR_CORRUPT with its path.
akssl_status ak_dataset_open(ak_dataset **out, const ak_dataset_ask *ask) AKSSL_MUST_CHECK;
void ak_dataset_close(ak_dataset *set); // NULL-safe

int64_t ak_dataset_size(const ak_dataset *set);
int64_t ak_dataset_label(const ak_dataset *set, int64_t index);     // -1: none
int64_t ak_dataset_classes(const ak_dataset *set);                  // labels are 0..classes-1
const char *ak_dataset_class(const ak_dataset *set, int64_t label); // its name, or NULL

// ak_dataset_name appends what an image is called: its file, or its number.
void ak_dataset_name(const ak_dataset *set, int64_t index, ak_str *text);

// Memory of a thread that reads images; {0} to begin with.  Keeps the last image, so that several
// views of one are decoded once.
typedef struct ak_reading {
    ak_image_room room;
    uint8_t *stored; // bytes of a file
    size_t stored_room;
    const ak_dataset *set;
    int64_t index, least;
    ak_image image;
    struct ak_kept_image *held; // of what `set` keeps
} ak_reading;

// ak_reading_fini comes before its set is closed.
void ak_reading_fini(ak_reading *reading);

// ak_dataset_decodes says whether images are decoded one by one, from files of an image format.
bool ak_dataset_decodes(const ak_dataset *set);

// ak_dataset_keep has a set whose images are decoded one by one keep up to `bytes` of them in
// memory, as they are with this `least`: those whose decoding is worth it (worker/data/kept.h).  At
// most once, before anything is read with it.
void ak_dataset_keep(ak_dataset *set, int64_t least, size_t bytes);

// What another process of the same user and host needs to share what a set keeps.
typedef struct ak_kept_key {
    int64_t process, descriptor;
    uint64_t inode;
} ak_kept_key;

// ak_dataset_kept is the key of what the set keeps; all zeros when it keeps nothing.
// ak_dataset_keep_with shares that from here, instead of ak_dataset_keep with the same arguments:
// each process reads what any of them decodes.  false: it cannot, and the set keeps nothing.
// ak_dataset_keep_nothing takes either back, before anything is read.
ak_kept_key ak_dataset_kept(const ak_dataset *set);
bool ak_dataset_keep_with(ak_dataset *set, int64_t least, size_t bytes,
                          const ak_kept_key *key) AKSSL_MUST_CHECK;
void ak_dataset_keep_nothing(ak_dataset *set);

// ak_dataset_keeps says whether it does: not where nothing is decoded.
bool ak_dataset_keeps(const ak_dataset *set);

// ak_dataset_ahead decodes an image that will be read soon, if it is not kept, and keeps it at
// least until then where half of the room suffices.  A failure is nobody's: reading it will fail
// again. Only of a set that keeps images; any thread, a reading each that reads nothing else.
void ak_dataset_ahead(const ak_dataset *set, int64_t index, ak_reading *reading);

// ak_dataset_read gives an image, borrowed from the set or from reading until its next use.  With
// least > 0 a side may have been reduced, but not below `least`.  Any thread, a reading each.
//
// A bad image (by its bytes alone: worker/image/decode.h) is ERR_CORRUPT, ERR_LIMIT or
// ERR_UNSUPPORTED; or the next image of the same label stands in for it, which is the same one on
// every rank, thread and restart.  A file that cannot be read, or has another size than at first,
// is never taken for a bad image.
akssl_status ak_dataset_read(const ak_dataset *set, int64_t index, int64_t least,
                             ak_reading *reading, ak_image *out) AKSSL_MUST_CHECK;

// ak_dataset_bad says whether an image was found bad so far; ak_dataset_next_bad gives a sentence
// about the next one that was not told yet, false: none.  It tells at most AK_BAD_TOLD, one of
// which says that there are more.  Any thread.
enum { AK_BAD_TOLD = 100 };
bool ak_dataset_bad(const ak_dataset *set, int64_t index);
bool ak_dataset_next_bad(const ak_dataset *set, ak_str *sentence);

// ak_dataset_fingerprint gives a digest of what was asked for: names, labels and sizes of all
// images, and the bytes of all of them or, in a set over 256 MiB or 50000 files, of every n-th.
// "" when it would not be that of the set that is opened next time (`look`).
akssl_status ak_dataset_fingerprint(const ak_dataset *set,
                                    char digest[AK_DIGEST_TEXT]) AKSSL_MUST_CHECK;

// ak_datasets_json appends every row as a JSON array (for the catalogue).
void ak_datasets_json(ak_str *text);

#endif
