// daemon/handler/reflection.h -- what the two names of reflection share.

#ifndef AK_DAEMON_HANDLER_REFLECTION_H
#define AK_DAEMON_HANDLER_REFLECTION_H

#include "daemon/handler/handler.h"

akssl_status ak_reflection_started(ak_daemon *d, ak_call *call,
                                   const ProtobufCMessage *request) AKSSL_MUST_CHECK;
void ak_reflection_received(ak_daemon *d, ak_call *call, const ProtobufCMessage *message);

#endif
