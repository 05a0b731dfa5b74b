// worker/augment/augment.c -- the table of operations.

#include "worker/augment/augment.h"

#include "worker/augment/recipe.h"

static const ak_augment *const table[] = {
#define AK_AUGMENT(name) &ak_augment_##name,
#include "worker/augment/augments.def"
#undef AK_AUGMENT
    NULL,
};

const ak_augment *const *ak_augment_table(void)
{
    return table;
}

void ak_augments_json(ak_str *text)
{
    ak_str_append(text, "[");
    for (const ak_augment *const *row = table; *row; row++) {
        ak_str_format(text, "%s{\"name\": \"%s\", \"title\": ", row == table ? "" : ", ",
                      (*row)->name);
        ak_str_json(text, (*row)->title);
        ak_str_append(text, "}");
    }
    ak_str_append(text, "]");
}
