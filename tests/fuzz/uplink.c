// tests/fuzz/uplink.c -- the worker's link to a coordinator that says anything.
//
// An input is the coordinator's script (hostile.h).

#include "worker/uplink.h"

#include <sys/stat.h>

#include "proto/base/error.h"
#include "tests/fuzz/hostile.h"

static void look(ak_uplink *u)
{
    const ak_uplink_welcome *welcome = ak_uplink_state(u);
    volatile size_t sum = strlen(welcome->spec_yaml) + strlen(welcome->folder);

    sum = sum + strlen(welcome->commit);
    ((ak_uplink_welcome *)welcome)->folder = fuzz_folder(); // a commit alone is written there
    FUZZ_CHECK(welcome->resume_step >= 0);
    for (int i = 0; i < ak_uplink_tensor_count(u); i++) {
        const ak_uplink_tensor *t = ak_uplink_tensor_at(u, i);
        int64_t numel = 1;

        for (int axis = 0; axis < t->dims; axis++)
            numel *= t->shape[axis];
        FUZZ_CHECK((size_t)numel * sizeof(float) == t->size);
        FUZZ_CHECK(t->position >= 0 && t->position < t->shape[0]);
        FUZZ_CHECK(t->filled >= 0 && t->filled <= t->shape[0]);
        FUZZ_CHECK(ak_uplink_tensor_find(u, t->name) == t);
        sum = sum + ((const uint8_t *)t->data)[t->size - 1];
    }
}

static void work(ak_uplink *u)
{
    static const float rows[64];
    const ak_uplink_rows push = { rows, sizeof rows, 0 };
    const ak_uplink_file file = { "model.safetensors", 5, "00112233445566778899aabbccddeeff" };
    const ak_uplink_tensor tensor = { .name = "moco.queue",
                                      .dims = 2,
                                      .shape = { 8, 8 },
                                      .data = (float *)rows,
                                      .size = sizeof rows };

    (void)!ak_uplink_declare(u, &tensor);
    (void)!ak_uplink_push(u, "moco.queue", 1, &push);
    ak_uplink_report(u, &(ak_uplink_progress){ .step = 1, .loss = 2 }, NULL, 0);
    if (ak_uplink_commit(u, 1, &file, 1) < 0)
        FUZZ_CHECK(ak_error_text()[0]);
    if (ak_uplink_hold(u, 2) == 0) // a newer one, whose files cannot be written
        ak_uplink_release(u);
    (void)!ak_uplink_finish(u, "succeeded", "", NULL, 0, "");
    FUZZ_CHECK(!ak_uplink_stop_requested(u) || ak_uplink_stop_reason(u)[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ak_uplink_target target = { .server = "unix:/nonexistent",
                                      .secret = "secret",
                                      .run = "run",
                                      .job = 1,
                                      .ranks = 2,
                                      .join_ms = 1000,
                                      .orphan_ms = 1000 };
    char folder[300];
    ak_uplink *u;

    snprintf(folder, sizeof folder, "%s/run", fuzz_folder());
    mkdir(folder, 0700);
    hostile_start((fuzz_bytes){ data, size });
    if (ak_uplink_open(&u, &target) < 0) {
        FUZZ_CHECK(ak_error_text()[0]);
        return 0;
    }
    look(u);
    work(u);
    ak_uplink_close(u);
    return 0;
}
