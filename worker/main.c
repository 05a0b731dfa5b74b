// worker/main.c -- akssl-worker COMMAND: one MPI rank of a job, and the tools around it.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/mapped.h"
#include "worker/command/command.h"

#define AK_COMMAND(name) extern const ak_command ak_command_##name;
#include "worker/command/commands.def"
#undef AK_COMMAND

static const ak_command *const commands[] = {
#define AK_COMMAND(name) &ak_command_##name,
#include "worker/command/commands.def"
#undef AK_COMMAND
};

enum { COMMANDS = sizeof commands / sizeof *commands };

int ak_command_exit(akssl_status status)
{
    switch (status) {
    case AKSSL_OK:
        return AK_EXIT_OK;
    case AKSSL_ERR_INVALID:
    case AKSSL_ERR_NOT_FOUND:
    case AKSSL_ERR_LIMIT:
    case AKSSL_ERR_UNSUPPORTED:
        return AK_EXIT_USAGE;
    case AKSSL_ERR_PERMISSION:
        return AK_EXIT_NOT_PERMITTED;
    default:
        return AK_EXIT_FAILED;
    }
}

int ak_command_end(akssl_status status, ak_comm *comm)
{
    if (status < 0 && comm && ak_comm_size(comm) > 1) {
        fprintf(stderr, "akssl-worker: %s\n", ak_error_text());
        ak_comm_abort(comm, ak_command_exit(status));
    }
    ak_comm_close(comm);
    return ak_command_exit(status);
}

static void print_usage(FILE *to)
{
    fprintf(to, "usage: akssl-worker COMMAND [--FLAG VALUE]...\n\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->help);
    fprintf(
        to,
        "\n`akssl-worker COMMAND --help` lists the flags of one; --version prints the version.\n");
}

static void print_flags(const ak_command *command)
{
    printf("usage: akssl-worker %s [--FLAG VALUE]...\n%s\n\n", command->name, command->help);
    for (const ak_option *row = command->options; row->name; row++) {
        char flag[64];

        snprintf(flag, sizeof flag, "--%s%s", row->name,
                 row->type == AK_OPTION_TYPE_BOOL ? "" : " VALUE");
        for (char *c = flag; *c; c++)
            if (*c == '_')
                *c = '-';
        printf("  %-26s %s\n", flag, row->help);
    }
}

// Pairs add up, as they do in a job's flags; any other flag given again replaces its value.
static akssl_status set_flag(const ak_command *command, void *self, const ak_option *row,
                             const char *value)
{
    bool pairs = strcmp(row->name, "augment") == 0 || strcmp(row->name, "option") == 0;
    const char *held = pairs ? *(char **)((char *)self + row->offset) : "";
    ak_str both = AK_STR_INIT;
    akssl_status rc;

    ak_str_format(&both, "%s%s%s", held, *held ? "," : "", value);
    rc = ak_option_set(command->options, self, row->name, both.text);
    ak_str_fini(&both);
    return rc;
}

// One flag at argv[*at]: --name value, --name=value, or --name alone for a BOOL.
static akssl_status read_flag(const ak_command *command, void *self, char **argv, int *at)
{
    char *name = argv[*at], *value;
    const ak_option *row;

    if (strncmp(name, "--", 2) != 0)
        return ak_fail(AKSSL_ERR_INVALID, "'%s' is not a flag: see akssl-worker %s --help", name,
                       command->name);
    name += 2;
    value = strchr(name, '=');
    if (value)
        *value++ = '\0';
    row = ak_option_find(command->options, name);
    if (!row)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "no flag --%s: see akssl-worker %s --help", name,
                       command->name);
    if (!value && row->type == AK_OPTION_TYPE_BOOL)
        value = "true";
    else if (!value && argv[*at + 1])
        value = argv[++*at];
    if (!value)
        return ak_fail(AKSSL_ERR_INVALID, "--%s needs a value", name);
    return set_flag(command, self, row, value);
}

static int run(const ak_command *command, char **argv)
{
    void *self = ak_alloc(1, command->self_size);
    akssl_status rc = AKSSL_OK;
    int code = AK_EXIT_OK;

    ak_option_defaults(command->options, self);
    for (int at = 0; argv[at] && rc == AKSSL_OK; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            print_flags(command);
            goto out;
        }
        rc = read_flag(command, self, argv, &at);
    }
    code = rc < 0 ? AK_EXIT_USAGE : command->run(self);
    if (code != AK_EXIT_OK)
        fprintf(stderr, "akssl-worker: %s\n", ak_error_text());
out:
    ak_option_fini(command->options, self);
    free(self);
    return code;
}

int main(int argc, char **argv)
{
    ak_mapped_guard(); // before MPI, which takes a SIGBUS that nobody has
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return printf("akssl-worker %s\n", AKSSL_VERSION) < 0;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        print_usage(stdout);
        return AK_EXIT_OK;
    }
    for (int i = 0; argc > 1 && i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return run(commands[i], argv + 2);
    if (argc > 1)
        fprintf(stderr, "akssl-worker: no command '%s'\n", argv[1]);
    print_usage(stderr);
    return AK_EXIT_USAGE;
}
