// worker/command/replay.c -- `akssl-worker replay`: training steps on given views; without a
// daemon, alone or under mpirun.

#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/command/command.h"
#include "worker/train/check.h"
#include "worker/train/replay.h"

typedef struct replay {
    char *spec, *init, *views, *out;
    int64_t steps;
} replay;

static const ak_option options[] = {
    AK_OPTION_STRING(replay, spec, "", NULL, "the job's spec, YAML"),
    AK_OPTION_STRING(replay, init, "", NULL,
                     "weights to start from, safetensors (default: seeded)"),
    AK_OPTION_STRING(replay, views, "", NULL,
                     "views, safetensors: stepT.view0, stepT.view1, each F32 [B,3,S,S]"),
    AK_OPTION_STRING(replay, out, "", NULL, "safetensors to write: losses, gradients, parameters"),
    AK_OPTION_INT(replay, steps, 1, 0, 1000000, "steps to take (0: write the initial weights)"),
    AK_OPTION_END,
};

static akssl_status check_flags(const replay *r)
{
    if (!r->spec[0] || !r->out[0])
        return ak_fail(AKSSL_ERR_INVALID, "replay needs --spec FILE and --out FILE");
    if (r->steps && !r->views[0])
        return ak_fail(AKSSL_ERR_INVALID, "replay needs --views FILE, or --steps 0");
    return AKSSL_OK;
}

static int run(void *self)
{
    replay *r = self;
    ak_replay job = { .init = r->init, .views = r->views, .out = r->out, .steps = r->steps };
    ak_comm *comm = NULL;
    akssl_status rc;
    ak_spec spec;

    ak_spec_init(&spec);
    rc = check_flags(r);
    if (rc == AKSSL_OK)
        rc = ak_spec_read_file(&spec, r->spec);
    if (rc == AKSSL_OK)
        rc = ak_check_spec(&spec);
    if (rc == AKSSL_OK)
        rc = ak_comm_open(&comm);
    if (rc == AKSSL_OK)
        rc = ak_replay_run(&job, &spec, comm);
    ak_spec_fini(&spec);
    return ak_command_end(rc, comm);
}

const ak_command ak_command_replay = {
    .name = "replay",
    .help = "take training steps on given views from given weights",
    .options = options,
    .self_size = sizeof(replay),
    .run = run,
};
