// tests/unit/worker/train/replay.c -- tests replay's files: other tools' alignment, and what is
// refused.

#include "tests/unit/worker/train/small.h"
#include "proto/format/digest.h"
#include "worker/train/replay.h"

enum { IMAGE = 16 * 3 * 16 * 16 };

typedef struct setting {
    char *folder;
    char init[600], views[600], out[600];
    ak_spec spec;
    ak_comm *comm;
} setting;

static setting make(const char *method)
{
    setting s = { .folder = ak_rig_folder(), .spec = ak_small_spec(method) };

    snprintf(s.init, sizeof s.init, "%s/init", s.folder);
    snprintf(s.views, sizeof s.views, "%s/views", s.folder);
    snprintf(s.out, sizeof s.out, "%s/out", s.folder);
    ak_small_set(&s.spec, "batch-norm", "sync");
    ak_rig_ok(ak_comm_open(&s.comm));
    return s;
}

static void end(setting *s)
{
    ak_comm_close(s->comm);
    ak_spec_fini(&s->spec);
    ak_rig_remove(s->folder);
}

static akssl_status run(const setting *s, const char *init, const char *views, int64_t steps)
{
    ak_replay replay = { .init = init, .views = views, .out = s->out, .steps = steps };

    return ak_replay_run(&replay, &s->spec, s->comm);
}

// By hand, as no writer of ours would: the data starts wherever the header ends.
static void write_views(const setting *s, const char *second, const char *shape, size_t shift)
{
    float *values = ak_rig_values(IMAGE, 1, 1);
    char header[512];
    uint64_t length;
    FILE *f = fopen(s->views, "wb");

    ck_assert_ptr_nonnull(f);
    snprintf(header, sizeof header,
             "{\"step0.view0\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[0,%zu]},"
             "\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}}",
             shape, IMAGE * sizeof(float), second, shape, IMAGE * sizeof(float),
             2 * IMAGE * sizeof(float));
    length = (strlen(header) / 8 + 1) * 8 + shift;
    fwrite(&length, 1, sizeof length, f); // little-endian, as the machines that this runs on
    fprintf(f, "%-*s", (int)length, header);
    for (int v = 0; v < 2; v++)
        ck_assert_uint_eq(fwrite(values, sizeof(float), IMAGE, f), IMAGE);
    ck_assert_int_eq(fclose(f), 0);
    free(values);
}

START_TEST(data_may_start_anywhere)
{
    setting s = make("simclr");
    char digest[2][AK_DIGEST_TEXT];

    for (size_t shift = 0; shift < 2; shift++) {
        write_views(&s, "step0.view1", "[16,3,16,16]", shift);
        ak_rig_ok(run(&s, "", s.views, 1));
        ak_rig_ok(ak_digest_file(s.out, NULL, digest[shift]));
    }
    ck_assert_str_eq(digest[0], digest[1]);
    end(&s);
}
END_TEST

START_TEST(views_must_fit)
{
    setting s = make("simclr");

    write_views(&s, "step0.view2", "[16,3,16,16]", 0);
    ak_rig_refused(run(&s, "", s.views, 1), AKSSL_ERR_NOT_FOUND, "'step0.view1' is missing");
    write_views(&s, "step0.view1", "[16,16,16,3]", 0);
    ak_rig_refused(run(&s, "", s.views, 1), AKSSL_ERR_INVALID, "[16,3,16,16]");
    ak_rig_refused(run(&s, "", s.out, 1), AKSSL_ERR_NOT_FOUND, "views");
    ck_assert_int_lt(access(s.out, F_OK), 0); // nothing is half made
    end(&s);
}
END_TEST

START_TEST(weights_must_fit)
{
    setting s = make("moco_v2");

    ak_rig_ok(run(&s, "", "", 0)); // the seeded weights
    ck_assert_int_eq(rename(s.out, s.init), 0);
    ak_rig_ok(run(&s, s.init, "", 0));
    ak_small_set(&s.spec, "option", "projection_dim=64");
    ak_rig_refused(run(&s, s.init, "", 0), AKSSL_ERR_INVALID, "projection_head.layers.2");
    ak_small_set(&s.spec, "option", "projection_dim=128");
    ak_small_set(&s.spec, "option", "K=32");
    ak_rig_refused(run(&s, s.init, "", 0), AKSSL_ERR_INVALID, "moco.queue");
    end(&s);
}
END_TEST

AK_TEST_MAIN(AK_CASE(data_may_start_anywhere), AK_CASE(views_must_fit), AK_CASE(weights_must_fit))
