// worker/train/data.c -- a job's images.

#include "worker/train/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

static akssl_status check_fingerprint(const ak_spec *spec, const ak_dataset *set)
{
    char now[AK_DIGEST_TEXT];
    akssl_status rc;

    if (!spec->data_fingerprint[0] || strcmp(spec->on_data_change, "ignore") == 0)
        return AKSSL_OK;
    rc = ak_dataset_fingerprint(set, now);
    if (rc < 0 || !now[0] || strcmp(now, spec->data_fingerprint) == 0)
        return rc;
    return ak_fail(AKSSL_ERR_STATE,
                   "data set '%.256s' is not the one that the job was submitted with (fingerprint "
                   "%s, was %.64s): put that back, or submit it without --data-fingerprint; with "
                   "--on-data-change ignore a job takes what it finds",
                   spec->dataset, now, spec->data_fingerprint);
}

static akssl_status open_part(ak_dataset **out, const ak_spec *spec, ak_split split, bool look)
{
    bool train = split == AK_SPLIT_TRAIN;
    const ak_dataset_ask ask = { .name = spec->dataset,
                                 .split = split,
                                 .list = train ? spec->train_list : spec->test_list,
                                 .classes = spec->classes,
                                 .limit = train ? spec->limit_images : 0,
                                 .look = look,
                                 .skip_bad = strcmp(spec->on_bad_image, "skip") == 0 };
    ak_dataset *set;
    akssl_status rc = ak_dataset_open(&set, &ask);

    if (rc < 0)
        return rc;
    rc = train ? check_fingerprint(spec, set) : AKSSL_OK;
    if (rc < 0)
        ak_dataset_close(set);
    else
        *out = set;
    return rc;
}

akssl_status ak_data_open(ak_dataset **out, const ak_spec *spec, ak_split split)
{
    return open_part(out, spec, split, false);
}

akssl_status ak_data_look(ak_dataset **out, const ak_spec *spec, ak_split split)
{
    return open_part(out, spec, split, true);
}

akssl_status ak_data_settle(ak_spec *spec, const ak_dataset *train)
{
    char now[AK_DIGEST_TEXT];
    akssl_status rc;

    if (spec->data_fingerprint[0])
        return AKSSL_OK;
    rc = ak_dataset_fingerprint(train, now);
    return rc == AKSSL_OK ? ak_spec_set(spec, "data_fingerprint", now) : rc;
}

void ak_data_tell(const ak_dataset *set, const ak_comm *comm)
{
    ak_str sentence = AK_STR_INIT;

    while (ak_dataset_next_bad(set, &sentence)) {
        fprintf(stderr, "akssl-worker: rank %d: bad %s\n", ak_comm_rank(comm), sentence.text);
        ak_str_clear(&sentence);
    }
    ak_str_fini(&sentence);
}

int64_t ak_data_count_bad(const ak_dataset *set, ak_comm *comm)
{
    int64_t size = ak_dataset_size(set), count = 0;
    size_t bytes = (size_t)(size + 7) / 8, ranks = (size_t)ak_comm_size(comm);
    uint8_t *mine = ak_alloc(bytes, 1), *all = ak_alloc(bytes * ranks, 1);

    for (int64_t i = 0; i < size; i++)
        if (ak_dataset_bad(set, i))
            mine[i / 8] |= (uint8_t)(1 << i % 8);
    ak_comm_all_gather(comm, mine, all, bytes);
    for (size_t i = 0; i < bytes; i++) {
        unsigned any = 0;

        for (size_t r = 0; r < ranks; r++)
            any |= all[r * bytes + i];
        count += __builtin_popcount(any);
    }
    free(mine);
    free(all);
    return count;
}

bool ak_data_is_elsewhere(akssl_status rc)
{
    return rc == AKSSL_ERR_STATE || rc == AKSSL_ERR_NOT_FOUND || ak_is_unwritten(rc);
}
