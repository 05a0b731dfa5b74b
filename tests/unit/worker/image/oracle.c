// tests/unit/worker/image/oracle.c -- boxes of images, resized, against torchvision's results.

#include "tests/oracle.h"
#include "worker/image/resample.h"

enum { MOST = 3 * 64 * 64 };

// The set of another seed may lack the case, which resize.py makes: then tests/golden has it.
static ak_safetensors *open_case(void)
{
    ak_safetensors *file = NULL;
    char path[4096];

    snprintf(path, sizeof path, "%s/resize.safetensors", ak_oracle_folder());
    if (ak_safetensors_open(&file, path) == AKSSL_OK)
        return file;
    printf("%s has no case 'resize': taken from tests/golden\n", ak_oracle_folder());
    ck_assert_msg(ak_safetensors_open(&file, TEST_SOURCE_DIR "/golden/resize.safetensors") == 0,
                  "%s", ak_error_text());
    return file;
}

// An image of the case, interleaved as data sets have it; free its pixels.
static ak_image image_of(const ak_safetensors *file, const char *name)
{
    const ak_safetensors_entry *e = ak_safetensors_find(file, name);
    const uint8_t *chw;
    uint8_t *pixels;
    int64_t n;

    ck_assert(e && e->dtype == AK_U8 && e->dims == 3);
    chw = ak_safetensors_data(file, e);
    n = e->shape[1] * e->shape[2];
    pixels = malloc((size_t)(n * e->shape[0]));
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < e->shape[0]; c++)
            pixels[e->shape[0] * i + c] = chw[c * n + i];
    return (ak_image){ pixels, e->shape[1], e->shape[2], (int)e->shape[0] };
}

static void compare(const ak_safetensors *file, const char *name, ak_resample_room *room)
{
    ak_filter filter = strncmp(name, "bicubic.", 8) == 0 ? AK_BICUBIC : AK_BILINEAR;
    static float planes[MOST];
    long top, left, height, width, h, w;
    char which[16];
    ak_image image;

    ck_assert_int_eq(sscanf(ak_oracle_text(file, name),
                            "%15s top %ld left %ld height %ld width %ld -> %ldx%ld", which, &top,
                            &left, &height, &width, &h, &w),
                     7);
    ck_assert_int_le(3 * h * w, MOST);
    image = image_of(file, which);
    ak_resample(&image, (ak_box){ top, left, height, width }, filter, room,
                (float *const[]){ planes, planes + h * w, planes + 2 * h * w }, h, w);
    ak_oracle_check(file, name, planes, image.channels * h * w, 2e-6, 0);
    if (image.channels == 1) {
        ck_assert_mem_eq(planes + h * w, planes, (size_t)(h * w) * sizeof(float));
        ck_assert_mem_eq(planes + 2 * h * w, planes, (size_t)(h * w) * sizeof(float));
    }
    free((void *)image.pixels);
}

START_TEST(equals_torchvision)
{
    ak_safetensors *file = open_case();
    ak_resample_room room = { 0 };
    int count[2] = { 0 };

    for (int i = 0; i < ak_safetensors_count(file); i++) {
        const char *name = ak_safetensors_at(file, i)->name;

        if (!strchr(name, '.')) // an image
            continue;
        count[strncmp(name, "bicubic.", 8) == 0]++;
        compare(file, name, &room);
    }
    ck_assert_int_ge(count[0], 8);
    ck_assert_int_ge(count[1], 8);
    ak_resample_room_fini(&room);
    ak_safetensors_close(file);
}
END_TEST

AK_TEST_MAIN(AK_CASE(equals_torchvision))
