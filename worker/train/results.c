// worker/train/results.c -- figures of evaluations, by name.

#include "worker/train/results.h"

#include <stdio.h>
#include <string.h>

void ak_results_put(ak_results *r, const char *prefix, const char *name, double value)
{
    char full[AK_RESULT_NAME];
    int at = 0;

    snprintf(full, sizeof full, "%s%s", prefix, name);
    while (at < r->count && strcmp(r->row[at].name, full) != 0)
        at++;
    if (at == AK_RESULTS)
        return;
    memcpy(r->row[at].name, full, sizeof full);
    r->row[at].value = value;
    if (at == r->count)
        r->count++;
}
