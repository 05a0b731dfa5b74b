// client/lib/curves.c -- what a job has reported over its steps.

#include <stdlib.h>

#include "client/lib/lib.h"
#include "proto/base/alloc.h"

// The message stays with the list: names and columns point into it.
typedef struct box {
    akssl_curve_list list; // first, so that an akssl_curve_list * is a box *
    Akssl__V1__CurvesReply *message;
    akssl_curve *curves;
} box;

// A daemon's columns are of one length; others' need not be.
static bool is_whole(const Akssl__V1__Curve *c)
{
    return c->n_mean == c->n_step && c->n_least == c->n_greatest &&
           (c->n_least == 0 || c->n_least == c->n_step);
}

static akssl_curve_list *take_list(Akssl__V1__CurvesReply *message)
{
    box *b = ak_alloc(1, sizeof *b);

    b->message = message;
    b->curves = ak_alloc(message->n_curves ? message->n_curves : 1, sizeof *b->curves);
    b->list.curves = b->curves;
    for (size_t i = 0; i < message->n_curves; i++) {
        const Akssl__V1__Curve *from = message->curves[i];

        if (!is_whole(from))
            continue;
        b->curves[b->list.count++] = (akssl_curve){
            .name = from->name ? from->name : "",
            .count = from->n_step,
            .step = from->step,
            .mean = from->mean,
            .least = from->n_least ? from->least : from->mean,
            .greatest = from->n_greatest ? from->greatest : from->mean,
        };
    }
    return &b->list;
}

akssl_status akssl_client_curves(akssl_client *client, int64_t id, int64_t points,
                                 akssl_curve_list **out)
{
    Akssl__V1__CurvesRequest request = AKSSL__V1__CURVES_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    akssl_status rc;

    request.has_id = 1;
    request.id = id;
    request.has_points = points != 0;
    request.points = points;
    rc = ak_client_call(client, AK_RPC_curves, &request.base, &reply);
    if (rc >= 0)
        *out = take_list((Akssl__V1__CurvesReply *)reply);
    return rc;
}

void akssl_curve_list_free(akssl_curve_list *list)
{
    box *b = (box *)list;

    if (!b)
        return;
    free(b->curves);
    akssl__v1__curves_reply__free_unpacked(b->message, NULL);
    free(b);
}
