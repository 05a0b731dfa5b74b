// worker/command/catalogue.c -- `akssl-worker catalogue`: every row that this worker offers, JSON.

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/error.h"
#include "proto/spec/spec.h"
#include "worker/augment/recipe.h"
#include "worker/command/command.h"
#include "worker/data/dataset.h"
#include "worker/format/format.h"
#include "worker/train/trainer.h"

static const ak_option options[] = { AK_OPTION_END };

static json_t *parsed(ak_str *text)
{
    json_t *rows = json_loads(text->text ? text->text : "[]", 0, NULL);

    ak_str_fini(text);
    return rows ? rows : json_array();
}

static json_t *option_rows(const ak_option *table)
{
    ak_str text = AK_STR_INIT;

    ak_option_json(table, &text);
    return parsed(&text);
}

// The rows of tables in akssl_data come as text.
static json_t *printed(void (*print)(ak_str *))
{
    ak_str text = AK_STR_INIT;

    print(&text);
    return parsed(&text);
}

static json_t *named(const char *name, const char *help)
{
    return json_pack("{s:s, s:s}", "name", name, "help", help);
}

static json_t *methods(void)
{
    json_t *rows = json_array();

    for (int i = 0; ak_method_at(i); i++) {
        const ak_method *m = ak_method_at(i);

        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", m->name, "title",
                                              m->title, "paper", m->paper, "batch_norm",
                                              m->batch_norm, "options", option_rows(m->options)));
    }
    return rows;
}

static json_t *backbones(void)
{
    json_t *rows = json_array(), *row;

    for (int i = 0; ak_backbone_at(i); i++) {
        const ak_backbone *b = ak_backbone_at(i);

        json_array_append_new(rows, row = named(b->name, b->title));
        if (b->options)
            json_object_set_new(row, "options", option_rows(b->options));
    }
    return rows;
}

static const char *const kinds[][2] = {
    // as proto/spec/spec.def has them
    { "pretrain", "train a backbone without labels" },
    { "linear", "train a layer on the frozen backbone" },
    { "finetune", "train a layer and the backbone" },
    { "knn", "accuracy of the nearest neighbours" },
    { "probe", "accuracy of a ridge regression on few labels" },
    { "embed", "write features and labels as .npy" },
};

static int run(void *self)
{
    json_t *root = json_object(), *rows;

    (void)self;
    json_object_set_new(root, "version", json_string(AKSSL_VERSION));
    json_object_set_new(root, "kinds", rows = json_array());
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        json_array_append_new(rows, named(kinds[i][0], kinds[i][1]));
    json_object_set_new(root, "methods", methods());
    json_object_set_new(root, "backbones", backbones());
    json_object_set_new(root, "datasets", printed(ak_datasets_json));
    json_object_set_new(root, "recipes", printed(ak_recipes_json));
    json_object_set_new(root, "optimizers", rows = json_array());
    for (int i = 0; ak_optim_at(i); i++)
        json_array_append_new(rows, named(ak_optim_at(i)->name, ak_optim_at(i)->title));
    json_object_set_new(root, "schedules", rows = json_array());
    for (int i = 0; ak_schedule_at(i); i++)
        json_array_append_new(rows, named(ak_schedule_at(i)->name, ak_schedule_at(i)->title));
    json_object_set_new(root, "formats", rows = json_array());
    for (int i = 0; ak_format_at(i); i++)
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "name", ak_format_at(i)->name,
                                              "title", ak_format_at(i)->title, "extension",
                                              ak_format_at(i)->extension));
    json_object_set_new(
        root, "precisions",
        json_pack("[oo]", named("fp32", "32-bit floats"),
                  named("bf16", "activations and products of 16 bits, sums of 32, on "
                                "CPUs with AVX512_BF16")));
    json_object_set_new(root, "spec", option_rows(ak_spec_table()));
    if (json_dumpf(root, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15)) <
            0 ||
        puts("") < 0) {
        json_decref(root);
        (void)ak_fail(AKSSL_ERR_IO, "the catalogue cannot be written");
        return AK_EXIT_FAILED;
    }
    json_decref(root);
    return AK_EXIT_OK;
}

const ak_command ak_command_catalogue = {
    .name = "catalogue",
    .help = "print what this worker offers, as JSON",
    .options = options,
    .self_size = 1,
    .run = run,
};
