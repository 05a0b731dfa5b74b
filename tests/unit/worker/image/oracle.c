// tests/unit/worker/image/oracle.c -- boxes of images, resized, against torchvision's results.

#include "tests/oracle.h"
#include "worker/image/resample.h"

enum { MOST = 3 * 64 * 64 };

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
    image = ak_oracle_image(file, which);
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
    ak_safetensors *file = ak_oracle_open_own("resize");
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
