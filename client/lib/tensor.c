// client/lib/tensor.c -- the tensors that the coordinator holds for a job.

#include <math.h>
#include <stdlib.h>

#include "client/lib/lib.h"
#include "proto/base/alloc.h"

// The message stays with the list: texts and shapes point into it.
typedef struct box {
    akssl_tensor_list list; // first, so that an akssl_tensor_list * is a box *
    Akssl__V1__StateReply *message;
    akssl_tensor *tensors;
} box;

static akssl_value *insight_of(const Akssl__V1__TensorInfo *from)
{
    akssl_value *to = ak_alloc(from->n_insight ? from->n_insight : 1, sizeof *to);

    for (size_t i = 0; i < from->n_insight; i++) {
        to[i].name = from->insight[i]->name ? from->insight[i]->name : "";
        to[i].value = from->insight[i]->has_value ? from->insight[i]->value : NAN;
    }
    return to;
}

static akssl_tensor_list *take_list(Akssl__V1__StateReply *message)
{
    size_t count = message->n_tensors;
    box *b = ak_alloc(1, sizeof *b);

    b->message = message;
    b->tensors = ak_alloc(count ? count : 1, sizeof *b->tensors);
    b->list = (akssl_tensor_list){ .count = count, .tensors = b->tensors };
    for (size_t i = 0; i < count; i++) {
        const Akssl__V1__TensorInfo *from = message->tensors[i];

        b->tensors[i] = (akssl_tensor){
            .name = from->name ? from->name : "",
            .axes = from->n_shape,
            .shape = from->shape,
            .version = from->has_version ? from->version : -1,
            .filled = from->has_filled ? from->filled : -1,
            .position = from->has_position ? from->position : -1,
            .digest = from->digest ? from->digest : "",
            .insight_count = from->n_insight,
            .insight = insight_of(from),
        };
    }
    return &b->list;
}

akssl_status akssl_client_state(akssl_client *client, int64_t id, akssl_tensor_list **out)
{
    Akssl__V1__StateRequest request = AKSSL__V1__STATE_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    akssl_status rc;

    request.has_id = 1;
    request.id = id;
    rc = ak_client_call(client, AK_RPC_state, &request.base, &reply);
    if (rc >= 0)
        *out = take_list((Akssl__V1__StateReply *)reply);
    return rc;
}

void akssl_tensor_list_free(akssl_tensor_list *list)
{
    box *b = (box *)list;

    if (!b)
        return;
    for (size_t i = 0; i < b->list.count; i++)
        free((void *)b->tensors[i].insight);
    free(b->tensors);
    akssl__v1__state_reply__free_unpacked(b->message, NULL);
    free(b);
}
