// tests/unit/client/cli/sweep.c -- tests client/cli/sweep.c.

#include "client/cli/sweep.h"

#include "tests/check.h"

static const char *name_of(const ak_sweep *sweep, size_t index, const char *key, const char *value)
{
    static char name[256];
    akssl_job_spec *spec = akssl_job_spec_new();

    ck_assert_int_eq(akssl_job_spec_set(spec, "name", "run"), 0);
    ck_assert_int_eq(ak_sweep_apply(sweep, index, spec), 0);
    ck_assert_str_eq(akssl_job_spec_get(spec, key), value);
    snprintf(name, sizeof name, "%s", akssl_job_spec_get(spec, "name"));
    akssl_job_spec_free(spec);
    return name;
}

START_TEST(sweeps_multiply)
{
    const ak_texts texts = { { "lr=0.1,0.3", "method=byol,dino,swav" }, 2 };
    ak_sweep sweep;

    ck_assert_int_eq(ak_sweep_read(&sweep, &texts, NULL), 0);
    ck_assert_int_eq(sweep.jobs, 6);
    ck_assert_str_eq(name_of(&sweep, 0, "method", "byol"), "run-lr=0.1-method=byol");
    ck_assert_str_eq(name_of(&sweep, 2, "method", "swav"), "run-lr=0.1-method=swav");
    ck_assert_str_eq(name_of(&sweep, 3, "lr", "0.3"), "run-lr=0.3-method=byol");
    ck_assert_str_eq(name_of(&sweep, 5, "lr", "0.3"), "run-lr=0.3-method=swav");
    ak_sweep_fini(&sweep);
}
END_TEST

START_TEST(arrays_are_seeds)
{
    const ak_texts none = { .count = 0 };
    ak_sweep sweep;

    ck_assert_int_eq(ak_sweep_read(&sweep, &none, "0-6:3,9%2"), 0);
    ck_assert(sweep.jobs == 4 && sweep.at_once == 2);
    ck_assert_str_eq(name_of(&sweep, 3, "seed", "9"), "run-seed=9");
    ak_sweep_fini(&sweep);
    ck_assert_int_eq(ak_sweep_read(&sweep, &none, NULL), 0);
    ck_assert_int_eq(sweep.jobs, 1);
    ck_assert_str_eq(name_of(&sweep, 0, "seed", "0"), "run");
    ak_sweep_fini(&sweep);
}
END_TEST

START_TEST(what_is_none_is_refused)
{
    static const char *const arrays[] = {
        "", "x", "3-1", "1-", "0-4:0", "1%0", "1,", "0-1000", "-1"
    };
    static const char *const sweeps[] = { "lr", "lr=", "=1", "lr=1,2,x=" };
    akssl_job_spec *spec = akssl_job_spec_new();
    ak_sweep sweep;

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        ck_assert_msg(ak_sweep_read(&sweep, &(ak_texts){ .count = 0 }, arrays[i]) != 0, "%s",
                      arrays[i]);
        ak_sweep_fini(&sweep);
    }
    for (size_t i = 0; i + 1 < sizeof sweeps / sizeof *sweeps; i++) {
        ck_assert(ak_sweep_read(&sweep, &(ak_texts){ { sweeps[i] }, 1 }, NULL) != 0);
        ak_sweep_fini(&sweep);
    }
    ck_assert_int_eq(ak_sweep_read(&sweep, &(ak_texts){ { sweeps[3] }, 1 }, NULL), 0);
    ck_assert(ak_sweep_apply(&sweep, 2, spec) != 0); // a rate of "x="
    akssl_job_spec_free(spec);
    ak_sweep_fini(&sweep);
    ck_assert(ak_sweep_read(&sweep, &(ak_texts){ { "seed=1,2", "lr=1,2" }, 2 }, "0-499") != 0);
    ak_sweep_fini(&sweep);
}
END_TEST

AK_TEST_MAIN(AK_CASE(sweeps_multiply), AK_CASE(arrays_are_seeds), AK_CASE(what_is_none_is_refused))
