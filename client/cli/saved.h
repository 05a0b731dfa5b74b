// client/cli/saved.h -- what is said of a file that was written.

#ifndef AK_CLI_SAVED_H
#define AK_CLI_SAVED_H

#include "client/cli/cmd.h"

// ak_saved_print says, as text or JSON, that what ("state") of the job was done ("saved") to path.
void ak_saved_print(const ak_cli *cli, const char *what, const char *done, const akssl_saved *saved,
                    const char *path);

#endif
