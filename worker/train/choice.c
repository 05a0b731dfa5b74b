// worker/train/choice.c -- a share of each class, by one permutation of all images; the first of
// each.

#include "worker/train/choice.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/rng/rng.h"

enum { STREAM = 1 }; // of the seed's orders: epochs have stream 0

static akssl_status count_classes(const int64_t *labels, int64_t n, int64_t classes, int64_t *left)
{
    int64_t labelled = 0;

    for (int64_t i = 0; i < n; i++) {
        if (labels[i] < 0)
            continue;
        if (labels[i] >= classes)
            return ak_fail(AKSSL_ERR_INVALID,
                           "image %" PRId64 " has label %" PRId64 ", not one of 0 to %" PRId64, i,
                           labels[i], classes - 1);
        left[labels[i]]++;
        labelled++;
    }
    if (labelled == 0 || labelled < classes)
        return ak_fail(AKSSL_ERR_INVALID,
                       "%" PRId64 " labelled images of %" PRId64
                       " classes are too few: raise --limit-images or use another data set",
                       labelled, classes);
    return AKSSL_OK;
}

static void take(const int64_t *labels, int64_t n, uint64_t seed, int64_t *left, uint32_t *order,
                 bool *chosen)
{
    ak_rng rng = ak_rng_at(seed, AK_RNG_ORDER, 0, STREAM, 0);

    ak_rng_permute(&rng, order, (uint32_t)n);
    for (int64_t i = 0; i < n; i++) {
        int64_t label = labels[order[i]];

        if (label >= 0 && left[label] > 0) {
            left[label]--;
            chosen[order[i]] = true;
        }
    }
}

akssl_status ak_choice_stratified(const int64_t *labels, int64_t n, int64_t classes, double share,
                                  uint64_t seed, uint32_t **images, int64_t *count)
{
    int64_t *left = ak_try_alloc((size_t)classes, sizeof *left);
    uint32_t *order = ak_try_alloc((size_t)n, sizeof *order);
    bool *chosen = ak_try_alloc((size_t)n, sizeof *chosen);
    akssl_status rc = left && order && chosen ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;

    if (rc == AKSSL_OK)
        rc = count_classes(labels, n, classes, left);
    if (rc == AKSSL_OK) {
        int64_t at = 0;

        for (int64_t c = 0; c < classes; c++)
            if (left[c])
                left[c] = (int64_t)fmax(1, round(share * (double)left[c]));
        take(labels, n, seed, left, order, chosen);
        for (int64_t i = 0; i < n; i++)
            if (chosen[i])
                order[at++] = (uint32_t)i;
        *count = at;
        *images = order;
        order = NULL;
    }
    free(left);
    free(order);
    free(chosen);
    return rc;
}

// turns counts, for each image, those of its class before it; gives whether a class is missing
// among the first `count`.
static bool turns(const int64_t *labels, int64_t n, int64_t count, int64_t *seen, int64_t *turn)
{
    bool missing = false;

    for (int64_t i = 0; i < n; i++) {
        turn[i] = seen[labels[i]]++;
        missing |= i >= count && turn[i] == 0;
    }
    return missing;
}

// leads says whether an image of that turn does: all of earlier turns than the last do, and `left`
// of that one.
static bool leads(int64_t turn, int64_t last, int64_t *left)
{
    if (turn == last && *left > 0) {
        --*left;
        return true;
    }
    return turn < last;
}

static void move(int64_t *labels, uint32_t *images, int64_t n, int64_t count, const int64_t *turn,
                 int64_t *label_of, uint32_t *image_of)
{
    int64_t *in_turn = label_of, last = 0, left = count, front = 0, back = count;

    for (int64_t i = 0; i < n; i++) // label_of is zero so far
        in_turn[turn[i]]++;
    while (left > in_turn[last]) // until turns 0..last are enough
        left -= in_turn[last++];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = leads(turn[i], last, &left) ? front++ : back++;

        label_of[at] = labels[i];
        image_of[at] = images[i];
    }
    memcpy(labels, label_of, (size_t)n * sizeof *labels);
    memcpy(images, image_of, (size_t)n * sizeof *images);
}

akssl_status ak_choice_lead(int64_t *labels, uint32_t *images, int64_t n, int64_t count)
{
    int64_t most = 0, *seen, *turn = ak_try_alloc((size_t)n, sizeof *turn);
    int64_t *label_of = ak_try_alloc((size_t)n, sizeof *label_of);
    uint32_t *image_of = ak_try_alloc((size_t)n, sizeof *image_of);
    akssl_status rc = AKSSL_OK;

    for (int64_t i = 0; i < n; i++)
        most = labels[i] > most ? labels[i] : most;
    seen = ak_try_alloc((size_t)most + 1, sizeof *seen);
    if (!seen || !turn || !label_of || !image_of)
        rc = AKSSL_ERR_NO_MEMORY;
    else if (count < n && turns(labels, n, count, seen, turn))
        move(labels, images, n, count, turn, label_of, image_of);
    free(seen);
    free(turn);
    free(label_of);
    free(image_of);
    return rc;
}
