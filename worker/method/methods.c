// worker/method/methods.c -- the table of methods, and what they share.

#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/method/method.h"
#include "worker/nn/rows.h"

#define AK_METHOD(row) extern const ak_method ak_method_##row;
#include "worker/method/methods.def"
#undef AK_METHOD

static const ak_method *const rows[] = {
#define AK_METHOD(row) &ak_method_##row,
#include "worker/method/methods.def"
#undef AK_METHOD
    NULL,
};

const ak_method *ak_method_at(int index)
{
    return rows[index];
}

akssl_status ak_method_find(const ak_method **out, const char *name)
{
    int index = ak_rows_find((const void *const *)rows, name);

    if (index < 0)
        return ak_rows_unknown((const void *const *)rows, "method", name);
    *out = rows[index];
    return AKSSL_OK;
}

void ak_encoder_build(ak_encoder *e, const ak_setup *setup)
{
    e->backbone = setup->backbone;
    e->self = ak_alloc(1, setup->backbone->self_size);
    e->backbone->build(e->self, setup->model, "backbone");
}

ak_tensor *ak_encode(ak_graph *g, const ak_encoder *e, ak_tensor *x)
{
    return e->backbone->apply(e->self, g, x);
}

void ak_encoder_fini(ak_encoder *e)
{
    free(e->self);
    e->self = NULL;
}

double ak_embedding_std(const float *x, int64_t n, int64_t d)
{
    double total = 0;

    for (int64_t c = 0; c < d; c++) {
        double sum = 0, squares = 0, var;

        for (int64_t r = 0; r < n; r++) {
            sum += (double)x[r * d + c];
            squares += (double)x[r * d + c] * (double)x[r * d + c];
        }
        var = (squares - sum * sum / (double)n) / (double)(n > 1 ? n - 1 : 1);
        total += sqrt(var > 0 ? var : 0);
    }
    return total / (double)d;
}
