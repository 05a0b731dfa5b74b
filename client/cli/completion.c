// client/cli/completion.c -- completion: what a shell needs to complete our command lines.
//
// Written from the same tables that read them, so that it cannot lag behind.  deploy/ installs
// both.

#include <string.h>

#include "client/cli/flags.h"

static void print_flag_names(const ak_flag *flags)
{
    for (const ak_flag *f = flags; f && f->name; f++)
        printf(" --%s", f->name);
}

static void print_words(const ak_cmd *cmd)
{
    akssl_key key;

    print_flag_names(cmd->flags);
    for (const ak_alias *a = ak_flags_aliases(); cmd->takes_spec && a->key; a++)
        if (a->name)
            printf(" --%s", a->name);
    for (size_t i = 0; cmd->takes_spec && akssl_job_spec_key(i, &key); i++)
        printf(" --%s", key.name);
    print_flag_names(ak_flags_of_program());
}

static void print_commands(void)
{
    for (size_t i = 0; ak_cmd_at(i); i++)
        printf("%s%s", i ? " " : "", ak_cmd_at(i)->name);
}

// print_values prints a branch for each key that takes one of some words.
static void print_values(void)
{
    akssl_key key;

    for (size_t i = 0; akssl_job_spec_key(i, &key); i++) {
        if (!key.choices)
            continue;
        printf("    --%s) words='", key.name);
        for (const char *at = key.choices; *at; at++)
            putchar(*at == '|' ? ' ' : *at);
        puts("' ;;");
    }
}

static void print_bash(void)
{
    fputs("# bash completion of akssl-client, made by `akssl-client completion bash`\n"
          "_akssl_client() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command= words= i\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac\n"
          "    done\n"
          "    case $last in\n",
          stdout);
    print_values();
    fputs("    esac\n    if [ -z \"$words\" ]; then case $command in\n    '') words='", stdout);
    print_commands();
    print_flag_names(ak_flags_of_program());
    puts("' ;;");
    for (size_t i = 0; ak_cmd_at(i); i++) {
        printf("    %s) words='", ak_cmd_at(i)->name);
        if (strcmp(ak_cmd_at(i)->name, "help") == 0)
            print_commands();
        print_words(ak_cmd_at(i));
        puts("' ;;");
    }
    fputs("    esac; fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
          "    [ \"$command\" = submit ] && [ ${#COMPREPLY[@]} -eq 0 ] && compopt -o default "
          "2>/dev/null\n"
          "    return 0\n}\n"
          "complete -F _akssl_client akssl-client\n",
          stdout);
}

// zsh has bash's functions for those who ask for them.
static void print_zsh(void)
{
    puts("#compdef akssl-client");
    puts("autoload -Uz bashcompinit && bashcompinit");
    print_bash();
}

static int run(ak_cli *cli, const ak_args *args)
{
    (void)cli;
    if (strcmp(args->words[0], "bash") == 0)
        print_bash();
    else if (strcmp(args->words[0], "zsh") == 0)
        print_zsh();
    else
        return ak_cli_error(AK_EXIT_USAGE, "completion: no shell '%.64s': give bash or zsh",
                            args->words[0]);
    return AK_EXIT_DONE;
}

const ak_cmd ak_cmd_completion = {
    .name = "completion",
    .summary = "print a shell's completion of these commands",
    .synopsis = "bash|zsh",
    .details = "In bash: `source <(akssl-client completion bash)`.  An installation has it "
               "already.\n",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
