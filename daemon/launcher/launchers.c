// daemon/launcher/launchers.c -- the table of launchers, and lists of arguments.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/launcher/launcher.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

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
    return index >= 0 && index < AK_LAUNCHERS ? table[index] : NULL;
}

const ak_launcher *ak_launcher_find(const char *name)
{
    for (int i = 0; table[i]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

int ak_launcher_index(const ak_launcher *launcher)
{
    int i = 0;

    while (table[i] && table[i] != launcher)
        i++;
    return i;
}

const ak_launcher *ak_launcher_of(const ak_job *job)
{
    const char *name = job->spec.launcher;
    const ak_launcher *found = name && name[0] ? ak_launcher_find(name) : NULL;

    return found ? found : ak_launcher_find("local");
}

int64_t ak_launcher_slots(const ak_daemon *d, const ak_job *job)
{
    return ak_launcher_of(job)->slots(d, job->spec.threads_per_shard);
}

static akssl_status no_launcher(const ak_daemon *d, const char *name)
{
    const ak_launcher *l = ak_launcher_find(name);
    ak_str known = AK_STR_INIT;
    akssl_status rc;

    for (int i = 0; table[i]; i++)
        if (table[i]->slots(d, 1) > 0 || (table[i]->lacks && table[i]->lacks(d) > 0))
            ak_str_format(&known, "%s%s", known.length ? ", " : "", table[i]->name);
    rc = ak_fail(AKSSL_ERR_INVALID, "launcher '%.64s': %s: give one of %s", name,
                 l ? "this akssld was started without" : "no such name", known.text);
    ak_str_fini(&known);
    return rc;
}

akssl_status ak_launcher_settle(const ak_daemon *d, ak_spec *spec)
{
    const char *usual = d->config->launcher;
    const ak_launcher *l;

    if (!spec->launcher[0] && usual && strcmp(usual, "local") != 0)
        ak_text_set(&spec->launcher, usual);
    if (!spec->launcher[0])
        return AKSSL_OK;
    l = ak_launcher_find(spec->launcher);
    if (!l || (l->slots(d, 1) <= 0 && !(l->lacks && l->lacks(d) > 0)))
        return no_launcher(d, spec->launcher);
    return AKSSL_OK;
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

void ak_args_add_words(ak_args *args, const char *text)
{
    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        int length = (int)strcspn(text, " \t");

        ak_args_add(args, "%.*s", length, text);
        text += length;
    }
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

void ak_args_quote(ak_str *text, const char *word)
{
    ak_str_append(text, "'");
    for (; *word; word++) {
        if (*word == '\'')
            ak_str_append(text, "'\\''");
        else
            ak_str_append_n(text, word, 1);
    }
    ak_str_append(text, "'");
}
