// daemon/verdicts.h -- what `akssl-worker check` has allowed lately, so that the same is not asked
// twice.
//
// A check opens the data set and plans the network: a quarter of a second of a core.  Its answer
// names the files that it opened ("# opened ...", worker/command/check.c).  It is given again for
// the same text, for ten minutes, as long as each of these files, and the worker, is the one that
// it was (number, size, times), and each that was missing still is.  Refusals are not kept, nor is
// an answer about files that changed within two seconds before it, whose next change their times
// may not tell, nor one about more than AK_VERDICT_FILES files.  Loop thread only, but for
// ak_verdicts_holds.

#ifndef AK_DAEMON_VERDICTS_H
#define AK_DAEMON_VERDICTS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    AK_VERDICTS = 64,
    AK_VERDICT_FILES = 32,
    AK_VERDICT_MS = 600000,
    AK_VERDICT_SETTLED_MS = 2000
};

typedef struct ak_verdicts ak_verdicts;

// ak_verdicts_new: worker is the program that is asked; borrowed.
ak_verdicts *ak_verdicts_new(const char *worker);
void ak_verdicts_free(ak_verdicts *verdicts); // NULL-safe

// ak_verdicts_find gives the answer about question, if one is kept, or NULL, and when it was kept;
// whether its files are what they were is for ak_verdicts_holds to say.  Borrowed until the next
// ak_verdicts_keep.
const char *ak_verdicts_find(ak_verdicts *verdicts, const char *question, int64_t *made_ns);

// ak_verdicts_holds looks at the files that answer names, for as long as their file servers take:
// on any thread.
bool ak_verdicts_holds(const char *answer);

// ak_verdicts_keep keeps a positive answer, in place of the one to the same question, or of the
// oldest one when there are AK_VERDICTS.
void ak_verdicts_keep(ak_verdicts *verdicts, const char *question, const char *answer);

#endif
