// client/cli/catalogue.c -- catalogue: what the daemon's workers offer.
//
// The text is the worker's own; the command knows no method by name and no section but by its
// shape: an array of rows is a section, a row's "options" are its options.  What a row lacks is
// left out.

#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

enum { NAME = 24 }; // columns of a name

static const char *text_at(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text ? text : "";
}

// A value of any type, as a user would type it; "" when there is none.
static void scalar(const json_t *value, char *text, size_t size)
{
    text[0] = '\0';
    if (json_is_string(value))
        snprintf(text, size, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, size, "%.10g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(text, size, "%s", json_is_true(value) ? "true" : "false");
}

static void put_choices(const json_t *choices)
{
    char text[64];
    const json_t *choice;
    size_t i;

    if (json_is_string(choices))
        ak_text_put(stdout, json_string_value(choices));
    json_array_foreach((json_t *)choices, i, choice)
    {
        scalar(choice, text, sizeof text);
        fputs(i ? "|" : "", stdout);
        ak_text_put(stdout, text);
    }
}

// "default 0.5, 0 to 10": what a value may be.
static void put_range(const json_t *row)
{
    char initial[128], min[64], max[64];
    const json_t *choices = json_object_get(row, "choices");
    const char *gap = "  [";

    scalar(json_object_get(row, "default"), initial, sizeof initial);
    scalar(json_object_get(row, "min"), min, sizeof min);
    scalar(json_object_get(row, "max"), max, sizeof max);
    if (initial[0]) {
        printf("%sdefault ", gap);
        ak_text_put(stdout, initial);
        gap = ", ";
    }
    if (json_is_string(choices) || json_array_size(choices) > 0) {
        fputs(gap, stdout);
        put_choices(choices);
        gap = ", ";
    } else if (min[0] && max[0] && strcmp(text_at(row, "type"), "bool") != 0) {
        printf("%s%s to %s", gap, min, max);
        gap = ", ";
    }
    if (gap[0] == ',')
        putchar(']');
}

static void put_row(const json_t *row, int indent)
{
    const char *name = text_at(row, "name"), *title = text_at(row, "title");
    const char *help = title[0] ? title : text_at(row, "help");
    const json_t *option;
    size_t i, length = ak_text_cells(name), room = NAME - (size_t)indent;

    printf("%*s", indent, "");
    ak_text_put(stdout, name);
    printf("%*s", length + 2 < room ? (int)(room - length) : 2, "");
    ak_text_put(stdout, help);
    if (text_at(row, "paper")[0]) {
        fputs(" (", stdout);
        ak_text_put(stdout, text_at(row, "paper"));
        putchar(')');
    }
    put_range(row);
    putchar('\n');
    json_array_foreach(json_object_get(row, "options"), i, option) if (json_is_object(option))
        put_row(option, 4);
}

static bool put_sections(json_t *root, const char *only)
{
    bool any = false;
    const char *key;
    json_t *rows, *row;
    size_t i;

    json_object_foreach(root, key, rows)
    {
        if (!json_is_array(rows) || (only && strcmp(only, key) != 0))
            continue;
        fputs(any ? "\n" : "", stdout);
        ak_text_put(stdout, key);
        putchar('\n');
        any = true;
        json_array_foreach(rows, i, row) if (json_is_object(row)) put_row(row, 2);
    }
    return any;
}

static int no_section(json_t *root, const char *name)
{
    char known[512] = "";
    const char *key;
    json_t *rows;

    json_object_foreach(root, key, rows)
    {
        size_t used = strlen(known);

        if (json_is_array(rows))
            snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", key);
    }
    return ak_cli_error(AK_EXIT_USAGE, "catalogue: no section '%.64s': there are %s", name,
                        known[0] ? known : "none");
}

static int print_text(const char *text, const char *only)
{
    json_t *root = json_loads(text, 0, NULL);
    int code = AK_EXIT_DONE;

    if (!json_is_object(root))
        code = ak_cli_error(AK_EXIT_FAILED, "the daemon's catalogue cannot be read: look at it "
                                            "with --json");
    else if (!put_sections(root, only) && only)
        code = no_section(root, only);
    json_decref(root);
    return code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_client *client = NULL;
    char *text = NULL;
    akssl_status rc;
    int code = ak_cli_open(cli, &client);

    if (code != AK_EXIT_DONE)
        return code;
    rc = akssl_client_catalogue(client, &text);
    if (rc < 0)
        code = ak_cli_failed(rc);
    else if (cli->json)
        printf("%s%s", text, text[0] && text[strlen(text) - 1] == '\n' ? "" : "\n");
    else
        code = print_text(text, args->word_count > 0 ? args->words[0] : NULL);
    akssl_free(text);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_catalogue = {
    .name = "catalogue",
    .summary = "list methods, backbones, data sets and the rest, with their options",
    .synopsis = "[SECTION]",
    .max_words = 1,
    .run = run,
};
