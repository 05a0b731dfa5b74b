// client/cli/flags.c -- the command line, read by the tables.

#include "client/cli/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const ak_flag program_flags[] = {
    AK_FLAG(ak_cli, server, "server", 0, TEXT, "ADDR",
            "the daemon's socket, or HOST:PORT (default: $AKSSL_SERVER)"),
    AK_FLAG(ak_cli, token_file, "token-file", 0, TEXT, "FILE",
            "show the token in FILE ($AKSSL_TOKEN_FILE)"),
    AK_FLAG(ak_cli, ca, "ca", 0, TEXT, "FILE", "trust this CA ($AKSSL_CA)"),
    AK_FLAG(ak_cli, cert, "cert", 0, TEXT, "FILE", "certificate to show ($AKSSL_CERT)"),
    AK_FLAG(ak_cli, key, "key", 0, TEXT, "FILE", "its key ($AKSSL_KEY)"),
    AK_FLAG(ak_cli, json, "json", 0, SWITCH, NULL, "print JSON"),
    AK_FLAG(ak_cli, help, "help", 'h', SWITCH, NULL, "print this help"),
    AK_FLAG(ak_cli, version, "version", 0, SWITCH, NULL, "print the version"),
    AK_FLAG_END,
};

// Slurm's names of keys of a spec.
static const ak_alias aliases[] = {
    { 'J', "job-name", "name" }, { 't', NULL, "time" },
    { 'n', "ntasks", "ranks" },  { 'c', "cpus-per-task", "threads-per-shard" },
    { 0, NULL, NULL },
};

const ak_alias *ak_flags_aliases(void)
{
    return aliases;
}

const ak_flag *ak_flags_of_program(void)
{
    return program_flags;
}

// ---- suggestions

enum { LONGEST = 64 };

static int least(int a, int b, int c)
{
    int ab = a < b ? a : b;

    return ab < c ? ab : c;
}

int ak_flags_distance(const char *a, const char *b)
{
    int rows[3][LONGEST + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    size_t n = strlen(a), m = strlen(b);

    if (n >= LONGEST || m >= LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= m; j++)
        last[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int *spare = before;

        now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

bool ak_flags_near(const char *word, int distance)
{
    return distance * 3 <= (int)strlen(word) + 1;
}

typedef struct nearest {
    char name[LONGEST];
    int distance;
} nearest;

static void consider(nearest *best, const char *word, const char *name)
{
    int distance = ak_flags_distance(word, name);

    if (distance >= best->distance)
        return;
    best->distance = distance;
    snprintf(best->name, sizeof best->name, "%s", name);
}

static int unknown_flag(const ak_cmd *cmd, const char *word)
{
    nearest best = { .distance = LONGEST };
    akssl_key key;

    for (const ak_flag *f = program_flags; f->name; f++)
        consider(&best, word, f->name);
    for (const ak_flag *f = cmd ? cmd->flags : NULL; f && f->name; f++)
        consider(&best, word, f->name);
    for (size_t i = 0; cmd && cmd->takes_spec && akssl_job_spec_key(i, &key); i++)
        consider(&best, word, key.name);
    if (ak_flags_near(word, best.distance))
        return ak_cli_error(AK_EXIT_USAGE, "%s%sno flag --%s: did you mean --%s?",
                            cmd ? cmd->name : "", cmd ? ": " : "", word, best.name);
    return ak_cli_error(AK_EXIT_USAGE, "%s%sno flag --%s: see akssl-client help%s%s",
                        cmd ? cmd->name : "", cmd ? ": " : "", word, cmd ? " " : "",
                        cmd ? cmd->name : "");
}

// ---- reading

typedef struct cursor {
    ak_cli *cli;
    const ak_cmd *cmd; // NULL before the command
    int argc, at;
    char **argv;
    const char *name;  // of the flag being read
    const char *value; // what follows its "=", or NULL
} cursor;

static int need_value(cursor *c, const char *metavar)
{
    if (c->value)
        return AK_EXIT_DONE;
    if (c->at >= c->argc)
        return ak_cli_error(AK_EXIT_USAGE, "--%s needs a value: --%s %s", c->name, c->name,
                            metavar);
    c->value = c->argv[c->at++];
    return AK_EXIT_DONE;
}

static int put_count(const ak_flag *flag, const char *text, int64_t *field)
{
    char *end;
    long long count;

    errno = 0;
    count = strtoll(text, &end, 10);
    if (end == text || *end || errno || count < 1)
        return ak_cli_error(AK_EXIT_USAGE, "--%s '%.64s': give a whole number from 1", flag->name,
                            text);
    *field = count;
    return AK_EXIT_DONE;
}

static int put_one_more(const ak_flag *flag, const char *text, ak_texts *texts)
{
    if (texts->count == AK_TEXTS_MAX)
        return ak_cli_error(AK_EXIT_USAGE, "--%s may be given %d times", flag->name, AK_TEXTS_MAX);
    texts->at[texts->count++] = text;
    return AK_EXIT_DONE;
}

static int put(cursor *c, const ak_flag *flag, void *self)
{
    void *field = (char *)self + flag->offset;
    int rc;

    if (flag->type == AK_FLAG_SWITCH) {
        if (c->value)
            return ak_cli_error(AK_EXIT_USAGE, "--%s takes no value", flag->name);
        *(bool *)field = true;
        return AK_EXIT_DONE;
    }
    rc = need_value(c, flag->metavar);
    if (rc != AK_EXIT_DONE)
        return rc;
    if (flag->type == AK_FLAG_COUNT)
        return put_count(flag, c->value, field);
    if (flag->type == AK_FLAG_MANY)
        return put_one_more(flag, c->value, field);
    *(const char **)field = c->value;
    return AK_EXIT_DONE;
}

static const ak_flag *find(const ak_flag *flags, const char *name, char letter)
{
    for (const ak_flag *f = flags; f && f->name; f++)
        if (letter ? f->letter == letter : strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static bool find_key(const char *name, akssl_key *key)
{
    char dashed[LONGEST];

    snprintf(dashed, sizeof dashed, "%s", name);
    for (char *at = dashed; *at; at++)
        if (*at == '_')
            *at = '-';
    for (size_t i = 0; akssl_job_spec_key(i, key); i++)
        if (strcmp(key->name, dashed) == 0)
            return true;
    return false;
}

// A shell that expands --dataset=tar:{0..9}.tar gives it ten times; the last alone would be trained
// on, as a flag's last value is what counts.
static int check_expanded(const ak_args *args, const char *value)
{
    for (int i = 0; i < args->setting_count; i++)
        if (strcmp(args->settings[i].name, "dataset") == 0 &&
            strncmp(args->settings[i].value, "tar:", 4) == 0 && strncmp(value, "tar:", 4) == 0 &&
            strcmp(args->settings[i].value, value) != 0)
            return ak_cli_error(AK_EXIT_USAGE,
                                "--dataset '%.160s' and --dataset '%.160s': give one; braces "
                                "that are not the shell's go in quotes",
                                args->settings[i].value, value);
    return AK_EXIT_DONE;
}

static int read_key(cursor *c, ak_args *args)
{
    akssl_key key;
    int rc;

    if (!c->cmd || !c->cmd->takes_spec || !find_key(c->name, &key))
        return unknown_flag(c->cmd, c->name);
    if (key.type == AKSSL_KEY_BOOL && !c->value)
        c->value = "true";
    rc = need_value(c, key.type == AKSSL_KEY_PAIRS ? "key=value" : "VALUE");
    if (rc == AK_EXIT_DONE && strcmp(c->name, "dataset") == 0)
        rc = check_expanded(args, c->value);
    if (rc != AK_EXIT_DONE)
        return rc;
    args->settings[args->setting_count++] = (ak_setting){ .name = c->name, .value = c->value };
    return AK_EXIT_DONE;
}

// "--name", "--name=value": the word is split in place.
static const ak_alias *find_alias(const ak_cmd *cmd, const char *name, char letter)
{
    for (const ak_alias *a = aliases; cmd && cmd->takes_spec && a->key; a++)
        if (letter ? a->letter == letter : a->name && strcmp(a->name, name) == 0)
            return a;
    return NULL;
}

static int read_long(cursor *c, char *word, ak_args *args)
{
    const ak_flag *own, *program;
    char *equals = strchr(word, '=');

    c->name = word + 2;
    c->value = NULL;
    if (equals) {
        *equals = '\0';
        c->value = equals + 1;
    }
    if (find_alias(c->cmd, c->name, 0))
        c->name = find_alias(c->cmd, c->name, 0)->key;
    own = find(c->cmd ? c->cmd->flags : NULL, c->name, 0);
    program = find(program_flags, c->name, 0);
    if (own)
        return put(c, own, args->self);
    if (program)
        return put(c, program, c->cli);
    return read_key(c, args);
}

// read_letters reads "-f", "-fh", "-n4", "-n 4": the value of a letter that takes one is the rest
// of the word, or the next word.
static int read_letters(cursor *c, const char *word, ak_args *args)
{
    int rc = AK_EXIT_DONE;

    for (const char *letter = word + 1; *letter && rc == AK_EXIT_DONE; letter++) {
        const ak_flag *own = find(c->cmd ? c->cmd->flags : NULL, "", *letter);
        const ak_flag *flag = own ? own : find(program_flags, "", *letter);
        const ak_alias *alias = find_alias(c->cmd, "", *letter);
        bool takes_value = alias || (flag && flag->type != AK_FLAG_SWITCH);

        if (!flag && !alias)
            return ak_cli_error(AK_EXIT_USAGE, "%s%sno flag -%c: see akssl-client help%s%s",
                                c->cmd ? c->cmd->name : "", c->cmd ? ": " : "", *letter,
                                c->cmd ? " " : "", c->cmd ? c->cmd->name : "");
        c->value = takes_value && letter[1] ? letter + 1 : NULL;
        c->name = flag ? flag->name : alias->key;
        rc = flag ? put(c, flag, own ? args->self : c->cli) : read_key(c, args);
        if (takes_value)
            break;
    }
    return rc;
}

static bool is_flag(const char *word)
{
    return word[0] == '-' && word[1];
}

int ak_flags_read_program(ak_cli *cli, int argc, char **argv, int *at)
{
    cursor c = { .cli = cli, .argc = argc, .argv = argv, .at = 1 };
    int rc = AK_EXIT_DONE;

    while (c.at < argc && rc == AK_EXIT_DONE && is_flag(argv[c.at])) {
        char *word = argv[c.at++];

        rc = word[1] == '-' ? read_long(&c, word, NULL) : read_letters(&c, word, NULL);
    }
    *at = c.at;
    return rc;
}

static int check_words(const ak_cmd *cmd, const ak_args *args)
{
    if (args->word_count < cmd->min_words)
        return ak_cli_error(AK_EXIT_USAGE, "%s: too few arguments: akssl-client %s %s", cmd->name,
                            cmd->name, cmd->synopsis);
    if (args->word_count > cmd->max_words)
        return ak_cli_error(AK_EXIT_USAGE,
                            "%s: '%.64s' is one argument too many: akssl-client %s %s", cmd->name,
                            args->words[cmd->max_words], cmd->name, cmd->synopsis);
    return AK_EXIT_DONE;
}

int ak_flags_read(ak_cli *cli, const ak_cmd *cmd, int argc, char **argv, ak_args *args)
{
    cursor c = { .cli = cli, .cmd = cmd, .argc = argc, .argv = argv };
    bool words_only = false;
    int rc;

    while (c.at < argc) {
        char *word = argv[c.at++];

        if (!words_only && strcmp(word, "--") == 0) {
            words_only = true;
            continue;
        }
        if (words_only || !is_flag(word)) {
            args->words[args->word_count++] = word;
            continue;
        }
        rc = word[1] == '-' ? read_long(&c, word, args) : read_letters(&c, word, args);
        if (rc != AK_EXIT_DONE)
            return rc;
    }
    return cli->help || cli->version ? AK_EXIT_DONE : check_words(cmd, args);
}
