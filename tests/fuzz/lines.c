// tests/fuzz/lines.c -- text that other programs wrote: the last words in a job's log, what a check
// complained of, any text as JSON.

#include <jansson.h>

#include "daemon/launch.h"
#include "daemon/tool.h"
#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"

static void last_words(fuzz_bytes text)
{
    ak_run run = { .folder = (char *)fuzz_folder() };
    char path[300], *words;

    snprintf(path, sizeof path, "%s/log", fuzz_folder());
    fuzz_write(path, text.at, text.left);
    words = ak_launch_last_words(&run);
    FUZZ_CHECK(strlen(words) <= 400);
    free(words);
}

static void complaint(fuzz_bytes text)
{
    ak_tool_result result = { .err = AK_STR_INIT };

    ak_str_append_n(&result.err, text.at, text.left);
    FUZZ_CHECK(ak_tool_complaint(&result));
    ak_str_fini(&result.err);
}

// Text that is UTF-8 comes back from JSON as it was.
static void as_json(fuzz_bytes bytes)
{
    char *text = fuzz_text(bytes);
    ak_str quoted = AK_STR_INIT;
    json_t *read, *made = json_string(text);

    ak_str_json(&quoted, text);
    read = json_loads(quoted.text, JSON_DECODE_ANY, NULL);
    FUZZ_CHECK((read != NULL) == (made != NULL));
    FUZZ_CHECK(!read || strcmp(json_string_value(read), text) == 0);
    json_decref(read);
    json_decref(made);
    ak_str_fini(&quoted);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size };

    last_words(input);
    complaint(input);
    as_json(input);
    return 0;
}
