// worker/command/pack.c -- `akssl-worker pack`: decodes a data set once, into a file to train from.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/str.h"
#include "worker/command/command.h"
#include "worker/data/pack.h"

typedef struct pack {
    char *dataset, *out, *train_list, *test_list, *classes, *on_bad_image;
    int64_t limit_images, side;
    bool json;
} pack;

static const ak_option options[] = {
    AK_OPTION_STRING(pack, dataset, "", NULL, "images to pack: KIND:WHERE"),
    AK_OPTION_STRING(pack, out, "", NULL, "file to write; then --dataset packed:FILE"),
    AK_OPTION_INT(pack, side, 0, 0, 65535,
                  "reduce images whose shorter side is over N pixels to it (0: keep all pixels)"),
    AK_OPTION_STRING(pack, train_list, "", NULL, "pack only the training images it names"),
    AK_OPTION_STRING(pack, test_list, "", NULL, "pack only the held-out images it names"),
    AK_OPTION_STRING(pack, classes, "", NULL, "pack only these classes: by commas, or @FILE"),
    AK_OPTION_INT(pack, limit_images, 0, 0, 1000000000, "pack only the first N images (0: all)"),
    AK_OPTION_STRING(pack, on_bad_image, "skip", "skip|fail",
                     "an image that cannot be decoded: name it and leave it out, or fail"),
    AK_OPTION_BOOL(pack, json, 0, "say what was written as JSON"),
    AK_OPTION_END,
};

static void told(void *ctx, const char *sentence)
{
    (void)ctx;
    fprintf(stderr, "akssl-worker: left out: %s\n", sentence);
}

// read_back decodes every image of a part, which compares it with its digest.
static akssl_status read_back(const char *name, ak_split split, int64_t count)
{
    ak_reading reading = { 0 };
    ak_dataset *set = NULL;
    ak_image image;
    akssl_status rc;

    if (count == 0)
        return AKSSL_OK;
    rc = ak_dataset_open(&set, &(ak_dataset_ask){ .name = name, .split = split });
    if (rc == AKSSL_OK && ak_dataset_size(set) != count)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "%" PRId64 " images were written, %" PRId64 " are there",
                     count, ak_dataset_size(set));
    for (int64_t i = 0; i < count && rc == AKSSL_OK; i++)
        rc = ak_dataset_read(set, i, 0, &reading, &image);
    ak_reading_fini(&reading);
    ak_dataset_close(set);
    return rc;
}

static akssl_status verify(const char *path, const ak_pack_count *count)
{
    ak_str name = AK_STR_INIT;
    akssl_status rc;

    ak_str_format(&name, "packed:%s", path);
    rc = read_back(name.text, AK_SPLIT_TRAIN, count->images[0]);
    if (rc == AKSSL_OK)
        rc = read_back(name.text, AK_SPLIT_TEST, count->images[1]);
    ak_str_fini(&name);
    return rc < 0 ? ak_wrap(rc,
                            "what was written to '%.512s' is not what is there: pack again, "
                            "on another disk",
                            path)
                  : rc;
}

static void print(const pack *p, const ak_pack_count *count)
{
    ak_str file = AK_STR_INIT;

    if (p->json) {
        ak_str_json(&file, ak_str_is_utf8(p->out) ? p->out : NULL);
        printf("{\"file\": %s, \"images\": %" PRId64 ", \"held_out\": %" PRId64
               ", \"size\": %" PRIu64 ", \"bad\": %" PRId64 "}\n",
               file.text, count->images[0], count->images[1], count->bytes, count->bad);
    } else {
        printf("%s: %" PRId64 " training and %" PRId64 " held-out images, %" PRIu64
               " bytes; %" PRId64 " bad images left out\n",
               p->out, count->images[0], count->images[1], count->bytes, count->bad);
    }
    ak_str_fini(&file);
}

static int run(void *self)
{
    const pack *p = self;
    const ak_pack_ask ask = { .train = { .name = p->dataset,
                                         .list = p->train_list,
                                         .classes = p->classes,
                                         .limit = p->limit_images,
                                         .skip_bad = strcmp(p->on_bad_image, "skip") == 0 },
                              .test_list = p->test_list,
                              .side = p->side,
                              .told = told };
    ak_pack_count count;
    akssl_status rc;

    if (!p->dataset[0] || !p->out[0])
        rc = ak_fail(AKSSL_ERR_INVALID, "pack needs --dataset KIND:WHERE and --out FILE");
    else
        rc = ak_pack_write(p->out, &ask, &count);
    if (rc == AKSSL_OK)
        rc = verify(p->out, &count);
    if (rc < 0)
        return ak_command_exit(rc);
    print(p, &count);
    return AK_EXIT_OK;
}

const ak_command ak_command_pack = {
    .name = "pack",
    .help = "decode a data set once, into a file that all ranks and jobs map",
    .options = options,
    .self_size = sizeof(pack),
    .run = run,
};
