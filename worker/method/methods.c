// worker/method/methods.c -- the table of methods, and what they share.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/method/method.h"
#include "worker/nn/rows.h"

#define AK_METHOD(row) extern const ak_method ak_method_##row;
#include "worker/method/methods.def"
#undef AK_METHOD

enum { SHOWN = 256 };

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

akssl_status ak_encoder_build(ak_encoder *e, const ak_setup *setup)
{
    akssl_status rc = ak_backbone_bind(&e->self, setup->backbone, setup->backbone_text);

    if (rc < 0)
        return rc;
    e->backbone = setup->backbone;
    if (e->backbone->check)
        rc = e->backbone->check(e->self, setup->image_size);
    if (rc < 0)
        return rc;
    if (e->backbone->check && setup->local_size > 0)
        rc = e->backbone->check(e->self, setup->local_size);
    if (rc < 0)
        return ak_wrap(rc, "local crops");
    e->backbone->build(e->self, setup->model, "backbone", setup->image_size);
    return AKSSL_OK;
}

ak_tensor *ak_encode(ak_graph *g, ak_encoder *e, ak_tensor *x)
{
    ak_tensor *y = e->backbone->apply(e->self, g, x);

    if (!e->features)
        e->features = y;
    return y;
}

ak_tensor *ak_encode_crops(ak_graph *g, ak_encoder *e, ak_tensor *const x[], int locals, bool joint)
{
    ak_tensor *global = ak_encode(g, e, ak_join(g, x, 2, joint ? 1 : 2)), *local;

    if (!locals)
        return global;
    local = ak_encode(g, e, ak_join(g, x + 2, locals, joint ? 1 : locals));
    return ak_concat(g, global, local, joint ? 1 : 2 + locals);
}

akssl_status ak_check_crops(const ak_setup *setup, int64_t locals)
{
    if (locals && setup->local_size < setup->backbone->least_size)
        return ak_fail(AKSSL_ERR_INVALID,
                       "local crops of %" PRId64 ": %s takes %" PRId64
                       " or more: raise --augment local_size, or give num_crops=0",
                       setup->local_size, setup->backbone->name, setup->backbone->least_size);
    return AKSSL_OK;
}

void ak_encoder_fini(ak_encoder *e)
{
    ak_backbone_unbind(e->self, e->backbone);
    e->self = NULL;
}

void ak_show(ak_shown *shown, ak_graph *g, ak_tensor *z)
{
    int64_t each = SHOWN / ak_graph_world(g)->shards;

    shown->rows = ak_observe(g, z, each > 0 ? each : 1);
    shown->count = ak_observed_rows(g, shown->rows);
    shown->width = z->shape[z->dims - 1];
}

void ak_shown_in(const ak_shown *shown, ak_health *out)
{
    out->rows = ak_gathered(shown->rows);
    out->count = shown->count;
    out->width = shown->width;
}

double ak_when_done(const ak_when *w)
{
    return w->total > 0 ? (double)w->step / (double)w->total : 0;
}

double ak_when_epoch(const ak_when *w)
{
    return w->epoch_steps > 0 ? (double)w->step / (double)w->epoch_steps : 0;
}

double ak_cosine(double from, double to, double done)
{
    return to + (from - to) * 0.5 * (1 + cos(acos(-1.0) * done));
}
