// tests/unit/worker/train/choice.c -- tests worker/train/choice.c.

#include "tests/unit/worker/rig.h"
#include "worker/train/choice.h"

enum { N = 1000, CLASSES = 6 };

// Classes of very different size; every tenth image has no label.
static void fill(int64_t labels[N])
{
    ak_rng rng = ak_rng_at(9, AK_RNG_BENCH, 0, 0, 0);

    for (int i = 0; i < N; i++) {
        uint32_t draw = ak_rng_below(&rng, 64), label = 0;

        while (label < CLASSES - 1 && draw >> label & 1)
            label++;
        labels[i] = i % 10 == 9 ? -1 : (int64_t)label;
    }
}

static void count(const int64_t labels[N], const uint32_t *images, int64_t n, int64_t of[CLASSES])
{
    memset(of, 0, CLASSES * sizeof *of);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = images ? (int64_t)images[i] : i;

        if (labels[at] >= 0)
            of[labels[at]]++;
    }
}

START_TEST(takes_the_share_of_each_class)
{
    static const double shares[] = { 0.001, 0.01, 0.1, 0.5, 0.9, 1 };
    int64_t labels[N], all[CLASSES], got[CLASSES], n;
    uint32_t *images;

    fill(labels);
    count(labels, NULL, N, all);
    for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
        int64_t want = 0;

        ak_rig_ok(ak_choice_stratified(labels, N, CLASSES, shares[k], 3, &images, &n));
        count(labels, images, n, got);
        for (int c = 0; c < CLASSES; c++) {
            int64_t of = (int64_t)round(shares[k] * (double)all[c]);

            ck_assert_int_eq(got[c], of ? of : 1);
            want += got[c];
        }
        ck_assert_int_eq(n, want);
        for (int64_t i = 0; i < n; i++) {
            ck_assert(labels[images[i]] >= 0);
            ck_assert(i == 0 || images[i] > images[i - 1]); // ascending: none twice
        }
        free(images);
    }
}
END_TEST

START_TEST(is_of_the_seed)
{
    int64_t labels[N], n[3];
    uint32_t *images[3];
    int shared = 0;

    fill(labels);
    for (int k = 0; k < 3; k++)
        ak_rig_ok(ak_choice_stratified(labels, N, CLASSES, 0.3, k < 2 ? 5 : 6, &images[k], &n[k]));
    ck_assert(n[0] == n[1] && n[0] == n[2]);
    ck_assert_mem_eq(images[0], images[1], (size_t)n[0] * sizeof **images);
    for (int64_t i = 0, j = 0; i < n[0] && j < n[2];) {
        shared += images[0][i] == images[2][j];
        if (images[0][i] <= images[2][j])
            i++;
        else
            j++;
    }
    ck_assert_msg(shared > 0.15 * (double)n[0] && shared < 0.5 * (double)n[0],
                  "%d of %d are of both seeds", shared, (int)n[0]);
    for (int k = 0; k < 3; k++)
        free(images[k]);
}
END_TEST

START_TEST(bad_labels)
{
    int64_t labels[N], n = -1;
    uint32_t *images = NULL;

    fill(labels);
    ak_rig_refused(ak_choice_stratified(labels, CLASSES - 1, CLASSES, 1, 3, &images, &n),
                   AKSSL_ERR_INVALID, "too few");
    labels[7] = CLASSES;
    ak_rig_refused(ak_choice_stratified(labels, N, CLASSES, 1, 3, &images, &n), AKSSL_ERR_INVALID,
                   "image 7 has label 6");
    for (int i = 0; i < N; i++)
        labels[i] = -1;
    ak_rig_refused(ak_choice_stratified(labels, N, CLASSES, 1, 3, &images, &n), AKSSL_ERR_INVALID,
                   "0 labelled images");
    ck_assert(!images && n == -1);
}
END_TEST

// lead fills labels sorted by class, moves, and counts the leaders of each class.
static void lead(int64_t labels[N], uint32_t images[N], int64_t leaders, int64_t of[CLASSES])
{
    for (int i = 0; i < N; i++) {
        labels[i] = i < 950 ? i / 190 : CLASSES - 1; // the last class has 50
        images[i] = (uint32_t)i;
    }
    ak_rig_ok(ak_choice_lead(labels, images, N, leaders));
    memset(of, 0, CLASSES * sizeof *of);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(labels[i], images[i] < 950 ? images[i] / 190 : CLASSES - 1);
        ck_assert(i == 0 || i == leaders || images[i] > images[i - 1]); // each part in order
        if (i < leaders)
            of[labels[i]]++;
    }
}

START_TEST(all_classes_lead)
{
    int64_t labels[N], of[CLASSES];
    uint32_t images[N];

    lead(labels, images, 60, of);
    for (int c = 0; c < CLASSES; c++)
        ck_assert_int_eq(of[c], 10);
    lead(labels, images, 61, of);
    ck_assert_int_eq(of[0], 11);
    ck_assert_int_eq(images[10], 10);
    lead(labels, images, 4, of); // fewer than classes
    ck_assert(of[0] == 1 && of[3] == 1 && of[4] == 0);
    lead(labels, images, 800, of);
    ck_assert(of[0] == 150 && of[4] == 150 && of[5] == 50);
    lead(labels, images, 960, of); // all are there: nothing moves
    ck_assert(of[0] == 190 && of[5] == 10 && images[959] == 959);
    lead(labels, images, N, of);
    ck_assert_int_eq(images[500], 500);
}
END_TEST

AK_TEST_MAIN(AK_CASE(all_classes_lead), AK_CASE(takes_the_share_of_each_class),
             AK_CASE(is_of_the_seed), AK_CASE(bad_labels))
