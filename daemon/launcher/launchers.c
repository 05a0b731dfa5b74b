// daemon/launcher/launchers.c -- the table of launchers, and lists of arguments.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/launcher/launcher.h"
#include "proto/base/alloc.h"

#define AK_LAUNCHER(name) extern const ak_launcher ak_launcher_##name;
#include "daemon/launcher/launchers.def"
#undef AK_LAUNCHER

static const ak_launcher *const table[] = {
#define AK_LAUNCHER(name) &ak_launcher_##name,
#include "daemon/launcher/launchers.def"
#undef AK_LAUNCHER
    NULL,
};

const ak_launcher *ak_launcher_at(int index)
{
    int count = (int)(sizeof table / sizeof *table) - 1;

    return index >= 0 && index < count ? table[index] : NULL;
}

const ak_launcher *ak_launcher_find(const char *name)
{
    for (int i = 0; table[i]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

static void add_take(ak_args *args, char *text)
{
    args->at = ak_realloc(args->at, args->count + 2, sizeof *args->at);
    args->at[args->count++] = text;
    args->at[args->count] = NULL;
}

void ak_args_add(ak_args *args, const char *format, ...)
{
    char *text = NULL;
    va_list list;
    int n;

    va_start(list, format);
    n = vasprintf(&text, format, list);
    va_end(list);
    add_take(args, n < 0 ? ak_strdup("") : text);
}

void ak_args_set(ak_args *args, const char *name, const char *value)
{
    size_t length = strlen(name), kept = 0;

    for (size_t i = 0; i < args->count; i++) {
        if (strncmp(args->at[i], name, length) == 0 && args->at[i][length] == '=')
            free(args->at[i]);
        else
            args->at[kept++] = args->at[i];
    }
    args->count = kept;
    ak_args_add(args, "%s=%s", name, value);
}

void ak_args_fini(ak_args *args)
{
    for (size_t i = 0; i < args->count; i++)
        free(args->at[i]);
    free(args->at);
    *args = (ak_args){ 0 };
}
