// tests/unit/worker/train/metrics.c -- tests metrics.jsonl: lines, and what a resumed run keeps.

#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/worker/rig.h"
#include "worker/train/metrics.h"

static char *folder;
static char path[600];

static void setup(void)
{
    folder = ak_rig_folder();
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
}

static void put(const char *text)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void holds(const char *want)
{
    char got[4096] = "";
    FILE *f = fopen(path, "rb");

    ck_assert_ptr_nonnull(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(got, want);
}

static void write_step(ak_metrics *m, int64_t step)
{
    ak_progress p = {
        .step = step, .epoch = 0.5 * (double)step, .loss = 1.5, .lr = 0.001, .images_per_s = 350.25
    };

    ak_rig_ok(ak_metrics_write(m, &p));
}

static void open_at(int64_t resume_step, ak_metrics **m)
{
    ak_rig_ok(ak_metrics_open(m, folder, "metrics.jsonl", resume_step));
}

#define LINE(step, epoch)                                                                          \
    "{\"step\": " step ", \"epoch\": " epoch                                                       \
    ", \"loss\": 1.5, \"lr\": 0.001, \"images_per_s\": 350.2}\n"
#define ONE LINE("1", "0.500000")
#define TWO LINE("2", "1.000000")
#define THREE LINE("3", "1.500000")

START_TEST(a_line_a_step)
{
    const ak_gauge gauges[] = { { "embedding_std", 0.08838834764831845 }, { "queue_filled", 1 } };
    ak_progress p = { .step = 3,
                      .epoch = 1,
                      .loss = 6.2321004867553711,
                      .lr = 1e-3,
                      .images_per_s = 7,
                      .gauges = gauges,
                      .gauge_count = 2 };
    ak_metrics *m;

    setup();
    open_at(0, &m);
    write_step(m, 1);
    write_step(m, 2);
    holds(ONE TWO); // at once, not at the end
    ak_rig_ok(ak_metrics_write(m, &p));
    ak_rig_ok(ak_metrics_sync(m));
    ak_metrics_close(m);
    holds(ONE TWO "{\"step\": 3, \"epoch\": 1.000000, \"loss\": 6.23210049, \"lr\": 0.001, "
                  "\"images_per_s\": 7.0, \"embedding_std\": 0.0883883476, \"queue_filled\": 1}\n");
    ak_rig_remove(folder);
}
END_TEST

static void resumes(const char *before, int64_t step, const char *kept)
{
    char whole[4096];
    ak_metrics *m;

    put(before);
    open_at(step, &m);
    holds(kept);
    write_step(m, 3);
    ak_metrics_close(m);
    snprintf(whole, sizeof whole, "%s%s", kept, THREE);
    holds(whole);
}

START_TEST(later_steps_are_cut_off)
{
    setup();
    resumes(ONE TWO THREE, 2, ONE TWO);
    resumes(ONE TWO, 2, ONE TWO);
    resumes(ONE TWO, 0, "");
    resumes(ONE, 7, ONE);
    resumes("", 2, "");
    ak_rig_remove(folder);
}
END_TEST

START_TEST(a_torn_line_is_cut_off)
{
    setup();
    resumes(ONE TWO "{\"step\": 3, \"epo", 2, ONE TWO);
    resumes(ONE "{\"step\": 2, \"epoch\": 1.000000, \"loss\": 1.5", 2, ONE);
    resumes(ONE "{\"st", 2, ONE);
    resumes(ONE "{\"step\": 2", 2, ONE); // whole numbers may be torn too: 2 of 20
    resumes("{", 2, "");
    resumes(ONE "\0\0\0", 2, ONE);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(what_is_no_line_ends_the_file)
{
    setup();
    resumes(ONE "not json\n" TWO, 2, ONE);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(a_missing_folder_is_named)
{
    ak_metrics *m;

    setup();
    ak_rig_remove(folder);
    ak_rig_refused(ak_metrics_open(&m, path, "metrics.jsonl", 0), AKSSL_ERR_NOT_FOUND, path);
}
END_TEST

// A file that may not grow stands for a disk that is full.
// A line takes over 60 bytes; its record for TensorBoard over 100, and is written after it.
static void fills_at(rlim_t bytes, const char *where)
{
    struct rlimit most, before;
    akssl_status rc = AKSSL_OK;
    ak_progress p = { .step = 1 };
    ak_metrics *m;
    int limited;

    setup();
    open_at(0, &m);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    most = before;
    most.rlim_cur = bytes;
    limited = setrlimit(RLIMIT_FSIZE, &most);
    for (int i = 0; i < 5 && rc == AKSSL_OK; i++)
        rc = ak_metrics_write(m, &p);
    setrlimit(RLIMIT_FSIZE, &before); // no assertion until here: check keeps a file of its own
    ck_assert_int_eq(limited, 0);
    ck_assert_int_lt(rc, 0);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), where));
    ak_metrics_close(m);
    ak_rig_remove(folder);
}

START_TEST(a_full_disk_is_told)
{
    fills_at(60, "/metrics.jsonl'");
    fills_at(200, "/tensorboard/metrics/events.out.tfevents.akssl'");
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_line_a_step), AK_CASE(later_steps_are_cut_off),
             AK_CASE(a_torn_line_is_cut_off), AK_CASE(what_is_no_line_ends_the_file),
             AK_CASE(a_missing_folder_is_named), AK_CASE(a_full_disk_is_told))
