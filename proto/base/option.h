// proto/base/option.h -- a table of options, bound to the fields of a struct.
//
// One table per method, augmentation recipe, backbone or program: it parses "key=value" text,
// checks ranges, and is printed as help and as catalogue, so that a row is also its manual.

#ifndef AK_BASE_OPTION_H
#define AK_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"
#include "proto/base/str.h"

typedef enum ak_option_type {
    AK_OPTION_TYPE_INT = 1, // int64_t
    AK_OPTION_TYPE_FLOAT,   // double
    AK_OPTION_TYPE_BOOL,    // bool; true false yes no on off 1 0
    AK_OPTION_TYPE_STRING,  // char *, heap, owned by the struct
} ak_option_type;

typedef struct ak_option {
    const char *name;
    const char *help;
    ak_option_type type;
    size_t offset;
    double initial, min, max;   // INT, FLOAT, BOOL; min and max are inclusive
    const char *initial_string; // STRING
    const char *choices;        // STRING: "a|b|c", or NULL for any text
} ak_option;

#define AK_OPTION_INT(type_, field, initial_, min_, max_, help_)                                   \
    {                                                                                              \
        .name = #field, .help = help_, .type = AK_OPTION_TYPE_INT,                                 \
        .offset = offsetof(type_, field), .initial = initial_, .min = min_, .max = max_            \
    }
#define AK_OPTION_FLOAT(type_, field, initial_, min_, max_, help_)                                 \
    {                                                                                              \
        .name = #field, .help = help_, .type = AK_OPTION_TYPE_FLOAT,                               \
        .offset = offsetof(type_, field), .initial = initial_, .min = min_, .max = max_            \
    }
#define AK_OPTION_BOOL(type_, field, initial_, help_)                                              \
    {                                                                                              \
        .name = #field, .help = help_, .type = AK_OPTION_TYPE_BOOL,                                \
        .offset = offsetof(type_, field), .initial = initial_, .min = 0, .max = 1                  \
    }
#define AK_OPTION_STRING(type_, field, initial_, choices_, help_)                                  \
    {                                                                                              \
        .name = #field, .help = help_, .type = AK_OPTION_TYPE_STRING,                              \
        .offset = offsetof(type_, field), .initial_string = initial_, .choices = choices_          \
    }
#define AK_OPTION_END                                                                              \
    {                                                                                              \
        .name = NULL                                                                               \
    }

// ak_option_defaults sets every field of object to its row's initial value.
void ak_option_defaults(const ak_option *table, void *object);

// ak_option_set parses value into the field called name ('-' in name reads as '_').
// ERR_NOT_FOUND for an unknown name (the sentence lists the known ones), ERR_INVALID for a value
// that does not parse, is not finite, is out of range or not among the choices.
akssl_status ak_option_set(const ak_option *table, void *object, const char *name,
                           const char *value) AKSSL_MUST_CHECK;

// ak_option_text prints the field's value as ak_option_set reads it; cut to size bytes.
void ak_option_text(const ak_option *row, const void *object, char *text, size_t size);

// ak_option_find gives the row called name, or NULL.
const ak_option *ak_option_find(const ak_option *table, const char *name);

// ak_option_json appends the table as a JSON array of {"name", "type", "default", "min", "max",
// "choices", "help"}; min and max only for numbers, choices only where they are few.
void ak_option_json(const ak_option *table, ak_str *text);

// ak_option_same_name compares names in which '-' and '_' are one.
bool ak_option_same_name(const char *a, const char *b);

// ak_option_fini frees the strings of object.
void ak_option_fini(const ak_option *table, void *object);

// ak_parse_int and ak_parse_float read a whole text, or fail with ERR_INVALID and no sentence of
// the caller's: wrap it.  The result is finite.
akssl_status ak_parse_int(const char *text, int64_t *out) AKSSL_MUST_CHECK;
akssl_status ak_parse_float(const char *text, double *out) AKSSL_MUST_CHECK;

#endif
