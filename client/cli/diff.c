// client/cli/diff.c -- diff: what two jobs' specs differ in.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/table.h"

enum { SIDES = 2 };

typedef struct sides {
    int64_t id[SIDES];
    akssl_job *job[SIDES];
} sides;

// differ gives both values of a key if they are two.
static bool differ(const sides *s, const char *key, char *values[SIDES])
{
    for (int i = 0; i < SIDES; i++) {
        const char *value = akssl_job_spec_get(s->job[i]->spec, key);

        values[i] = strdup(value ? value : "");
    }
    if (values[0] && values[1] && strcmp(values[0], values[1]) != 0)
        return true;
    free(values[0]);
    free(values[1]);
    return false;
}

static void add_json(json_t *keys, const akssl_key *key, char *const values[SIDES])
{
    json_t *pair = json_array();

    for (int i = 0; i < SIDES; i++)
        json_array_append_new(pair, ak_json_text(values[i], strlen(values[i])));
    json_object_set_new(keys, key->name, pair);
}

static void add_row(ak_table *table, const akssl_key *key, char *const values[SIDES])
{
    ak_table_add(table, key->name);
    for (int i = 0; i < SIDES; i++)
        ak_table_add(table, values[i][0] ? values[i] : "-");
}

// compare prints what differs; returns how many keys do.
static int compare(const ak_cli *cli, const sides *s)
{
    char left[32], right[32], *values[SIDES];
    const char *const headings[] = { "KEY", left, right, NULL };
    json_t *object = json_object(), *keys = json_object();
    ak_table *table;
    akssl_key key;
    int count = 0;

    snprintf(left, sizeof left, "%" PRId64, s->id[0]);
    snprintf(right, sizeof right, "%" PRId64, s->id[1]);
    table = ak_table_new(headings);
    for (size_t i = 0; akssl_job_spec_key(i, &key); i++) {
        if (!differ(s, key.name, values))
            continue;
        count++;
        add_json(keys, &key, values);
        add_row(table, &key, values);
        free(values[0]);
        free(values[1]);
    }
    json_object_set_new(object, "differences", keys);
    if (cli->json)
        ak_json_print(stdout, json_incref(object));
    else if (count)
        ak_table_print(table, stdout);
    json_decref(object);
    ak_table_free(table);
    return count;
}

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_client *client = NULL;
    sides s = { 0 };
    int code = AK_EXIT_DONE;

    for (int i = 0; i < SIDES && code == AK_EXIT_DONE; i++)
        code = ak_cli_id(args->words[i], &s.id[i]);
    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    for (int i = 0; i < SIDES && code == AK_EXIT_DONE; i++) {
        akssl_status rc = akssl_client_show(client, s.id[i], &s.job[i]);

        if (rc < 0)
            code = ak_cli_failed(rc);
        else if (!s.job[i]->spec)
            code = ak_cli_error(AK_EXIT_FAILED, "job %" PRId64 " has a spec of a newer version",
                                s.id[i]);
    }
    if (code == AK_EXIT_DONE && compare(cli, &s))
        code = AK_EXIT_FAILED;
    akssl_job_free(s.job[0]);
    akssl_job_free(s.job[1]);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_diff = {
    .name = "diff",
    .summary = "print what two jobs' specs differ in",
    .synopsis = "ID ID",
    .details = "Ends with 0 when they are the same, with 1 when they differ, as diff(1) does.\n",
    .min_words = SIDES,
    .max_words = SIDES,
    .run = run,
};
