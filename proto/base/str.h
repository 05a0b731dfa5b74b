// proto/base/str.h -- a growable string.

#ifndef AK_BASE_STR_H
#define AK_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

// A value: start from AK_STR_INIT, end with ak_str_fini.  text is NUL-terminated, never NULL
// after the first append.
typedef struct ak_str {
    char *text;
    size_t length, room;
} ak_str;

#define AK_STR_INIT                                                                                \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void ak_str_fini(ak_str *s);
void ak_str_clear(ak_str *s);
void ak_str_append(ak_str *s, const char *text);
void ak_str_append_n(ak_str *s, const void *bytes, size_t length);
void ak_str_format(ak_str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ak_str_json appends text as a JSON string, quotes included; NULL gives null.
void ak_str_json(ak_str *s, const char *text);

// ak_str_is_utf8 says whether text is UTF-8 as RFC 3629 has it: shortest forms, no surrogates.
bool ak_str_is_utf8(const char *text);

// ak_str_clean makes UTF-8 of a text that may be something else, or cut in the middle of a
// character: then '?' takes the place of all bytes above 0x7f.  Returns text.
char *ak_str_clean(char *text);

// ak_str_take gives the text away (free it with free()) and leaves s empty; never NULL.
char *ak_str_take(ak_str *s);

#endif
