// tests/fuzz/spec.c -- a job's spec as YAML, as key=value lines, and as akssld's own command line.
//
// What was read must survive every form: YAML again, the wire, a copy.  What a spec's values mean
// is then judged as `akssl-worker check` does, but for the data set.

#include "daemon/config.h"
#include "proto/base/error.h"
#include "proto/rpc/rpc.h"
#include "tests/fuzz/fuzz.h"
#include "worker/backbone/backbone.h"
#include "worker/train/check.h"

enum { WORDS = 64 };

// The first byte of an input says what follows.
enum { YAML = 'y', PAIRS = 'p', ARGUMENTS = 'a' };

static void same_pairs(const ak_spec_pairs *a, const ak_spec_pairs *b)
{
    FUZZ_CHECK(a->count == b->count);
    for (int i = 0; i < a->count; i++)
        FUZZ_CHECK(strcmp(a->keys[i], b->keys[i]) == 0 && strcmp(a->values[i], b->values[i]) == 0);
}

static void same(const ak_spec *a, const ak_spec *b)
{
    char one[AK_SPEC_MAX_TEXT + 1], other[AK_SPEC_MAX_TEXT + 1];

    for (const ak_option *row = ak_spec_table(); row->name; row++) {
        ak_option_text(row, a, one, sizeof one);
        ak_option_text(row, b, other, sizeof other);
        FUZZ_CHECK(strcmp(one, other) == 0);
    }
    same_pairs(&a->option, &b->option);
    same_pairs(&a->augment, &b->augment);
}

static void through_yaml(const ak_spec *spec)
{
    ak_str text = AK_STR_INIT;
    ak_spec again;

    ak_spec_init(&again);
    if (ak_spec_write_yaml(spec, &text) == AKSSL_OK && text.length <= AK_SPEC_MAX_FILE) {
        FUZZ_CHECK(ak_spec_read_yaml(&again, text.text, text.length, "again") == AKSSL_OK);
        same(spec, &again);
    }
    ak_spec_fini(&again);
    ak_str_fini(&text);
}

static void through_wire(const ak_spec *spec)
{
    Akssl__V1__JobSpec *message = ak_rpc_spec_encode(spec);
    ak_spec again;

    ak_spec_init(&again);
    FUZZ_CHECK(ak_rpc_spec_decode(&again, message) == AKSSL_OK);
    same(spec, &again);
    ak_spec_fini(&again);
    akssl__v1__job_spec__free_unpacked(message, NULL);
}

static void judge(const ak_spec *spec)
{
    const ak_backbone *backbone;
    ak_spec settled;
    void *self;

    ak_spec_copy(&settled, spec);
    same(spec, &settled);
    if (ak_backbone_find(&backbone, spec->backbone) == AKSSL_OK &&
        ak_backbone_bind(&self, backbone, spec->backbone) == AKSSL_OK) {
        if (backbone->check)
            (void)!backbone->check(self, spec->image_size);
        ak_backbone_unbind(self, backbone);
    }
    if (ak_check_spec(&settled) < 0)
        FUZZ_CHECK(ak_error_text()[0]);
    ak_spec_fini(&settled);
}

static void read_yaml(ak_spec *spec, fuzz_bytes input)
{
    char *text = fuzz_text(input);

    (void)!ak_spec_read_yaml(spec, text, input.left, "spec");
    free(text);
}

static void read_pairs(ak_spec *spec, fuzz_bytes input)
{
    char *text = fuzz_text(input), *words[WORDS];
    int count = fuzz_words(text, words, WORDS);

    for (int i = 0; i < count; i++) {
        char *equals = strchr(words[i], '=');

        if (!equals)
            continue;
        *equals = '\0';
        if (ak_spec_set(spec, words[i], equals + 1) < 0)
            FUZZ_CHECK(ak_error_text()[0]);
    }
    free(text);
}

static void read_arguments(fuzz_bytes input)
{
    char *text = fuzz_text(input), *words[WORDS] = { (char *)"akssld" };
    int count = 1 + fuzz_words(text, words + 1, WORDS - 2);
    ak_config config;

    (void)!ak_config_parse(&config, count, words);
    ak_config_fini(&config);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size };
    int form = (int)fuzz_number(&input, 1);
    ak_spec spec;

    if (form == ARGUMENTS) {
        read_arguments(input);
        return 0;
    }
    ak_spec_init(&spec);
    if (form == YAML)
        read_yaml(&spec, input);
    else
        read_pairs(&spec, input);
    through_yaml(&spec);
    through_wire(&spec);
    judge(&spec);
    ak_spec_fini(&spec);
    return 0;
}
