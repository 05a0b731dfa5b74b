// worker/data/bad.c -- which images of a set were found bad, and the sentences not yet told.

#include "worker/data/bad.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

struct ak_bad {
    atomic_uchar *flags; // [size]
    pthread_mutex_t lock;
    char *sentences[AK_BAD_TOLD];
    int kept, told; // 0 <= told <= kept
};

akssl_status ak_bad_new(ak_bad **out, int64_t size)
{
    ak_bad *bad = ak_alloc(1, sizeof *bad);

    pthread_mutex_init(&bad->lock, NULL);
    bad->flags = ak_try_alloc((size_t)size, sizeof *bad->flags);
    if (!bad->flags) {
        ak_bad_free(bad);
        return AKSSL_ERR_NO_MEMORY;
    }
    *out = bad;
    return AKSSL_OK;
}

void ak_bad_free(ak_bad *bad)
{
    if (!bad)
        return;
    for (int i = bad->told; i < bad->kept; i++)
        free(bad->sentences[i]);
    pthread_mutex_destroy(&bad->lock);
    free((void *)bad->flags);
    free(bad);
}

bool ak_bad_is(const ak_bad *bad, int64_t index)
{
    return atomic_load_explicit(&bad->flags[index], memory_order_relaxed);
}

void ak_bad_add(ak_bad *bad, int64_t index, const char *sentence)
{
    if (atomic_exchange(&bad->flags[index], 1))
        return;
    pthread_mutex_lock(&bad->lock);
    if (bad->kept < AK_BAD_TOLD - 1)
        bad->sentences[bad->kept++] = ak_strdup(sentence);
    else if (bad->kept == AK_BAD_TOLD - 1)
        bad->sentences[bad->kept++] = ak_strdup("there are more bad images: they are counted, and "
                                                "no longer named");
    pthread_mutex_unlock(&bad->lock);
}

bool ak_bad_next(ak_bad *bad, ak_str *sentence)
{
    char *text = NULL;

    pthread_mutex_lock(&bad->lock);
    if (bad->told < bad->kept)
        text = bad->sentences[bad->told++];
    pthread_mutex_unlock(&bad->lock);
    if (text)
        ak_str_append(sentence, text);
    free(text);
    return text != NULL;
}
