// tests/contract/collapse.c -- the watch tells a collapse, and leaves healthy runs alone.
//
// Short runs on Fashion-MNIST.  Each method with what keeps it from collapsing must raise nothing;
// without, the watch must speak within 50 steps.

#include <inttypes.h>
#include <stdio.h>

#include "tests/unit/worker/train/small.h"
#include "worker/train/loader.h"
#include "worker/train/watch.h"

enum { STEPS = 50, NEVER = -1 };

static ak_spec spec_of(const char *method)
{
    static const char *const pairs[][2] = {
        { "dataset", "fashion-mnist" },
        { "image-size", "16" },
        { "batch", "64" },
        { "shards", "2" },
        { "optimizer", "adam" },
        { "lr", "0.001" },
        { "limit-images", "4096" },
        { "seed", "1" },
    };
    ak_spec spec;

    ak_spec_init(&spec);
    ak_small_set(&spec, "method", method);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        ak_small_set(&spec, pairs[i][0], pairs[i][1]);
    return spec;
}

// The step at which the watch speaks, or NEVER; its sentence goes to *watch.
static int speaks_at(const ak_spec *spec, ak_watch *watch)
{
    ak_comm *comm = NULL;
    ak_loader *loader = NULL;
    ak_trainer *t;
    int spoken = NEVER;

    memset(watch, 0, sizeof *watch);
    ak_rig_ok(ak_comm_open(&comm));
    ak_rig_ok(ak_loader_open(&loader, spec, 1));
    t = ak_small_trainer(spec, comm);
    t->epoch_steps = ak_loader_steps(loader);
    t->total = 100 * t->epoch_steps;
    while (t->step < STEPS && spoken == NEVER) {
        ak_gauge gauges[AK_METHOD_GAUGES];
        ak_health health;
        double loss;
        int count;

        ak_trainer_begin(t);
        ck_assert_int_eq(ak_loader_fill(loader, t, t->step), 0);
        ak_rig_ok(ak_trainer_compute(t, &loss));
        ak_trainer_update(t, spec->lr);
        ak_trainer_health(t, &health);
        count = ak_watch_gauges(&health, gauges, 0);
        if (getenv("AKSSL_TEST_VERBOSE")) {
            printf("%s %" PRId64 ": loss %.5g, std ratio %.3g", spec->method, t->step, loss,
                   gauges[0].value * sqrt((double)health.width));
            for (int i = 1; i < count; i++)
                printf(", %s %.4g", gauges[i].name, gauges[i].value);
            printf(" of %" PRId64 "\n", health.prototypes);
            fflush(stdout);
        }
        if (ak_watch_see(watch, &health, gauges, count, loss))
            spoken = (int)t->step;
    }
    ak_trainer_free(t);
    ak_loader_close(loader);
    ak_comm_close(comm);
    return spoken;
}

static void stays_silent(const char *method, const char *option)
{
    ak_spec spec = spec_of(method);
    ak_watch watch;
    int at;

    if (option)
        ak_small_set(&spec, "option", option);
    at = speaks_at(&spec, &watch);
    ck_assert_msg(at == NEVER, "%s, step %d: %s", method, at, watch.sentence);
    ak_spec_fini(&spec);
}

static void speaks(const char *method, const char *option, const char *lr, const char *what)
{
    ak_spec spec = spec_of(method);
    ak_watch watch;

    ak_small_set(&spec, "option", option);
    ak_small_set(&spec, "optimizer", "sgd");
    ak_small_set(&spec, "lr", lr);
    ck_assert_msg(speaks_at(&spec, &watch) != NEVER, "%s with %s raised nothing", method, option);
    ck_assert_msg(strstr(watch.sentence, what) != NULL, "%s", watch.sentence);
    ak_spec_fini(&spec);
}

START_TEST(barlow_twins)
{
    stays_silent("barlow_twins", "projection_dim=512,hidden_dim=512");
}
END_TEST

START_TEST(byol)
{
    stays_silent("byol", "hidden_dim=1024");
}
END_TEST

START_TEST(dino)
{
    stays_silent("dino", "projection_dim=1024,num_crops=0");
}
END_TEST

START_TEST(moco_v2)
{
    stays_silent("moco_v2", "K=1024");
}
END_TEST

START_TEST(moco_v3)
{
    stays_silent("moco_v3", "hidden_dim=1024");
}
END_TEST

START_TEST(simclr)
{
    stays_silent("simclr", NULL);
}
END_TEST

START_TEST(simsiam)
{
    stays_silent("simsiam", NULL);
}
END_TEST

START_TEST(swav)
{
    stays_silent("swav", "num_prototypes=256,num_crops=0,use_the_queue=false");
}
END_TEST

START_TEST(simsiam_without_stop_gradient)
{
    speaks("simsiam", "stop_gradient=false", "5", "one line");
}
END_TEST

START_TEST(dino_without_centring)
{
    speaks("dino",
           "projection_dim=1024,num_crops=0,center_momentum=1,momentum_teacher=0.9,freeze_last_"
           "layer=0",
           "0.3", "one prototype");
}
END_TEST

START_TEST(swav_with_one_prototype)
{
    speaks("swav", "num_prototypes=1,num_crops=0,use_the_queue=false", "0.05", "ln of");
}
END_TEST

AK_TEST_MAIN(AK_CASE(barlow_twins), AK_CASE(byol), AK_CASE(dino), AK_CASE(moco_v2),
             AK_CASE(moco_v3), AK_CASE(simclr), AK_CASE(simsiam), AK_CASE(swav),
             AK_CASE(simsiam_without_stop_gradient), AK_CASE(dino_without_centring),
             AK_CASE(swav_with_one_prototype))
