// tests/fuzz/metrics.c -- any bytes as metrics.jsonl, which a run that resumes goes on with.
//
// An input: the step to resume from, one byte, then the file.

#include "worker/train/metrics.h"

#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"

// What is kept at a resume is kept at the next one too.
static void resume(fuzz_bytes text, int64_t step)
{
    ak_metrics *m;
    char path[300];
    long kept[2];

    snprintf(path, sizeof path, "%s/metrics.jsonl", fuzz_folder());
    fuzz_write(path, text.at, text.left);
    for (int i = 0; i < 2; i++) {
        FILE *file;

        FUZZ_CHECK(ak_metrics_open(&m, fuzz_folder(), "metrics.jsonl", step) == AKSSL_OK);
        ak_metrics_close(m);
        file = fopen(path, "rb");
        FUZZ_CHECK(file && fseek(file, 0, SEEK_END) == 0);
        kept[i] = ftell(file);
        fclose(file);
    }
    FUZZ_CHECK(kept[0] == kept[1] && kept[0] <= (long)text.left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size };
    int64_t step = (int64_t)fuzz_number(&input, 1);

    resume(input, step);
    return 0;
}
