// worker/train/agree.c -- each rank's outcome becomes everybody's.

#include "worker/train/agree.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { SENTENCE = 1024 };

typedef struct outcome {
    int32_t rc;
    char sentence[SENTENCE];
} outcome;

akssl_status ak_agree_first(ak_comm *comm, akssl_status rc, akssl_status *first)
{
    outcome mine = { .rc = rc }, *all;
    int rank = 0;

    bool fails = ak_comm_agree(comm, rc < 0);

    *first = AKSSL_OK;
    ak_comm_note(comm, fails);
    if (!fails)
        return AKSSL_OK;
    all = ak_alloc((size_t)ak_comm_size(comm), sizeof *all);
    if (rc < 0)
        snprintf(mine.sentence, sizeof mine.sentence, "%s", ak_error_text());
    ak_comm_all_gather(comm, &mine, all, sizeof mine);
    while (all[rank].rc >= 0)
        rank++;
    for (int i = rank; i < ak_comm_size(comm) && all[rank].rc == AKSSL_ERR_CANCELLED; i++)
        if (all[i].rc < 0)
            rank = i; // whose own failure it is: the others have agreed before
    *first = (akssl_status)all[rank].rc;
    if (rc >= 0)
        rc = ak_fail(AKSSL_ERR_CANCELLED, "rank %d: %.980s", rank, all[rank].sentence);
    free(all);
    return rc;
}

akssl_status ak_agree(ak_comm *comm, akssl_status rc)
{
    akssl_status first;

    return ak_agree_first(comm, rc, &first);
}
