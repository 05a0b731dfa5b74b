// client/cli/token.c -- token: let others in over TCP, and shut them out again.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

typedef struct token {
    const char *scope, *expires;
} token;

static const ak_flag flags[] = {
    AK_FLAG(token, scope, "scope", 0, TEXT, "read|submit|admin", "what it may do (submit)"),
    AK_FLAG(token, expires, "expires", 0, TEXT, "N[d|h|m]|never", "how long it is valid (90d)"),
    AK_FLAG_END,
};

// ---- create

static int read_time(const char *text, int64_t *seconds)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = { { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
    char *end;
    long long n = strtoll(text, &end, 10);

    *seconds = 0;
    if (strcmp(text, "never") == 0)
        return AK_EXIT_DONE;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (n > 0 && n <= 36500 && end > text && strcmp(end, units[i].unit) == 0)
            *seconds = n * units[i].seconds;
    if (*seconds > 0)
        return AK_EXIT_DONE;
    return ak_cli_error(AK_EXIT_USAGE,
                        "token: --expires '%.32s': give a number with d, h, m or s, as 90d, or "
                        "never",
                        text);
}

static int create(const ak_cli *cli, akssl_client *client, const ak_args *args)
{
    const token *t = args->self;
    int64_t seconds, id = 0;
    char *text = NULL;
    akssl_status rc;
    int code = read_time(t->expires ? t->expires : "90d", &seconds);

    if (code != AK_EXIT_DONE)
        return code;
    rc = akssl_client_create_token(client, args->words[1], t->scope ? t->scope : "submit", seconds,
                                   &id, &text);
    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json) {
        json_t *object = json_object();

        json_object_set_new(object, "id", json_integer(id));
        json_object_set_new(object, "token", json_string(text));
        ak_json_print(stdout, object);
    } else {
        printf("%s\n", text);
    }
    akssl_free(text);
    return AK_EXIT_DONE;
}

// ---- list

static const char *standing(const akssl_token *t, char *text, size_t size)
{
    if (t->revoked_ms)
        return "revoked";
    if (!t->expires_ms)
        return "never";
    ak_text_time(t->expires_ms, text, size);
    return text;
}

static void print_table(const akssl_token_list *list)
{
    static const char *const headings[] = { ">ID", "USER", "SCOPE", "CREATED", "EXPIRES", NULL };
    ak_table *table = ak_table_new(headings);
    char text[64];

    for (size_t i = 0; i < list->count; i++) {
        const akssl_token *t = &list->tokens[i];

        snprintf(text, sizeof text, "%" PRId64, t->id);
        ak_table_add(table, text);
        ak_table_add(table, t->user);
        ak_table_add(table, t->access);
        ak_text_time(t->created_ms, text, sizeof text);
        ak_table_add(table, text);
        ak_table_add(table, standing(t, text, sizeof text));
    }
    ak_table_print(table, stdout);
    ak_table_free(table);
}

static void print_json(const akssl_token_list *list)
{
    json_t *array = json_array(), *object = json_object();

    for (size_t i = 0; i < list->count; i++) {
        const akssl_token *t = &list->tokens[i];
        json_t *row = json_object();

        json_object_set_new(row, "id", json_integer(t->id));
        json_object_set_new(row, "user", json_string(t->user));
        json_object_set_new(row, "scope", json_string(t->access));
        json_object_set_new(row, "created_ms", json_integer(t->created_ms));
        json_object_set_new(row, "expires_ms", json_integer(t->expires_ms));
        json_object_set_new(row, "revoked_ms", json_integer(t->revoked_ms));
        json_array_append_new(array, row);
    }
    json_object_set_new(object, "tokens", array);
    ak_json_print(stdout, object);
}

static int list(const ak_cli *cli, akssl_client *client, const ak_args *args)
{
    akssl_token_list *tokens = NULL;
    akssl_status rc = akssl_client_list_tokens(client, &tokens);

    (void)args;
    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json)
        print_json(tokens);
    else
        print_table(tokens);
    akssl_token_list_free(tokens);
    return AK_EXIT_DONE;
}

// ---- revoke

static int revoke(const ak_cli *cli, akssl_client *client, const ak_args *args)
{
    char *end;
    long long id = strtoll(args->words[1], &end, 10);
    akssl_status rc;

    if (id < 1 || *end)
        return ak_cli_error(AK_EXIT_USAGE,
                            "token: '%.64s' is no token's number: `akssl-client token list` shows "
                            "them",
                            args->words[1]);
    rc = akssl_client_revoke_token(client, id);
    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json)
        ak_json_print(stdout, json_pack("{s:I}", "revoked", (json_int_t)id));
    else
        printf("token %lld is revoked\n", id);
    return AK_EXIT_DONE;
}

static int run(ak_cli *cli, const ak_args *args)
{
    static const struct {
        const char *verb;
        int words;
        int (*run)(const ak_cli *cli, akssl_client *client, const ak_args *args);
    } verbs[] = { { "create", 2, create }, { "list", 1, list }, { "revoke", 2, revoke } };
    akssl_client *client = NULL;
    int code = AK_EXIT_USAGE;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(args->words[0], verbs[i].verb) != 0 || args->word_count != verbs[i].words)
            continue;
        code = ak_cli_open(cli, &client);
        if (code == AK_EXIT_DONE)
            code = verbs[i].run(cli, client, args);
        akssl_client_close(client);
        return code;
    }
    return ak_cli_error(code, "token: say `token create USER`, `token list` or `token revoke ID`");
}

const ak_cmd ak_cmd_token = {
    .name = "token",
    .summary = "make, list and revoke the tokens that let people in over TCP",
    .synopsis = "create USER | list | revoke ID",
    .details =
        "Only administrators may.  create prints the token once; akssld keeps its hash.  The\n"
        "person keeps it in a file of mode 600 and names that with --token-file or\n"
        "AKSSL_TOKEN_FILE.  A revoked token's calls end at once.\n",
    .flags = flags,
    .self_size = sizeof(token),
    .min_words = 1,
    .max_words = 2,
    .run = run,
};
