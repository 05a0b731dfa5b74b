// tests/unit/worker/data/malformed.c -- hundreds of malformed images through folder: (AKSSL_LONG=1:
// ten thousand): each is read, or named and stood in for, and memory stays bounded.

#include <ftw.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "tests/unit/worker/image/pictures.h"
#include "worker/data/dataset.h"
#include "worker/rng/rng.h"

enum { SEEDS = 9, KINDS = 6, MOST_GROWTH = 1 << 20 /* KiB */ };

static char folder[300];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void make_seeds(picture seeds[SEEDS])
{
    seeds[0] = picture_jpeg((jpeg_form){ 40, 56, 3, false, 6 });
    seeds[1] = picture_jpeg((jpeg_form){ 40, 56, 3, true, 0 });
    seeds[2] = picture_jpeg((jpeg_form){ 40, 56, 1, false, 0 });
    seeds[3] = picture_jpeg((jpeg_form){ 40, 56, 4, false, 0 });
    seeds[4] = picture_png((png_form){ 40, 56, PNG_COLOR_TYPE_RGB_ALPHA, 16, true, 3 });
    seeds[5] = picture_png((png_form){ 40, 56, PNG_COLOR_TYPE_PALETTE, 4, false, 0 });
    seeds[6] = picture_png((png_form){ 40, 56, PNG_COLOR_TYPE_GRAY, 1, true, 0 });
    seeds[7] = picture_webp(40, 56, true);
    seeds[8] = picture_webp(40, 56, false);
}

// Where a header has its width and height.
static void make_huge(picture *p, ak_rng *rng)
{
    uint8_t *sof = NULL;

    for (size_t i = 2; p->bytes[0] == 0xff && !sof && i + 9 < p->size; i++)
        if (p->bytes[i] == 0xff && (p->bytes[i + 1] == 0xc0 || p->bytes[i + 1] == 0xc2))
            sof = p->bytes + i + 5;
    if (!sof)
        sof = p->bytes + (p->bytes[0] == 0x89 ? 16 : 24);
    for (int i = 0; i < (p->bytes[0] == 0x89 ? 8 : 4); i++)
        sof[i] = (uint8_t)ak_rng_below(rng, 256);
}

static uint32_t crc(const uint8_t *bytes, size_t size)
{
    uint32_t c = 0xffffffff;

    for (size_t i = 0; i < size; i++) {
        c ^= bytes[i];
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
    }
    return ~c;
}

// A PNG of up to 100000 pixels a side in a few hundred bytes, with its checksum right.
static void make_bomb(picture *p, ak_rng *rng)
{
    uint32_t sum;

    if (p->bytes[0] != 0x89) {
        make_huge(p, rng);
        return;
    }
    for (int side = 0; side < 2; side++) {
        uint32_t n = 1 + ak_rng_below(rng, 100000);

        for (int i = 0; i < 4; i++)
            p->bytes[16 + 4 * side + i] = (uint8_t)(n >> (24 - 8 * i));
    }
    sum = crc(p->bytes + 12, 17);
    for (int i = 0; i < 4; i++)
        p->bytes[29 + i] = (uint8_t)(sum >> (24 - 8 * i));
}

// kind 5: whole, under another format's name.
static void spoil(picture *p, int kind, ak_rng *rng)
{
    if (kind == 0)
        p->size = ak_rng_below(rng, (uint32_t)p->size);
    for (uint32_t n = kind == 1 ? 1 + ak_rng_below(rng, 16) : 0; n; n--)
        p->bytes[ak_rng_below(rng, (uint32_t)p->size)] ^= (uint8_t)(1 << ak_rng_below(rng, 8));
    if (kind == 2)
        make_huge(p, rng);
    if (kind == 3)
        make_bomb(p, rng);
    for (size_t i = 12; kind == 4 && i < p->size; i++)
        p->bytes[i] = (uint8_t)ak_rng_below(rng, 256);
}

static void put(int number, const picture *p)
{
    static const char *const ends[] = { "jpg", "png", "webp", "JPEG" };
    char path[400];
    FILE *file;

    snprintf(path, sizeof path, "%s/a/%05d.%s", folder, number, ends[number % 4]);
    file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(p->bytes, 1, p->size, file), p->size);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_images(int count)
{
    picture seeds[SEEDS];

    make_seeds(seeds);
    put(0, &seeds[0]); // one that is whole
    for (int i = 1; i < count; i++) {
        ak_rng rng = ak_rng_at(1, AK_RNG_BENCH, (uint32_t)i, 0, 0);
        const picture *seed = &seeds[i % SEEDS];
        picture p = { malloc(seed->size), seed->size };

        memcpy(p.bytes, seed->bytes, seed->size);
        spoil(&p, i / SEEDS % KINDS, &rng);
        put(i, &p);
        free(p.bytes);
    }
    for (int i = 0; i < SEEDS; i++)
        free(seeds[i].bytes);
}

static long resident_most(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void read_all(const ak_dataset *set, int64_t *bad)
{
    ak_reading reading = { 0 };
    volatile unsigned sum = 0;

    for (int64_t i = 0; i < ak_dataset_size(set); i++) {
        ak_image image;
        akssl_status rc = ak_dataset_read(set, i, 16, &reading, &image);

        ck_assert_msg(rc == 0, "image %d: %s", (int)i, ak_error_text());
        for (int64_t k = 0; k < image.height * image.width * image.channels; k++)
            sum = sum + image.pixels[k];
        *bad += ak_dataset_bad(set, i);
    }
    ak_reading_fini(&reading);
}

START_TEST(named_and_stood_in_for)
{
    const int count = getenv("AKSSL_LONG") ? 10000 : 500;
    const char *base = getenv("TMPDIR");
    ak_str sentence = AK_STR_INIT;
    int64_t bad = 0, told = 0;
    char name[320], inside[320];
    ak_dataset *set;
    long before;

    snprintf(folder, sizeof folder, "%.200s/akssl-malformed-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(inside, sizeof inside, "%s/a", folder);
    ck_assert_int_eq(mkdir(inside, 0700), 0);
    make_images(count);
    before = resident_most();
    snprintf(name, sizeof name, "folder:%s", folder);
    ck_assert_int_eq(
        ak_dataset_open(
            &set, &(ak_dataset_ask){ .name = name, .split = AK_SPLIT_TRAIN, .skip_bad = true }),
        0);
    ck_assert_int_eq(ak_dataset_size(set), count);
    read_all(set, &bad);
    while (ak_dataset_next_bad(set, &sentence)) {
        ck_assert(strstr(sentence.text, "image 'a/") || strstr(sentence.text, "more bad"));
        ak_str_clear(&sentence);
        told++;
    }
    ck_assert_int_eq(told, bad < AK_BAD_TOLD ? bad : AK_BAD_TOLD);
    ck_assert_msg(bad > count / 2 && bad < count, "%d of %d are bad", (int)bad, count);
    ck_assert_int_lt(resident_most() - before, MOST_GROWTH);
    printf("%d of %d images are bad; %ld MiB more were in memory at most\n", (int)bad, count,
           (resident_most() - before) >> 10);
    ak_str_fini(&sentence);
    ak_dataset_close(set);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
END_TEST

AK_TEST_MAIN(AK_CASE(named_and_stood_in_for))
