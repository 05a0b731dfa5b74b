// client/cli/pack.c -- pack: a data set decoded once, by the akssl-worker of this host.
//
// Who packs reads and writes as themselves; a daemon that did it for them would write where only it
// may.  This process becomes the worker, so that signals and exit code need nobody between.

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cmd.h"

enum { WORDS = 20, NUMBER = 24 };

typedef struct pack {
    int64_t side, limit_images;
    const char *train_list, *test_list, *classes, *on_bad_image;
} pack;

static const ak_flag flags[] = {
    AK_FLAG(pack, side, "side", 0, COUNT, "N",
            "reduce images whose shorter side is over N pixels to it"),
    AK_FLAG(pack, limit_images, "limit-images", 0, COUNT, "N", "pack only the first N images"),
    AK_FLAG(pack, train_list, "train-list", 0, TEXT, "FILE",
            "pack only the training images it names"),
    AK_FLAG(pack, test_list, "test-list", 0, TEXT, "FILE",
            "pack only the held-out images it names"),
    AK_FLAG(pack, classes, "classes", 0, TEXT, "NAMES",
            "pack only these classes: by commas, or @FILE"),
    AK_FLAG(pack, on_bad_image, "on-bad-image", 0, TEXT, "skip|fail",
            "leave out what cannot be decoded, or fail (skip)"),
    AK_FLAG_END,
};

// What the worker is called with: words, and the numbers among them as text.
typedef struct call {
    const char *words[WORDS];
    int count;
    char side[NUMBER], limit_images[NUMBER];
} call;

static void add(call *c, const char *name, const char *value)
{
    if (!value)
        return;
    c->words[c->count++] = name;
    c->words[c->count++] = value;
}

static const char *number(char text[NUMBER], int64_t value)
{
    snprintf(text, NUMBER, "%" PRId64, value);
    return value ? text : NULL;
}

static void compose(call *c, const pack *p, const ak_args *args, bool json)
{
    c->words[c->count++] = "akssl-worker";
    c->words[c->count++] = "pack";
    add(c, "--dataset", args->words[0]);
    add(c, "--out", args->words[1]);
    add(c, "--side", number(c->side, p->side));
    add(c, "--limit-images", number(c->limit_images, p->limit_images));
    add(c, "--train-list", p->train_list);
    add(c, "--test-list", p->test_list);
    add(c, "--classes", p->classes);
    add(c, "--on-bad-image", p->on_bad_image);
    if (json)
        c->words[c->count++] = "--json";
    c->words[c->count] = NULL;
}

// beside_us is the akssl-worker in this program's folder; false if that cannot be told.
static bool beside_us(char path[PATH_MAX])
{
    static const char name[] = "akssl-worker";
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof name);
    char *slash;

    if (length < 0)
        return false;
    path[length] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return false;
    memcpy(slash + 1, name, sizeof name);
    return true;
}

static int run(ak_cli *cli, const ak_args *args)
{
    char path[PATH_MAX];
    call c = { .count = 0 };
    char *const *argv = (char *const *)c.words;

    compose(&c, args->self, args, cli->json);
    if (beside_us(path))
        execv(path, argv); // comes back only when it is not there
    execvp(argv[0], argv);
    return ak_cli_error(AK_EXIT_FAILED,
                        "pack: akssl-worker cannot be run here: %s: install it (Debian's package "
                        "akssl-worker), or pack on a host that has it and the images",
                        strerror(errno));
}

const ak_cmd ak_cmd_pack = {
    .name = "pack",
    .summary = "decode a data set once, into a file that all jobs of a node map",
    .synopsis = "DATASET FILE",
    .details =
        "DATASET is named as in --dataset; jobs then take --dataset packed:FILE.  It runs on\n"
        "this host, as you, by akssl-worker; no daemon is asked.  What was written is read\n"
        "back and compared with its digests.\n",
    .flags = flags,
    .self_size = sizeof(pack),
    .min_words = 2,
    .max_words = 2,
    .run = run,
};
