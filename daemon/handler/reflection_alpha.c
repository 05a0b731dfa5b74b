// daemon/handler/reflection_alpha.c -- ServerReflection by its older name, which older tools ask
// for.

#include "daemon/handler/reflection.h"

const ak_handler ak_handler_reflection_alpha = {
    .access = AK_ACCESS_READ,
    .started = ak_reflection_started,
    .received = ak_reflection_received,
};
