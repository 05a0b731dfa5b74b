// proto/base/str.c -- a growable string.

#include "proto/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

static void reserve(ak_str *s, size_t more)
{
    size_t need = s->length + more + 1;

    if (need <= s->room)
        return;
    s->room = need < 64 ? 64 : need * 2;
    s->text = ak_realloc(s->text, s->room, 1);
    s->text[s->length] = '\0';
}

void ak_str_fini(ak_str *s)
{
    free(s->text);
    *s = (ak_str)AK_STR_INIT;
}

void ak_str_clear(ak_str *s)
{
    s->length = 0;
    if (s->text)
        s->text[0] = '\0';
}

void ak_str_append_n(ak_str *s, const void *bytes, size_t length)
{
    reserve(s, length);
    if (length)
        memcpy(s->text + s->length, bytes, length);
    s->length += length;
    s->text[s->length] = '\0';
}

void ak_str_append(ak_str *s, const char *text)
{
    ak_str_append_n(s, text, strlen(text));
}

void ak_str_format(ak_str *s, const char *format, ...)
{
    va_list args;
    int need;

    va_start(args, format);
    need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need < 0)
        return;
    reserve(s, (size_t)need);
    va_start(args, format);
    vsnprintf(s->text + s->length, (size_t)need + 1, format, args);
    va_end(args);
    s->length += (size_t)need;
}

void ak_str_json(ak_str *s, const char *text)
{
    if (!text) {
        ak_str_append(s, "null");
        return;
    }
    ak_str_append(s, "\"");
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            ak_str_format(s, "\\u%04x", (unsigned char)*text);
        else
            ak_str_format(s, "%s%c", strchr("\"\\", *text) ? "\\" : "", *text);
    }
    ak_str_append(s, "\"");
}

bool ak_str_is_utf8(const char *text)
{
    static const unsigned lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *at = (const unsigned char *)text;

    while (*at) {
        unsigned first = *at++, code;
        int length = first < 0x80   ? 1
                     : first < 0xc2 ? 0
                     : first < 0xe0 ? 2
                     : first < 0xf0 ? 3
                     : first < 0xf5 ? 4
                                    : 0;

        if (length == 0)
            return false;
        code = length == 1 ? first : first & (0x7fu >> length);
        for (int i = 1; i < length; i++, at++) {
            if ((*at & 0xc0) != 0x80)
                return false;
            code = code << 6 | (*at & 0x3fu);
        }
        if (code < lowest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
    }
    return true;
}

char *ak_str_clean(char *text)
{
    if (!ak_str_is_utf8(text))
        for (char *at = text; *at; at++)
            *at = (unsigned char)*at < 0x80 ? *at : '?';
    return text;
}

char *ak_str_take(ak_str *s)
{
    char *text;

    reserve(s, 0);
    text = s->text;
    *s = (ak_str)AK_STR_INIT;
    return text;
}
