// worker/command/pack.c -- `akssl-worker pack`: decodes a data set once, into a file to train from.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/command/command.h"
#include "worker/data/pack.h"

typedef struct pack {
    char *dataset, *out, *train_list, *test_list, *classes, *on_bad_image;
    int64_t limit_images, side;
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
    AK_OPTION_END,
};

static void told(void *ctx, const char *sentence)
{
    (void)ctx;
    fprintf(stderr, "akssl-worker: left out: %s\n", sentence);
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
    if (rc < 0)
        return ak_command_exit(rc);
    printf("%s: %" PRId64 " training and %" PRId64 " held-out images, %" PRIu64 " bytes; %" PRId64
           " bad images left out\n",
           p->out, count.images[0], count.images[1], count.bytes, count.bad);
    return AK_EXIT_OK;
}

const ak_command ak_command_pack = {
    .name = "pack",
    .help = "decode a data set once, into a file that all ranks and jobs map",
    .options = options,
    .self_size = sizeof(pack),
    .run = run,
};
