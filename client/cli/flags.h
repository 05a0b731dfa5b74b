// client/cli/flags.h -- the command line, read by the tables.

#ifndef AK_CLI_FLAGS_H
#define AK_CLI_FLAGS_H

#include "client/cli/cmd.h"

// ak_flags_of_program is the table of the flags that go before or after any command; bound to
// ak_cli.
const ak_flag *ak_flags_of_program(void);

// ak_flags_aliases is other names of keys of a spec, for commands that take them; ended by one
// without a key.
const ak_alias *ak_flags_aliases(void);

// ak_flags_read_program reads the flags before the command.  *at becomes the index of the first
// word that is no flag (argc: none).  Returns an exit code, having said what is wrong.
int ak_flags_read_program(ak_cli *cli, int argc, char **argv, int *at);

// ak_flags_read reads what follows the command.  args->self points to zeroed memory of
// cmd->self_size; words and settings have room for argc entries.  Returns an exit code.
int ak_flags_read(ak_cli *cli, const ak_cmd *cmd, int argc, char **argv, ak_args *args);

// ak_flags_distance counts the slips of the keyboard (a letter more, less, other, or two swapped)
// between two words of under 64 letters; longer ones are far apart.
int ak_flags_distance(const char *a, const char *b);

// ak_flags_near says whether distance is small enough for a word of that length to suggest it.
bool ak_flags_near(const char *word, int distance);

#endif
