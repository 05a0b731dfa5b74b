// tests/fuzz/safetensors.c -- any bytes as a safetensors file, and as the state of a commit.

#include "proto/format/safetensors.h"

#include "daemon/state/insight.h"
#include "daemon/state/state.h"
#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"

static unsigned read_all(const uint8_t *bytes, size_t size)
{
    unsigned sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static void look(const ak_safetensors *file)
{
    volatile unsigned sum = 0;

    for (int i = 0; i < ak_safetensors_count(file); i++) {
        const ak_safetensors_entry *e = ak_safetensors_at(file, i);
        int64_t numel = ak_safetensors_numel(e);

        FUZZ_CHECK(ak_safetensors_find(file, e->name) == e);
        FUZZ_CHECK((size_t)numel * ak_dtype_size(e->dtype) == e->size);
        sum = sum + read_all(ak_safetensors_data(file, e), e->size);
        if (e->dtype == AK_F32) {
            float *values = malloc(e->size + 1);

            FUZZ_CHECK(ak_safetensors_read_f32(file, e->name, values, numel) == AKSSL_OK);
            FUZZ_CHECK(ak_safetensors_read_f32(file, e->name, values, numel + 1) < 0);
            free(values);
        }
    }
    FUZZ_CHECK(!ak_safetensors_at(file, -1));
    if (ak_safetensors_meta(file, "format"))
        sum = sum + read_all((const uint8_t *)ak_safetensors_meta(file, "format"), 1);
}

// A state that was read is one that can be written, and then reads as the same.
static void go_round(const char *path)
{
    char again[320], digest[33];
    ak_state *state, *copy;
    ak_insight insight;
    uint64_t size;

    if (ak_state_read(&state, path) < 0)
        return;
    snprintf(again, sizeof again, "%s.again", path);
    FUZZ_CHECK(ak_state_write(state, 1, again, &size, digest) == AKSSL_OK);
    FUZZ_CHECK(ak_state_read(&copy, again) == AKSSL_OK);
    FUZZ_CHECK(copy->count == state->count);
    for (int i = 0; i < state->count; i++) {
        FUZZ_CHECK(state->tensors[i].size == copy->tensors[i].size);
        FUZZ_CHECK(ak_insight_make(&insight, &state->tensors[i], 3) == AKSSL_OK);
    }
    ak_state_free(copy);
    ak_state_free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[300];
    ak_safetensors *file;

    snprintf(path, sizeof path, "%s/file", fuzz_folder());
    fuzz_write(path, data, size);
    if (ak_safetensors_open(&file, path) == AKSSL_OK) {
        look(file);
        ak_safetensors_close(file);
    } else {
        FUZZ_CHECK(ak_error_text()[0]);
    }
    go_round(path);
    return 0;
}
