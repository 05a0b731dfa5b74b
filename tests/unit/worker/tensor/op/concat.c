// tests/unit/worker/tensor/op/concat.c -- tests worker/tensor/op/concat.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { A = 8, B = 20, D = 5 };

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_concat(g, x[0], x[1], 1);
}

// Each shard has its rows of a above its rows of b.
static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    int rows[2] = { A / shards, B / shards };

    for (int s = 0; s < shards; s++)
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < rows[k] * D; i++) {
                int from = s * rows[k] * D + i;
                int to = (s * (rows[0] + rows[1]) + (k ? rows[0] : 0)) * D + i;

                want->y[to] = (double)p->x[k][from];
                want->dx[k][from] = (double)p->upstream[to];
            }
}

static void check(bool first, bool second)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .inputs = 2,
                   .dims = 2,
                   .shape = { { A, D }, { B, D } },
                   .y_numel = (A + B) * D,
                   .constant = { first, second },
                   .mode.training = true,
                   .tolerance = 1e-7 };

    ak_probe_check(&p);
}

START_TEST(against_reference)
{
    check(false, false);
}
END_TEST

START_TEST(one_of_them_constant)
{
    check(true, false);
    check(false, true);
}
END_TEST

START_TEST(groups_and_refusals)
{
    const int64_t a[2] = { 4, D }, b[2] = { 6, D }, c[2] = { 6, D + 1 };
    ak_world world = ak_rig_world(1, 1);

    for (int wrong = 0; wrong < 3; wrong++) {
        ak_graph *g = NULL;
        ak_tensor *x, *y, *z;

        ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
        x = ak_graph_input(g, 2, a);
        y = ak_graph_input(g, 2, wrong == 1 ? c : b);
        z = ak_concat(g, x, y, wrong == 2 ? 3 : 5);
        if (wrong == 0)
            ck_assert(z->groups == 5 && z->shape[0] == 10 && z->shape[1] == D);
        if (wrong == 0)
            ak_rig_ok(ak_graph_compile(g, NULL, z));
        else
            ak_rig_refused(ak_graph_compile(g, NULL, NULL), AKSSL_ERR_INTERNAL, "rows");
        ak_graph_free(g);
    }
    ak_comm_close(world.comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(one_of_them_constant),
             AK_CASE(groups_and_refusals))
