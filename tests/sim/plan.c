// tests/sim/plan.c -- what a seed draws before it starts.

#include <string.h>

#include "tests/sim/faults.h"

static int64_t maybe(int64_t per_cent, int64_t low_s, int64_t high_s)
{
    int64_t mean = sim_range(low_s, high_s) * SIM_S;

    return sim_chance(per_cent) ? mean : 0;
}

void sim_plan_draw(sim_plan *plan)
{
    static const int64_t delays[] = { 2, 20, 300, 3000 };

    *plan = (sim_plan){
        .jobs = (int)sim_range(1, 5),
        .people = (int)sim_range(1, 3),
        .faults_end = sim_range(20, 150) * SIM_S,
        .crash_every = maybe(80, 3, 60),
        .crash_ops = sim_range(0, 2) * 50,
        .power = sim_chance(50) ? sim_range(0, 60) : 0,
        .stop = sim_range(0, 25),
        .cut_every = maybe(40, 2, 30),
        .late = sim_chance(40) ? sim_range(20, 100) : 0,
        .twice = sim_chance(40) ? sim_range(2, 25) : 0,
        .kill_every = maybe(40, 5, 40),
        .freeze_every = maybe(30, 10, 60),
        .full_every = maybe(25, 10, 60),
        .bad_every = maybe(25, 10, 60),
        .fix_every = maybe(25, 10, 60),
        .jump_every = maybe(20, 5, 40),
        .rogue_every = maybe(40, 2, 20),
        .stranger_every = maybe(80, 2, 15),
        .pids = (int)sim_range(70, 140),
        .net_ms = delays[sim_range(0, 3)],
        .work_ms = delays[sim_range(0, 2)],
        .step_ms = sim_range(50, 1500),
        .sync_us = sim_range(0, 1) * sim_range(100, 20000),
        .person_ms = sim_range(300, 6000),
        .adopt_s = sim_chance(50) ? 60 : sim_range(5, 40),
        .orphan_s = sim_chance(50) ? 3600 : sim_range(2, 30),
        .rot = sim_chance(20) ? 30 : 0,
        .slots_change = sim_chance(30) ? 40 : 0,
        .on_term_stop = sim_chance(30),
        .journal = sim_chance(50),
        .loose = sim_chance(40),
    };
    plan->limit = plan->faults_end + 7200 * SIM_S;
}

// The name of a planted fault, and a part of the sentence by which it is found.
static const struct {
    const char *name, *sentence;
} plants[SIM_PLANT_END] = {
    [SIM_PLANT_NONE] = { "none", "" },
    [SIM_PLANT_ACK_COMMIT] = { "ack-commit", "the commit of step" },
    [SIM_PLANT_ACK_SUBMIT] = { "ack-submit", "was acknowledged, and is not in the database" },
    [SIM_PLANT_ADOPT_MARK] = { "adopt-mark", "without the run's secret was heard" },
    [SIM_PLANT_ADOPT_PID] = { "adopt-pid", "akssld signals process" },
};

sim_plant sim_plant_parse(const char *name)
{
    for (int i = 0; i < SIM_PLANT_END; i++)
        if (strcmp(plants[i].name, name) == 0)
            return (sim_plant)i;
    return SIM_PLANT_END;
}

const char *sim_plant_sentence(sim_plant plant)
{
    return plants[plant].sentence;
}
