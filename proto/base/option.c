// proto/base/option.c -- a table of options, bound to the fields of a struct.

#include "proto/base/option.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"

static void *field(const ak_option *row, void *object)
{
    return (char *)object + row->offset;
}

static void put_string(const ak_option *row, void *object, const char *text)
{
    char **at = field(row, object);

    free(*at);
    *at = ak_strdup(text);
}

void ak_option_defaults(const ak_option *table, void *object)
{
    for (const ak_option *row = table; row->name; row++) {
        switch (row->type) {
        case AK_OPTION_TYPE_INT:
            *(int64_t *)field(row, object) = (int64_t)row->initial;
            break;
        case AK_OPTION_TYPE_FLOAT:
            *(double *)field(row, object) = row->initial;
            break;
        case AK_OPTION_TYPE_BOOL:
            *(bool *)field(row, object) = row->initial != 0;
            break;
        case AK_OPTION_TYPE_STRING:
            put_string(row, object, row->initial_string);
            break;
        }
    }
}

bool ak_option_same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !(strchr("-_", *a) && strchr("-_", *b)))
            return false;
    return *a == *b;
}

const ak_option *ak_option_find(const ak_option *table, const char *name)
{
    for (const ak_option *row = table; row->name; row++)
        if (ak_option_same_name(row->name, name))
            return row;
    return NULL;
}

akssl_status ak_parse_int(const char *text, int64_t *out)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (end == text || *end || errno == ERANGE)
        return ak_fail(AKSSL_ERR_INVALID, "'%.64s' is not a whole number", text);
    *out = value;
    return AKSSL_OK;
}

akssl_status ak_parse_float(const char *text, double *out)
{
    char *end;
    double value;

    value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return ak_fail(AKSSL_ERR_INVALID, "'%.64s' is not a finite number", text);
    *out = value;
    return AKSSL_OK;
}

static int parse_bool(const char *text)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

    for (int i = 0; i < 8; i++)
        if (strcmp(text, words[i]) == 0)
            return i & 1;
    return -1;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);

    if (strchr(value, '|'))
        return false;
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, value, length) == 0 && (at[length] == '|' || !at[length]))
            return true;
    return false;
}

static akssl_status out_of_range(const ak_option *row, const char *value)
{
    return ak_fail(AKSSL_ERR_INVALID, "%s %.64s is out of range: give %.10g to %.10g", row->name,
                   value, row->min, row->max);
}

static akssl_status set_number(const ak_option *row, void *object, const char *value)
{
    akssl_status rc;
    int64_t whole = 0;
    double real = 0;

    if (row->type == AK_OPTION_TYPE_INT) {
        rc = ak_parse_int(value, &whole);
        if (rc < 0)
            return ak_wrap(rc, "%s", row->name);
        if ((double)whole < row->min || (double)whole > row->max)
            return out_of_range(row, value);
        *(int64_t *)field(row, object) = whole;
        return AKSSL_OK;
    }
    rc = ak_parse_float(value, &real);
    if (rc < 0)
        return ak_wrap(rc, "%s", row->name);
    if (real < row->min || real > row->max)
        return out_of_range(row, value);
    *(double *)field(row, object) = real;
    return AKSSL_OK;
}

static akssl_status unknown(const ak_option *table, const char *name)
{
    ak_str known = AK_STR_INIT;

    ak_str_append(&known, "");
    for (const ak_option *row = table; row->name; row++)
        ak_str_format(&known, "%s%s", row == table ? "" : ", ", row->name);
    (void)ak_fail(AKSSL_ERR_NOT_FOUND, "no option '%.64s': there are %s", name,
                  known.length ? known.text : "none");
    ak_str_fini(&known);
    return AKSSL_ERR_NOT_FOUND;
}

akssl_status ak_option_set(const ak_option *table, void *object, const char *name,
                           const char *value)
{
    const ak_option *row = ak_option_find(table, name);

    if (!row)
        return unknown(table, name);
    switch (row->type) {
    case AK_OPTION_TYPE_INT:
    case AK_OPTION_TYPE_FLOAT:
        return set_number(row, object, value);
    case AK_OPTION_TYPE_BOOL:
        if (parse_bool(value) < 0)
            return ak_fail(AKSSL_ERR_INVALID, "%s '%.64s': give true or false", row->name, value);
        *(bool *)field(row, object) = parse_bool(value) == 1;
        return AKSSL_OK;
    case AK_OPTION_TYPE_STRING:
        if (row->choices && !is_choice(row->choices, value))
            return ak_fail(AKSSL_ERR_INVALID, "%s '%.64s' is not one of %s", row->name, value,
                           row->choices);
        put_string(row, object, value);
        return AKSSL_OK;
    }
    return ak_fail(AKSSL_ERR_INTERNAL, "option %s has no type", row->name);
}

void ak_option_text(const ak_option *row, const void *object, char *text, size_t size)
{
    const char *at = (const char *)object + row->offset;
    const char *string;
    double real;

    switch (row->type) {
    case AK_OPTION_TYPE_INT:
        snprintf(text, size, "%" PRId64, *(const int64_t *)at);
        break;
    case AK_OPTION_TYPE_FLOAT:
        real = *(const double *)at;
        for (int digits = 10; digits <= 17; digits++) { // the fewest that read back the same
            snprintf(text, size, "%.*g", digits, real);
            if (strtod(text, NULL) == real)
                break;
        }
        break;
    case AK_OPTION_TYPE_BOOL:
        snprintf(text, size, "%s", *(const bool *)at ? "true" : "false");
        break;
    case AK_OPTION_TYPE_STRING:
        string = *(char *const *)at;
        snprintf(text, size, "%s", string ? string : "");
        break;
    }
}

static void choices_json(const char *choices, ak_str *text)
{
    const char *separator = "";

    ak_str_append(text, ", \"choices\": [");
    for (const char *at = choices; at; separator = ", ") {
        const char *end = strchr(at, '|');
        char *word = end ? strndup(at, (size_t)(end - at)) : ak_strdup(at);

        ak_str_append(text, separator);
        ak_str_json(text, word);
        free(word);
        at = end ? end + 1 : NULL;
    }
    ak_str_append(text, "]");
}

void ak_option_json(const ak_option *table, ak_str *text)
{
    static const char *const types[] = { "", "int", "float", "bool", "string" };

    ak_str_append(text, "[");
    for (const ak_option *row = table; row->name; row++) {
        ak_str_format(text, "%s{\"name\": \"%s\", \"type\": \"%s\", \"default\": ",
                      row == table ? "" : ", ", row->name, types[row->type]);
        if (row->type == AK_OPTION_TYPE_STRING)
            ak_str_json(text, row->initial_string);
        else if (row->type == AK_OPTION_TYPE_BOOL)
            ak_str_append(text, row->initial != 0 ? "true" : "false");
        else
            ak_str_format(text, "%.10g, \"min\": %.10g, \"max\": %.10g", row->initial, row->min,
                          row->max);
        if (row->type == AK_OPTION_TYPE_STRING && row->choices)
            choices_json(row->choices, text);
        ak_str_append(text, ", \"help\": ");
        ak_str_json(text, row->help);
        ak_str_append(text, "}");
    }
    ak_str_append(text, "]");
}

void ak_option_fini(const ak_option *table, void *object)
{
    for (const ak_option *row = table; row->name; row++) {
        if (row->type != AK_OPTION_TYPE_STRING)
            continue;
        free(*(char **)field(row, object));
        *(char **)field(row, object) = NULL;
    }
}
