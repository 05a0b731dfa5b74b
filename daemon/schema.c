// daemon/schema.c -- looking for names in the description of the schema.

#include "daemon/schema.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/files.h"
#include "schema.pb-c.h"

Akssl__Described__FileSet *ak_schema_open(void)
{
    Akssl__Described__FileSet *set =
        akssl__described__file_set__unpack(NULL, ak_schema_size, ak_schema);

    assert(set); // it is part of the program
    return set;
}

static Akssl__Described__File *file_of(const ProtobufCBinaryData *bytes)
{
    Akssl__Described__File *file = akssl__described__file__unpack(NULL, bytes->len, bytes->data);

    assert(file);
    return file;
}

// behind gives what of symbol follows "prefix."; NULL when it starts otherwise.
static const char *behind(const char *symbol, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(symbol, prefix, length) == 0 && symbol[length] == '.' ? symbol + length + 1
                                                                         : NULL;
}

static bool has_name(Akssl__Described__Name *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i]->name, name) == 0)
            return true;
    return false;
}

static bool has_service(const Akssl__Described__File *file, const char *name)
{
    for (size_t i = 0; i < file->n_service; i++) {
        const Akssl__Described__Service *s = file->service[i];
        const char *method = behind(name, s->name);

        if (strcmp(s->name, name) == 0 || (method && has_name(s->method, s->n_method, method)))
            return true;
    }
    return false;
}

// Types nest no deeper than our own schema has them.
static bool has_type(Akssl__Described__Type *const *types, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        const Akssl__Described__Type *t = types[i];
        const char *inner = behind(name, t->name);

        if (strcmp(t->name, name) == 0)
            return true;
        if (inner && (has_name(t->enumeration, t->n_enumeration, inner) ||
                      has_type(t->nested, t->n_nested, inner)))
            return true;
    }
    return false;
}

static bool is_named(const Akssl__Described__File *file, const char *name)
{
    return strcmp(file->name, name) == 0;
}

static bool has_symbol(const Akssl__Described__File *file, const char *symbol)
{
    const char *name = behind(symbol, file->package);

    return name && (has_service(file, name) || has_type(file->message, file->n_message, name) ||
                    has_name(file->enumeration, file->n_enumeration, name));
}

static const ProtobufCBinaryData *find(const Akssl__Described__FileSet *set, const char *text,
                                       bool (*fits)(const Akssl__Described__File *, const char *))
{
    for (size_t i = 0; i < set->n_file; i++) {
        Akssl__Described__File *file = file_of(&set->file[i]);
        bool found = fits(file, text);

        akssl__described__file__free_unpacked(file, NULL);
        if (found)
            return &set->file[i];
    }
    return NULL;
}

const ProtobufCBinaryData *ak_schema_named(const Akssl__Described__FileSet *set, const char *name)
{
    return find(set, name, is_named);
}

const ProtobufCBinaryData *ak_schema_with(const Akssl__Described__FileSet *set, const char *symbol)
{
    return find(set, symbol, has_symbol);
}

void ak_schema_services(const Akssl__Described__FileSet *set,
                        void (*see)(void *ctx, const char *name), void *ctx)
{
    for (size_t i = 0; i < set->n_file; i++) {
        Akssl__Described__File *file = file_of(&set->file[i]);

        for (size_t k = 0; k < file->n_service; k++) {
            char *name = ak_path("%s.%s", file->package, file->service[k]->name);

            see(ctx, name);
            free(name);
        }
        akssl__described__file__free_unpacked(file, NULL);
    }
}
