// proto/spec/yaml.c -- a spec as YAML, by libyaml: one flat mapping, plus the two maps of pairs.

#include <yaml.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/spec/spec.h"

// ---- reading

enum { MAX_DEPTH = 3 }; // the spec, a map or list of pairs, and one level more to complain about

typedef struct reader {
    ak_spec *spec;
    const char *origin;
    yaml_document_t document;
} reader;

static akssl_status complain(const reader *r, const yaml_node_t *node, const char *what)
{
    return ak_fail(AKSSL_ERR_INVALID, "%s line %zu: %s", r->origin, node->start_mark.line + 1,
                   what);
}

static const char *scalar(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    if (node->type != YAML_SCALAR_NODE || strlen(text) != node->data.scalar.length)
        return NULL; // no text, or a NUL in it
    return text;
}

// check_repeat refuses a key that an earlier pair of the mapping has.
static akssl_status check_repeat(reader *r, const yaml_node_t *mapping,
                                 const yaml_node_pair_t *pair)
{
    yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
    const yaml_node_pair_t *other;

    for (other = mapping->data.mapping.pairs.start; other < pair; other++) {
        yaml_node_t *earlier = yaml_document_get_node(&r->document, other->key);

        if (key->type == YAML_SCALAR_NODE && earlier->type == YAML_SCALAR_NODE &&
            ak_option_same_name((char *)key->data.scalar.value, (char *)earlier->data.scalar.value))
            return complain(r, key, "a key is given twice");
    }
    return AKSSL_OK;
}

static akssl_status read_pair_map(reader *r, ak_spec_pairs *pairs, const yaml_node_t *node)
{
    yaml_node_pair_t *pair;

    for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
        yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);
        akssl_status rc;

        if (key->type != YAML_SCALAR_NODE || value->type != YAML_SCALAR_NODE || !scalar(key) ||
            !scalar(value))
            return complain(r, key, "give key: value, both plain");
        rc = check_repeat(r, node, pair);
        if (rc < 0)
            return rc;
        rc = ak_spec_pair(pairs, scalar(key), scalar(value));
        if (rc < 0)
            return ak_wrap(rc, "%s line %zu", r->origin, key->start_mark.line + 1);
    }
    return AKSSL_OK;
}

static akssl_status read_pair_list(reader *r, const char *name, const yaml_node_t *node)
{
    yaml_node_item_t *item;

    for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
        yaml_node_t *entry = yaml_document_get_node(&r->document, *item);
        akssl_status rc;

        if (entry->type != YAML_SCALAR_NODE || !scalar(entry))
            return complain(r, entry, "give key=value");
        rc = ak_spec_set(r->spec, name, scalar(entry));
        if (rc < 0)
            return ak_wrap(rc, "%s line %zu", r->origin, entry->start_mark.line + 1);
    }
    return AKSSL_OK;
}

static akssl_status read_entry(reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
    const char *name = key->type == YAML_SCALAR_NODE ? scalar(key) : NULL;
    ak_spec_pairs *pairs = NULL;
    akssl_status rc;

    if (!name)
        return complain(r, key, "a key must be plain text");
    if (strcmp(name, "option") == 0)
        pairs = &r->spec->option;
    else if (strcmp(name, "augment") == 0)
        pairs = &r->spec->augment;
    if (pairs && value->type == YAML_MAPPING_NODE)
        return read_pair_map(r, pairs, value);
    if (pairs && value->type == YAML_SEQUENCE_NODE)
        return read_pair_list(r, name, value);
    if (value->type != YAML_SCALAR_NODE || !scalar(value))
        return complain(r, value, "a value must be plain text or a number");
    rc = ak_spec_set(r->spec, name, scalar(value));
    if (rc < 0)
        return ak_wrap(rc, "%s line %zu", r->origin, key->start_mark.line + 1);
    return AKSSL_OK;
}

static akssl_status read_root(reader *r)
{
    yaml_node_t *root = yaml_document_get_root_node(&r->document);
    yaml_node_pair_t *pair;
    akssl_status rc;

    if (!root)
        return ak_fail(AKSSL_ERR_INVALID, "%s is empty: give one `name: value` a line", r->origin);
    if (root->type != YAML_MAPPING_NODE)
        return complain(r, root, "give one `name: value` a line");
    for (pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
        rc = check_repeat(r, root, pair);
        if (rc == 0)
            rc = read_entry(r, yaml_document_get_node(&r->document, pair->key),
                            yaml_document_get_node(&r->document, pair->value));
        if (rc < 0)
            return rc;
    }
    return AKSSL_OK;
}

static akssl_status not_yaml(const reader *r, const yaml_parser_t *parser)
{
    return ak_fail(AKSSL_ERR_INVALID, "%s line %zu is not YAML: %s", r->origin,
                   parser->problem_mark.line + 1, parser->problem ? parser->problem : "unreadable");
}

// A reader of the text from its start; NULL when there is no memory for it.
static yaml_parser_t *open_text(yaml_parser_t *parser, const char *text, size_t length)
{
    if (!yaml_parser_initialize(parser))
        return NULL;
    yaml_parser_set_input_string(parser, (const unsigned char *)text, length);
    return parser;
}

// check_event refuses what a spec has no use for: aliases, depth, a second document.
static akssl_status check_event(const reader *r, const yaml_event_t *event, int *depth,
                                int *documents)
{
    const char *what = NULL;

    if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT)
        *depth += 1;
    else if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT)
        *depth -= 1;
    else if (event->type == YAML_DOCUMENT_START_EVENT)
        *documents += 1;
    if (event->type == YAML_ALIAS_EVENT)
        what = "an alias: write the value out";
    else if (*depth > MAX_DEPTH)
        what = "values within values: give plain ones";
    else if (*documents > 1)
        what = "a second document: give one spec a file";
    if (!what)
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_INVALID, "%s line %zu: %s", r->origin, event->start_mark.line + 1,
                   what);
}

// check_shape runs over the text before it is loaded, which takes libyaml time that grows with the
// square of the depth.
static akssl_status check_shape(const reader *r, yaml_parser_t *parser)
{
    int depth = 0, documents = 0;
    akssl_status rc = AKSSL_OK;
    bool end = false;

    while (rc == 0 && !end) {
        yaml_event_t event;

        if (!yaml_parser_parse(parser, &event))
            return not_yaml(r, parser);
        rc = check_event(r, &event, &depth, &documents);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    return rc;
}

akssl_status ak_spec_read_yaml(ak_spec *spec, const char *text, size_t length, const char *origin)
{
    reader r = { .spec = spec, .origin = origin };
    yaml_parser_t parser;
    akssl_status rc;

    if (length > AK_SPEC_MAX_FILE)
        return ak_fail(AKSSL_ERR_LIMIT, "%s is over %d bytes: a spec is shorter", origin,
                       AK_SPEC_MAX_FILE);
    if (!open_text(&parser, text, length))
        return ak_fail(AKSSL_ERR_NO_MEMORY, "%s: no memory to read it", origin);
    rc = check_shape(&r, &parser);
    yaml_parser_delete(&parser);
    if (rc < 0)
        return rc;
    if (!open_text(&parser, text, length))
        return ak_fail(AKSSL_ERR_NO_MEMORY, "%s: no memory to read it", origin);
    if (!yaml_parser_load(&parser, &r.document)) {
        rc = not_yaml(&r, &parser);
        yaml_parser_delete(&parser);
        return rc;
    }
    rc = read_root(&r);
    yaml_document_delete(&r.document);
    yaml_parser_delete(&parser);
    return rc;
}

akssl_status ak_spec_read_file(ak_spec *spec, const char *path)
{
    FILE *file = fopen(path, "rb");
    akssl_status rc;
    size_t length;
    char *text;

    if (!file)
        return ak_fail_errno(errno, "spec '%s'", path);
    text = malloc(AK_SPEC_MAX_FILE + 1);
    if (!text) {
        rc = ak_fail(AKSSL_ERR_NO_MEMORY, "spec '%s': no memory to read it", path);
        goto out;
    }
    length = fread(text, 1, AK_SPEC_MAX_FILE + 1, file);
    if (ferror(file))
        rc = ak_fail(AKSSL_ERR_IO, "spec '%s' cannot be read: give a YAML file", path);
    else
        rc = ak_spec_read_yaml(spec, text, length, path);
out:
    free(text);
    fclose(file);
    return rc;
}

// ---- writing

typedef struct writer {
    yaml_emitter_t emitter;
    ak_str *text;
    int failed;
} writer;

static int sink(void *text, unsigned char *bytes, size_t size)
{
    ak_str_append_n(text, bytes, size);
    return 1;
}

static void emit(writer *w, yaml_event_t *event, int made)
{
    if (!made || !yaml_emitter_emit(&w->emitter, event))
        w->failed = 1;
}

static void emit_text(writer *w, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;

    emit(w, &event,
         yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                      (int)strlen(text), 1, 1, style));
}

static void emit_key(writer *w, const char *name)
{
    char key[64];

    snprintf(key, sizeof key, "%s", name);
    for (char *c = key; *c; c++)
        if (*c == '_')
            *c = '-';
    emit_text(w, key, YAML_PLAIN_SCALAR_STYLE);
}

static void emit_pairs(writer *w, const char *name, const ak_spec_pairs *pairs)
{
    yaml_event_t event;

    emit_key(w, name);
    emit(w, &event,
         yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    for (int i = 0; i < pairs->count; i++) {
        emit_text(w, pairs->keys[i], YAML_ANY_SCALAR_STYLE);
        emit_text(w, pairs->values[i], YAML_ANY_SCALAR_STYLE);
    }
    emit(w, &event, yaml_mapping_end_event_initialize(&event));
}

akssl_status ak_spec_write_yaml(const ak_spec *spec, ak_str *text)
{
    writer w = { .text = text };
    char value[AK_SPEC_MAX_TEXT + 1];
    yaml_event_t event;

    if (!yaml_emitter_initialize(&w.emitter))
        return ak_fail(AKSSL_ERR_NO_MEMORY, "spec: no memory to write it");
    yaml_emitter_set_output(&w.emitter, sink, text);
    yaml_emitter_set_unicode(&w.emitter, 1);
    yaml_emitter_set_width(&w.emitter, -1);
    emit(&w, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(&w, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    emit(&w, &event,
         yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    for (const ak_option *row = ak_spec_table(); row->name; row++) {
        ak_option_text(row, spec, value, sizeof value);
        emit_key(&w, row->name);
        emit_text(&w, value, YAML_ANY_SCALAR_STYLE);
    }
    emit_pairs(&w, "option", &spec->option);
    emit_pairs(&w, "augment", &spec->augment);
    emit(&w, &event, yaml_mapping_end_event_initialize(&event));
    emit(&w, &event, yaml_document_end_event_initialize(&event, 1));
    emit(&w, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&w.emitter);
    if (w.failed)
        return ak_fail(AKSSL_ERR_INTERNAL, "spec: cannot be written as YAML");
    return AKSSL_OK;
}
