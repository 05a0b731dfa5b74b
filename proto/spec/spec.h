// proto/spec/spec.h -- a job's specification: the one table of its keys.
//
// The keys are the command line's flags (--batch-norm), the YAML file's names (batch-norm: sync)
// and the wire's fields (batch_norm).  All three programs read this table, so that they cannot
// disagree.  What a key's value means (does the method exist, does its option?) is the worker's
// to judge: `akssl-worker check`.

#ifndef AK_SPEC_SPEC_H
#define AK_SPEC_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"
#include "proto/base/option.h"
#include "proto/base/str.h"

enum { AK_SPEC_MAX_PAIRS = 64, AK_SPEC_MAX_TEXT = 4096, AK_SPEC_MAX_FILE = 65536 };

// key=value pairs as --option and --augment give them, in the order given; a key given again
// replaces its value.  Owned by the spec.
typedef struct ak_spec_pairs {
    char **keys, **values;
    int count;
} ak_spec_pairs;

enum { // rows of the table
    AK_SPEC_KEYS = 0
#define AK_SPEC_STRING(name, initial, choices, help) +1
#define AK_SPEC_INT(name, initial, min, max, help) +1
#define AK_SPEC_FLOAT(name, initial, min, max, help) +1
#include "proto/spec/spec.def"
#undef AK_SPEC_STRING
#undef AK_SPEC_INT
#undef AK_SPEC_FLOAT
};

typedef struct ak_spec {
#define AK_SPEC_STRING(name, initial, choices, help) char *name;
#define AK_SPEC_INT(name, initial, min, max, help) int64_t name;
#define AK_SPEC_FLOAT(name, initial, min, max, help) double name;
#include "proto/spec/spec.def"
#undef AK_SPEC_STRING
#undef AK_SPEC_INT
#undef AK_SPEC_FLOAT
    ak_spec_pairs option, augment;
    bool given[AK_SPEC_KEYS]; // by row of the table: was set, be it to its default
} ak_spec;

// ak_spec_table gives one row per key except option and augment; ends with a NULL name.
const ak_option *ak_spec_table(void);

// ak_spec_init sets the defaults.  ak_spec_fini frees what the spec holds; NULL-safe.
void ak_spec_init(ak_spec *spec);
void ak_spec_fini(ak_spec *spec);

// ak_spec_set sets one key from text; for "option" and "augment", value is "key=value" (several
// are joined by commas).  Names may use '-' or '_'.  Failure leaves the spec unchanged.
akssl_status ak_spec_set(ak_spec *spec, const char *name, const char *value) AKSSL_MUST_CHECK;

// ak_spec_pair adds or replaces one pair; 1 to AK_SPEC_MAX_PAIRS.  In a key '-' and '_' are one,
// and the first spelling stays; what is not UTF-8 is refused, here and in ak_spec_set.
akssl_status ak_spec_pair(ak_spec_pairs *pairs, const char *key,
                          const char *value) AKSSL_MUST_CHECK;

// ak_spec_pair_find gives the value of key, or NULL.
const char *ak_spec_pair_find(const ak_spec_pairs *pairs, const char *key);

// ak_spec_pair_remove forgets a key; fine if there is none.
void ak_spec_pair_remove(ak_spec_pairs *pairs, const char *key);

// ak_spec_pairs_fini frees what pairs hold that are no spec's.
void ak_spec_pairs_fini(ak_spec_pairs *pairs);

// ak_spec_check_ranks refuses a number of ranks that does not divide shards; 0 is fine.
akssl_status ak_spec_check_ranks(const ak_spec *spec, int64_t ranks) AKSSL_MUST_CHECK;

// ak_spec_copy makes an independent copy in *to, which must not hold anything yet.
void ak_spec_copy(ak_spec *to, const ak_spec *from);

// ak_spec_read_yaml applies a YAML mapping of the same names on top of spec: scalars, and for
// option and augment a mapping or a list of "key=value".  An unknown or repeated key, a nested
// value, an alias, or a text over AK_SPEC_MAX_FILE bytes is an error; origin names the text in it.
akssl_status ak_spec_read_yaml(ak_spec *spec, const char *text, size_t length,
                               const char *origin) AKSSL_MUST_CHECK;

// ak_spec_read_file is the same for a file.
akssl_status ak_spec_read_file(ak_spec *spec, const char *path) AKSSL_MUST_CHECK;

// ak_spec_write_yaml appends every key in the table's order; ak_spec_read_yaml gives it back.
akssl_status ak_spec_write_yaml(const ak_spec *spec, ak_str *text) AKSSL_MUST_CHECK;

#endif
