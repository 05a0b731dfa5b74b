// tests/contract/own_method.c -- a method that methods.def does not know: one file is all it takes.
//
// The smallest thing that can learn: the features of an image's two views are drawn together and
// all others apart, without a head.  A row in methods.def would let people ask for it by name.

#include "tests/unit/worker/train/small.h"
#include "worker/train/commit.h"

// ---- the method

typedef struct own {
    double temperature; // option
    ak_encoder encoder;
} own;

static const ak_option options[] = {
    AK_OPTION_FLOAT(own, temperature, 0.5, 1e-3, 100, "temperature of the loss"),
    AK_OPTION_END,
};

static akssl_status build(void *self, const ak_setup *setup)
{
    return ak_encoder_build(&((own *)self)->encoder, setup);
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    own *s = self;
    ak_tensor *y = ak_encode(g, &s->encoder, ak_join(g, x, 2, 1));

    return ak_nt_xent(g, ak_l2norm(g, y), s->temperature);
}

static ak_encoder *encoder(void *self)
{
    return &((own *)self)->encoder;
}

static void fini(void *self)
{
    ak_encoder_fini(&((own *)self)->encoder);
}

static const ak_method own_method = {
    .name = "own",
    .title = "features that tell images apart",
    .paper = "arXiv:0000.00000",
    .batch_norm = "sync",
    .options = options,
    .self_size = sizeof(own),
    .build = build,
    .loss = loss,
    .encoder = encoder,
    .fini = fini,
};

// ---- and its run

static ak_trainer *trainer_of(ak_comm *comm)
{
    ak_spec spec = ak_small_spec("simclr"); // all but the method is of use
    ak_trainer *t = NULL;

    ak_rig_ok(ak_trainer_new_for(&t, &spec, comm, &own_method, 0));
    ak_trainer_seed(t);
    ak_spec_fini(&spec);
    return t;
}

START_TEST(it_learns)
{
    ak_comm *comm = NULL;
    double first, last = 0;
    ak_trainer *t;

    ak_rig_ok(ak_comm_open(&comm));
    t = trainer_of(comm);
    first = ak_small_step(t, 1e-3);
    for (int i = 0; i < 15; i++)
        last = ak_small_step(t, 1e-3);
    ck_assert_msg(last < 0.9 * first, "loss %g, then %g", first, last);
    ck_assert_int_eq(t->step, 16);
    ck_assert(ak_trainer_encoder(t)->features->shape[1] == 64);
    ak_trainer_free(t);
    ak_comm_close(comm);
}
END_TEST

START_TEST(it_commits_and_goes_on)
{
    char *folder = ak_rig_folder(), commit[600];
    ak_results results = { 0 };
    ak_commit_file files[AK_COMMIT_FILES];
    ak_comm *comm = NULL;
    ak_trainer *a, *b;

    ak_rig_ok(ak_comm_open(&comm));
    a = trainer_of(comm);
    (void)ak_small_step(a, 1e-3);
    ak_rig_ok(ak_small_commit(a, &results, folder, files));
    snprintf(commit, sizeof commit, "%s/commits/step-1", folder);
    b = trainer_of(comm);
    ak_rig_ok(ak_commit_read(b, &results, commit, 1));
    ck_assert(ak_small_step(a, 1e-3) == ak_small_step(b, 1e-3));
    ak_small_same(a, b);
    ak_trainer_free(a);
    ak_trainer_free(b);
    ak_comm_close(comm);
    ak_rig_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(it_learns), AK_CASE(it_commits_and_goes_on))
