// daemon/harden.c -- what akssld gives up for itself, and not for its ranks.

#include "daemon/harden.h"

#include <sys/prctl.h>

// prctl(2); Debian 12's headers are older.
enum { SET_MDWE = 65, MDWE_REFUSE_EXEC_GAIN = 1, MDWE_NO_INHERIT = 2 };

bool ak_harden(void)
{
    return prctl(SET_MDWE, (unsigned long)(MDWE_REFUSE_EXEC_GAIN | MDWE_NO_INHERIT), 0UL, 0UL,
                 0UL) == 0;
}
