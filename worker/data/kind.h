// worker/data/kind.h -- a kind of data set: one file, one row in datasets.def.

#ifndef AK_DATA_KIND_H
#define AK_DATA_KIND_H

#include "worker/data/dataset.h"

// The bytes of one image as they are stored: borrowed from the source, or in memory that
// ak_stored_reserve gave.
typedef struct ak_stored {
    const uint8_t *bytes;
    size_t size;
    ak_reading *reading; // whose memory to use
} ak_stored;

// ak_stored_reserve gives size bytes, the reading's.
akssl_status ak_stored_reserve(ak_stored *stored, size_t size, uint8_t **bytes) AKSSL_MUST_CHECK;

// How a set gets at images that are not all in memory.  Indices are of the set before anything was
// chosen.  Any thread.
typedef struct ak_source {
    // load gives the bytes of an image.  A file that is gone or has changed is neither ERR_CORRUPT
    // nor ERR_LIMIT nor ERR_UNSUPPORTED, which are said of images.
    akssl_status (*load)(const void *self, int64_t index, ak_stored *out);
    // picture makes an image of them; NULL: they are a file of some image format.
    akssl_status (*picture)(const void *self, int64_t index, const ak_stored *stored,
                            ak_image_room *room, ak_image *out);
    int64_t (*size)(const void *self, int64_t index);            // of its bytes
    void (*name)(const void *self, int64_t index, ak_str *text); // NULL: its number
    void (*close)(void *self);
} ak_source;

// All images of a set have one size and lie one after the other (pixels), or have a source.  The
// arrays are the set's, from malloc or ak_try_alloc.
struct ak_dataset {
    // The kind's.
    uint8_t *pixels;
    int64_t height, width;
    int channels;
    const ak_source *source;
    void *self;
    int64_t size;
    int64_t *labels;    // NULL: none; -1: this one has none
    int64_t classes;    // of the whole split, whatever the limit
    char **class_names; // [classes], or NULL
    bool passing; // what is opened later will be another set of the same images: no fingerprint
    // dataset.c's.
    bool look;        // before the kind opens it: as ak_dataset_ask's
    uint32_t *chosen; // [size]: which images; NULL: all, in order
    bool skip_bad;
    struct ak_bad *bad;
    struct ak_kept *kept; // images decoded with kept_least; NULL: none
    int64_t kept_least;
};

typedef struct ak_dataset_kind {
    const char *name;     // as users type it, but for '-' and '_'; equals the file name
    const char *title;    // one line for the catalogue
    const char *argument; // what stands behind the colon, for people: "FOLDER", "[FOLDER]" or NULL

    // open fills set, which is zeroed; argument is NULL when the name has no colon, else what
    // stands behind it.  limit > 0: no more than the first N will be asked for.  On failure the
    // caller frees what set holds.
    akssl_status (*open)(ak_dataset *set, const char *argument, ak_split split, int64_t limit);
} ak_dataset_kind;

// ak_dataset_place cuts ",test=" and what follows off an argument: the place of the split
// that is asked for is copied to place.  *named tells that the test part was named.
akssl_status ak_dataset_place(const char *argument, ak_split split, char place[4096],
                              bool *named) AKSSL_MUST_CHECK;

#endif
