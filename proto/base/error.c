// proto/base/error.c -- the thread's last failure, as a sentence.

#include "proto/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE = 1024 };

static _Thread_local char sentence[SENTENCE];
static _Thread_local bool told;

const char *akssl_strstatus(akssl_status status)
{
    switch (status) {
#define TEXT(name, number, text)                                                                   \
    case AKSSL_##name:                                                                             \
        return text;
        AKSSL_STATUS_MAP(TEXT)
#undef TEXT
    case AKSSL_OK:
        return "ok";
    }
    return "unknown status";
}

const char *akssl_last_error(void)
{
    return sentence;
}

const char *ak_error_text(void)
{
    return sentence;
}

akssl_status ak_fail(akssl_status code, const char *format, ...)
{
    char text[SENTENCE]; // the arguments may point into the old sentence
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(sentence, text, sizeof text);
    told = false;
    return code;
}

akssl_status ak_fail_told(akssl_status code, const char *answer)
{
    code = ak_fail(code, "%s", answer);
    told = true;
    return code;
}

bool ak_error_told(void)
{
    return told;
}

akssl_status ak_wrap(akssl_status code, const char *format, ...)
{
    char text[SENTENCE];
    va_list args;
    int used;

    va_start(args, format);
    used = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (used >= 0 && used < SENTENCE)
        snprintf(text + used, sizeof text - (size_t)used, ": %.*s", SENTENCE - 3 - used, sentence);
    memcpy(sentence, text, sizeof text);
    return code;
}

static akssl_status code_of_errno(int error)
{
    switch (error) {
    case ENOENT:
        return AKSSL_ERR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return AKSSL_ERR_NO_SPACE;
    case EACCES:
    case EPERM:
        return AKSSL_ERR_PERMISSION;
    case EEXIST:
        return AKSSL_ERR_EXISTS;
    case ENOMEM:
        return AKSSL_ERR_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return AKSSL_ERR_LIMIT;
    default:
        return AKSSL_ERR_IO;
    }
}

akssl_status ak_fail_errno(int error, const char *format, ...)
{
    char text[SENTENCE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ak_fail(code_of_errno(error), "%s: %s", text, strerror(error));
}

bool ak_is_unwritten(akssl_status code)
{
    return code == AKSSL_ERR_NO_SPACE || code == AKSSL_ERR_IO || code == AKSSL_ERR_PERMISSION;
}
