// tests/sim/tool.c -- `akssl-worker check` and `catalogue`: short programs that akssld runs.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "tests/sim/disk.h"
#include "tests/sim/procs.h"

// check prints the spec that it was given: nothing is left to settle.
static void on_over(void *ctx)
{
    sim_proc *p = ctx;
    sim_node *node;
    const char *path = p->err;

    if (!p->alive)
        return;
    p->out = p->err = (char *)"";
    if (!path) {
        p->out = (char *)"{\"methods\": []}\n";
    } else if (sim_disk_find(path, &node)) {
        p->err = (char *)"akssl-worker: the spec cannot be read\n";
        p->exit_code = 1;
    } else {
        p->out = sim_alloc((size_t)node->size + 64);
        strcpy(p->out, "# estimate: little\n");
        sim_disk_read(node, 0, p->out + strlen(p->out), node->size);
    }
    if (p->handle)
        sim_uv_output(p);
    sim_procs_exit(p, p->exit_code, 0);
}

void sim_tool_start(sim_proc *p, const char *spec_path)
{
    p->err = spec_path[0] ? sim_format("%s", spec_path) : NULL; // until it has output
    sim_after(SIM_WORLD, sim_range(SIM_MS, sim_here->plan.work_ms * SIM_MS), "tool", on_over, p,
              &p->ending);
}
