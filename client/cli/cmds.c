// client/cli/cmds.c -- the table of commands, their manuals, and what they all say and do alike.

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/flags.h"
#include "client/cli/text.h"

#define AK_CMD(name) extern const ak_cmd ak_cmd_##name;
#include "client/cli/cmds.def"
#undef AK_CMD

static const ak_cmd *const cmds[] = {
#define AK_CMD(name) &ak_cmd_##name,
#include "client/cli/cmds.def"
#undef AK_CMD
    NULL,
};

const ak_cmd *ak_cmd_at(size_t index)
{
    return cmds[index];
}

const ak_cmd *ak_cmd_find(const char *name)
{
    const ak_cmd *best = cmds[0];

    for (size_t i = 0; cmds[i]; i++) {
        if (strcmp(cmds[i]->name, name) == 0)
            return cmds[i];
        if (ak_flags_distance(name, cmds[i]->name) < ak_flags_distance(name, best->name))
            best = cmds[i];
    }
    if (ak_flags_near(name, ak_flags_distance(name, best->name)))
        ak_cli_error(AK_EXIT_USAGE, "no command '%.64s': did you mean %s?", name, best->name);
    else
        ak_cli_error(AK_EXIT_USAGE, "no command '%.64s': see akssl-client help", name);
    return NULL;
}

// ---- manuals

static void print_flags(const ak_flag *flags, FILE *out)
{
    for (const ak_flag *f = flags; f && f->name; f++) {
        char letter[] = { '-', f->letter, ',', ' ', '\0' };
        char left[80];

        snprintf(left, sizeof left, "%s--%s%s%s", f->letter ? letter : "", f->name,
                 f->metavar ? " " : "", f->metavar ? f->metavar : "");
        fprintf(out, "  %-26s %s\n", left, f->help);
    }
}

static void print_aliases(FILE *out)
{
    for (const ak_alias *a = ak_flags_aliases(); a->key; a++) {
        char letter[] = { '-', a->letter, ' ', '\0' };
        char left[80];

        snprintf(left, sizeof left, "%s%s%s", a->letter ? letter : "", a->name ? "--" : "",
                 a->name ? a->name : "");
        fprintf(out, "  %-26s as --%s\n", left, a->key);
    }
}

static const char *value_of(const akssl_key *key)
{
    if (key->choices)
        return key->choices + (key->choices[0] == '|');
    switch (key->type) {
    case AKSSL_KEY_PAIRS:
        return "KEY=VALUE";
    case AKSSL_KEY_INT:
        return "N";
    case AKSSL_KEY_FLOAT:
        return "X";
    case AKSSL_KEY_BOOL:
        return "true|false";
    case AKSSL_KEY_TEXT:
        break;
    }
    return "TEXT";
}

static void print_key(const akssl_key *key, FILE *out)
{
    char left[80];

    snprintf(left, sizeof left, "--%s %s", key->name, value_of(key));
    fprintf(out, "  %-26s %s", left, key->help);
    if (key->initial[0])
        fprintf(out, " (%s)", key->initial);
    fputc('\n', out);
}

void ak_cmd_manual(const ak_cmd *cmd, FILE *out)
{
    akssl_key key;

    fprintf(out, "usage: akssl-client %s %s%s\n%s.\n", cmd->name,
            cmd->flags || cmd->takes_spec ? "[FLAGS] " : "", cmd->synopsis, cmd->summary);
    if (cmd->details)
        fprintf(out, "\n%s", cmd->details);
    fputs("\nflags:\n", out);
    print_flags(cmd->flags, out);
    if (cmd->takes_spec)
        print_aliases(out);
    print_flags(ak_flags_of_program(), out);
    if (!cmd->takes_spec)
        return;
    fputs("\nkeys of the spec, as flags or as names in the YAML file (default):\n", out);
    for (size_t i = 0; akssl_job_spec_key(i, &key); i++)
        print_key(&key, out);
}

void ak_cli_help(FILE *out)
{
    fputs("usage: akssl-client [FLAGS] COMMAND [ARGUMENTS]\n"
          "Submits jobs to akssld and watches them.\n\ncommands:\n",
          out);
    for (size_t i = 0; cmds[i]; i++)
        fprintf(out, "  %-10s %s\n", cmds[i]->name, cmds[i]->summary);
    fputs("\nflags, before or after the command:\n", out);
    print_flags(ak_flags_of_program(), out);
    fputs("\nexit codes: 0 done, 1 the job failed or the daemon refused, 2 usage, "
          "3 no daemon can be reached\n",
          out);
}

// ---- what all commands say and do alike

int ak_cli_error(int code, const char *format, ...)
{
    char sentence[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    fflush(stdout);
    fputs("akssl-client: ", stderr);
    ak_text_put(stderr, sentence);
    fputc('\n', stderr);
    return code;
}

int ak_cli_failed(akssl_status status)
{
    int code = AK_EXIT_FAILED;

    if (status == AKSSL_ERR_INVALID || status == AKSSL_ERR_NOT_FOUND)
        code = AK_EXIT_USAGE;
    if (status == AKSSL_ERR_UNAVAILABLE || status == AKSSL_ERR_DEADLINE)
        code = AK_EXIT_UNREACHABLE;
    return ak_cli_error(code, "%s", akssl_last_error());
}

// A signal says more than a lost daemon, which says more than a failed job.
int ak_cli_worse(int a, int b)
{
    static const int order[] = { AK_EXIT_DONE, AK_EXIT_FAILED, AK_EXIT_USAGE, AK_EXIT_UNREACHABLE };

    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (a == order[i])
            return b;
        if (b == order[i])
            return a;
    }
    return a;
}

int ak_cli_open(const ak_cli *cli, akssl_client **client)
{
    const akssl_client_options options = { cli->server, cli->token_file, cli->ca, cli->cert,
                                           cli->key };
    akssl_status rc = akssl_client_open_with(client, &options);

    return rc < 0 ? ak_cli_failed(rc) : AK_EXIT_DONE;
}

int ak_cli_id(const char *word, int64_t *id)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(word, &end, 10);
    if (end == word || *end || errno || value < 1)
        return ak_cli_error(AK_EXIT_USAGE,
                            "'%.64s' is no job: give its number, as `akssl-client "
                            "list` shows it",
                            word);
    *id = value;
    return AK_EXIT_DONE;
}

int ak_cli_open_job(const ak_cli *cli, const ak_args *args, akssl_client **client, int64_t *id)
{
    int code = ak_cli_id(args->words[0], id);

    return code == AK_EXIT_DONE ? ak_cli_open(cli, client) : code;
}
