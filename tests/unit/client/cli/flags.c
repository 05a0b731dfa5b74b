// tests/unit/client/cli/flags.c -- tests client/cli/flags.c and the tables behind it.

#include "client/cli/flags.h"

#include "tests/check.h"

typedef struct result {
    ak_cli cli;
    ak_args args;
    const char *words[8];
    ak_setting settings[8];
    char text[8][64]; // argv, writable
    char *argv[8];
} result;

// A command that takes all kinds of flags.
typedef struct own {
    bool follow;
    const char *state;
    int64_t limit;
} own;

static const ak_flag flags[] = {
    AK_FLAG(own, follow, "follow", 'f', SWITCH, NULL, "-"),
    AK_FLAG(own, state, "state", 0, TEXT, "S", "-"),
    AK_FLAG(own, limit, "limit", 0, COUNT, "N", "-"),
    AK_FLAG_END,
};

static const ak_cmd cmd = {
    .name = "test",
    .synopsis = "WORD...",
    .flags = flags,
    .self_size = sizeof(own),
    .max_words = 2,
    .takes_spec = true,
};

static int read_args(result *r, own *o, const char *const *given)
{
    int argc = 0;

    memset(r, 0, sizeof *r);
    memset(o, 0, sizeof *o);
    r->args = (ak_args){ .self = o, .words = r->words, .settings = r->settings };
    for (; given[argc]; argc++) {
        snprintf(r->text[argc], sizeof r->text[argc], "%s", given[argc]);
        r->argv[argc] = r->text[argc];
    }
    return ak_flags_read(&r->cli, &cmd, argc, r->argv, &r->args);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(reads_every_form)
{
    result r;
    own o;

    ck_assert_int_eq(read_args(&r, &o, ARGS("-f", "--state=a=b", "--limit", "12", "one")), 0);
    ck_assert(o.follow && o.limit == 12);
    ck_assert_str_eq(o.state, "a=b");
    ck_assert_int_eq(r.args.word_count, 1);
    ck_assert_str_eq(r.args.words[0], "one");
    ck_assert_int_eq(read_args(&r, &o, ARGS("one", "--json", "--", "--limit")), 0);
    ck_assert(r.cli.json && o.limit == 0);
    ck_assert_str_eq(r.args.words[1], "--limit");
    ck_assert_int_eq(read_args(&r, &o, ARGS("--server", "unix:/x", "-hf")), 0);
    ck_assert(r.cli.help && o.follow);
    ck_assert_str_eq(r.cli.server, "unix:/x");
}
END_TEST

START_TEST(shards_are_given_once)
{
    result r;
    own o;

    ck_assert_int_eq(read_args(&r, &o, ARGS("--dataset=tar:0.tar", "--dataset=tar:1.tar")), 2);
    ck_assert_int_eq(read_args(&r, &o, ARGS("--dataset", "tar:a", "--dataset=tar:a")), 0);
    ck_assert_int_eq(read_args(&r, &o, ARGS("--dataset=tar:a", "--dataset=idx:2")), 0);
    ck_assert_str_eq(r.args.settings[1].value, "idx:2"); // which wins
}
END_TEST

START_TEST(reads_spec_keys)
{
    result r;
    own o;

    ck_assert_int_eq(read_args(&r, &o,
                               ARGS("--batch-norm=sync", "--priority", "-5", "--option", "K=4",
                                    "--image_size", "64")),
                     0);
    ck_assert_int_eq(r.args.setting_count, 4);
    ck_assert_str_eq(r.args.settings[0].name, "batch-norm");
    ck_assert_str_eq(r.args.settings[0].value, "sync");
    ck_assert_str_eq(r.args.settings[1].value, "-5");
    ck_assert_str_eq(r.args.settings[2].value, "K=4");
    ck_assert_str_eq(r.args.settings[3].name, "image_size");
}
END_TEST

START_TEST(refuses)
{
    result r;
    own o;

    ck_assert_int_eq(read_args(&r, &o, ARGS("--lmit", "3")), AK_EXIT_USAGE);
    ck_assert_int_eq(read_args(&r, &o, ARGS("--limit")), AK_EXIT_USAGE);
    ck_assert_int_eq(read_args(&r, &o, ARGS("--limit", "0")), AK_EXIT_USAGE);
    ck_assert_int_eq(read_args(&r, &o, ARGS("--limit", "3x")), AK_EXIT_USAGE);
    ck_assert_int_eq(read_args(&r, &o, ARGS("--follow=yes")), AK_EXIT_USAGE);
    ck_assert_int_eq(read_args(&r, &o, ARGS("-x")), AK_EXIT_USAGE);
    ck_assert_int_eq(read_args(&r, &o, ARGS("--=3")), AK_EXIT_USAGE);
    ck_assert_int_eq(read_args(&r, &o, ARGS("a", "b", "c")), AK_EXIT_USAGE);
    ck_assert_int_eq(read_args(&r, &o, ARGS("--epochs")), AK_EXIT_USAGE);
}
END_TEST

START_TEST(counts_slips)
{
    ck_assert_int_eq(ak_flags_distance("epochs", "epochs"), 0);
    ck_assert_int_eq(ak_flags_distance("epoch", "epochs"), 1);
    ck_assert_int_eq(ak_flags_distance("epcohs", "epochs"), 1); // two swapped
    ck_assert_int_eq(ak_flags_distance("kitten", "sitting"), 3);
    ck_assert_int_eq(ak_flags_distance("", "abc"), 3);
    ck_assert(ak_flags_near("epcohs", 1) && ak_flags_near("lrr", 1));
    ck_assert(!ak_flags_near("x", 1) && !ak_flags_near("epochs", 4));
}
END_TEST

START_TEST(tables_are_whole)
{
    for (size_t i = 0; ak_cmd_at(i); i++) {
        const ak_cmd *row = ak_cmd_at(i);

        ck_assert(row->name && row->summary && row->synopsis && row->run);
        ck_assert_ptr_eq(ak_cmd_find(row->name), row);
        ck_assert_int_le(row->min_words, row->max_words);
        ck_assert(!row->flags || row->self_size > 0);
        for (const ak_flag *f = row->flags; f && f->name; f++) {
            akssl_key key;

            ck_assert(f->help && f->help[0] && (f->type == AK_FLAG_SWITCH) == !f->metavar);
            for (size_t k = 0; row->takes_spec && akssl_job_spec_key(k, &key); k++)
                ck_assert_str_ne(f->name, key.name);
        }
    }
    ck_assert_ptr_null(ak_cmd_find("sumbit"));
}
END_TEST

// The man page without its backslashes.
static char *manual(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/../deploy/man/akssl-client.1", "r");
    char *text = calloc(1, 65536);
    size_t used = 0;

    ck_assert(file && text);
    for (int c = fgetc(file); c != EOF && used < 65535; c = fgetc(file))
        if (c != '\\')
            text[used++] = (char)c;
    fclose(file);
    return text;
}

START_TEST(manual_names_all)
{
    char *text = manual(), name[64];

    for (size_t i = 0; ak_cmd_at(i); i++) {
        const ak_cmd *row = ak_cmd_at(i);

        snprintf(name, sizeof name, " %s ", row->name);
        ck_assert_msg(strstr(text, name) != NULL, "%s", name);
        for (const ak_flag *f = row->flags; f && f->name; f++) {
            snprintf(name, sizeof name, "--%s", f->name);
            ck_assert_msg(strstr(text, name) != NULL, "%s", name);
        }
    }
    free(text);
}
END_TEST

AK_TEST_MAIN(AK_CASE(reads_every_form), AK_CASE(shards_are_given_once), AK_CASE(reads_spec_keys),
             AK_CASE(refuses), AK_CASE(counts_slips), AK_CASE(tables_are_whole),
             AK_CASE(manual_names_all))
