// tests/fuzz/manifest.c -- any bytes as the manifest of a commit that a worker made alone, and as
// what a guard wrote at the end of a run.

#include "proto/format/manifest.h"

#include "daemon/guard.h"
#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"

static void go_round(const ak_manifest *m)
{
    ak_str text = AK_STR_INIT;
    ak_manifest again;

    ak_manifest_print(m, &text);
    FUZZ_CHECK(ak_manifest_parse(&again, text.text, text.length) == AKSSL_OK);
    FUZZ_CHECK(memcmp(m, &again, sizeof again) == 0);
    ak_str_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int code = 0, signal = 0;
    char path[300];
    ak_manifest m;

    snprintf(path, sizeof path, "%s/file", fuzz_folder());
    fuzz_write(path, data, size);
    if (ak_manifest_read(&m, path) == AKSSL_OK)
        go_round(&m);
    else
        FUZZ_CHECK(ak_error_text()[0]);
    if (ak_guard_read_exit(path, &code, &signal) < 0)
        FUZZ_CHECK(ak_error_text()[0]);
    return 0;
}
