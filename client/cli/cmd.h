// client/cli/cmd.h -- a command of akssl-client: one file, one row in cmds.def.

#ifndef AK_CLI_CMD_H
#define AK_CLI_CMD_H

#include <akssl/akssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// What the program ends with.  After a signal it is 128 + the signal's number, as shells have it.
enum {
    AK_EXIT_DONE = 0,
    AK_EXIT_FAILED = 1,      // the job failed, or the daemon refused the request
    AK_EXIT_USAGE = 2,       // a flag, a value, a spec or a job's number that cannot be
    AK_EXIT_UNREACHABLE = 3, // no daemon, or no answer from it
};

typedef enum ak_flag_type {
    AK_FLAG_SWITCH = 1, // bool; takes no value
    AK_FLAG_TEXT,       // const char *, borrowed from argv
    AK_FLAG_COUNT,      // int64_t, 1 or more
    AK_FLAG_MANY,       // ak_texts; may be repeated
} ak_flag_type;

enum { AK_TEXTS_MAX = 16 };

// ak_texts is the values of a flag that was repeated.
typedef struct ak_texts {
    const char *at[AK_TEXTS_MAX]; // borrowed from argv
    int count;
} ak_texts;

// ak_alias is another name of a spec's key.
typedef struct ak_alias {
    char letter;      // "-J"; 0: none
    const char *name; // "job-name"; NULL: none
    const char *key;  // "name"
} ak_alias;

// ak_flag is one flag of a command, bound to a field of its struct.
typedef struct ak_flag {
    const char *name; // without "--"
    char letter;      // for "-f"; 0: none
    ak_flag_type type;
    size_t offset;
    const char *metavar; // "S"; NULL for a switch
    const char *help;
} ak_flag;

#define AK_FLAG(type_, field, name_, letter_, kind_, metavar_, help_)                              \
    {                                                                                              \
        .name = name_, .letter = letter_, .type = AK_FLAG_##kind_,                                 \
        .offset = offsetof(type_, field), .metavar = metavar_, .help = help_                       \
    }
#define AK_FLAG_END                                                                                \
    {                                                                                              \
        .name = NULL                                                                               \
    }

// ak_setting is one key of a spec as the command line gives it.
typedef struct ak_setting {
    const char *name, *value;
} ak_setting;

// ak_cli is what the whole program was told.
typedef struct ak_cli {
    // --server and so on; NULL: the library's default
    const char *server, *token_file, *ca, *cert, *key;
    bool json;    // --json
    bool help;    // --help
    bool version; // --version
    int signals;  // a signalfd once ak_signals_start was called, else -1
} ak_cli;

// ak_args is a command's own arguments.  Owned by main.
typedef struct ak_args {
    void *self;         // the command's struct of flags
    const char **words; // what is no flag
    int word_count;
    ak_setting *settings; // spec keys, in the order given (for commands that take them)
    int setting_count;
} ak_args;

typedef struct ak_cmd {
    const char *name;     // as users type it; equals the file name
    const char *summary;  // one line
    const char *synopsis; // what follows the name: "ID..."
    const char *details;  // paragraphs for --help, each line ended; or NULL
    const ak_flag *flags; // or NULL
    size_t self_size;     // bytes of the struct that the flags are bound to
    int min_words, max_words;
    bool takes_spec; // every key of a spec is a flag too

    // run does it and returns the exit code; it has said on stderr what went wrong.
    int (*run)(ak_cli *cli, const ak_args *args);
} ak_cmd;

// ak_cmd_at gives the rows of cmds.def in order, then NULL.
const ak_cmd *ak_cmd_at(size_t index);
const ak_cmd *ak_cmd_find(const char *name);

// ak_cmd_manual prints a command's manual.
void ak_cmd_manual(const ak_cmd *cmd, FILE *out);

// ak_cli_help prints the program's.
void ak_cli_help(FILE *out);

// ak_cli_error prints "akssl-client: SENTENCE" to stderr and returns code.
int ak_cli_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ak_cli_failed prints the library's sentence, and gives the exit code that status stands for.
int ak_cli_failed(akssl_status status);

// ak_cli_worse gives the exit code that says more; used over several jobs.
int ak_cli_worse(int a, int b);

// ak_cli_open connects to the daemon that cli names; returns an exit code.
int ak_cli_open(const ak_cli *cli, akssl_client **client);

// ak_cli_id reads a job's number; returns an exit code.
int ak_cli_id(const char *word, int64_t *id);

// ak_cli_open_job does both, for a command whose first word is a job.
int ak_cli_open_job(const ak_cli *cli, const ak_args *args, akssl_client **client, int64_t *id);

#endif
