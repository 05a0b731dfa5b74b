// daemon/wire.h -- a job as the wire has it.

#ifndef AK_DAEMON_WIRE_H
#define AK_DAEMON_WIRE_H

#include "daemon/job.h"
#include "proto/rpc/rpc.h"

typedef enum ak_wire_spec {
    AK_WIRE_NO_SPEC,
    AK_WIRE_BRIEF_SPEC, // kind, name, method, backbone, dataset, priority
    AK_WIRE_WHOLE_SPEC,
} ak_wire_spec;

// A message that borrows from a job, which must stay as it is until ak_wire_fini.
typedef struct ak_wire {
    Akssl__V1__Job job;
    Akssl__V1__JobSpec brief;
    Akssl__V1__JobSpec *whole;
    char *folder, *reason;
} ak_wire;

void ak_wire_job(ak_wire *wire, const ak_job *job, const char *state_dir, ak_wire_spec spec);
void ak_wire_fini(ak_wire *wire);

// ak_wire_reply answers a unary call with the job and its whole spec.
struct ak_call;
void ak_wire_reply(struct ak_call *call, const ak_job *job, const char *state_dir);

#endif
