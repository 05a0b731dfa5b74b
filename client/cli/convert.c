// client/cli/convert.c -- convert: another tool's checkpoint as a file for --init-backbone.

#include <inttypes.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

typedef struct convert {
    const char *from;
} convert;

static const ak_flag flags[] = {
    AK_FLAG(convert, from, "from", 0, TEXT, "NAME",
            "whose checkpoint it is: moco, ak-ssl, solo-learn, lightly, dino, swav, torchvision "
            "(default: found by its names)"),
    AK_FLAG_END,
};

static void print_json(const akssl_converted *made, const char *path)
{
    json_t *object = json_object();

    json_object_set_new(object, "file", ak_json_text(path, strlen(path)));
    json_object_set_new(object, "from", json_string(made->from));
    json_object_set_new(object, "tensors", json_integer(made->tensors));
    json_object_set_new(object, "left_out", json_integer(made->left_out));
    ak_json_print(stdout, object);
}

static int run(ak_cli *cli, const ak_args *args)
{
    const convert *c = args->self;
    akssl_converted made;
    akssl_status rc = akssl_convert(args->words[0], args->words[1], c->from, &made);

    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json) {
        print_json(&made, args->words[1]);
        return AK_EXIT_DONE;
    }
    printf("%" PRId64 " tensors of a checkpoint of %s written to ", made.tensors, made.from);
    ak_text_put(stdout, args->words[1]);
    printf(", %" PRId64 " left out\n", made.left_out);
    return AK_EXIT_DONE;
}

const ak_cmd ak_cmd_convert = {
    .name = "convert",
    .summary = "make a file for --init-backbone of another tool's checkpoint",
    .synopsis = "IN.safetensors OUT.safetensors",
    .details = "IN is a state_dict() saved as safetensors.  OUT has its backbone by torchvision's\n"
               "or timm's names, as float32.  No daemon is asked.\n",
    .flags = flags,
    .self_size = sizeof(convert),
    .min_words = 2,
    .max_words = 2,
    .run = run,
};
