// daemon/handler/catalogue.c -- Catalogue: what the installed worker offers.

#include "daemon/catalogue.h"
#include "daemon/handler/handler.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    (void)request;
    return ak_catalogue_answer(d->catalogue, call);
}

static void ended(ak_daemon *d, ak_call *call)
{
    ak_catalogue_forget(d->catalogue, call);
}

const ak_handler ak_handler_catalogue = {
    .access = AK_ACCESS_READ,
    .started = started,
    .ended = ended,
};
