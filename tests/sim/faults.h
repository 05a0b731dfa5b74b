// tests/sim/faults.h -- what is broken, when, until plan.faults_end.

#ifndef AK_SIM_FAULTS_H
#define AK_SIM_FAULTS_H

#include "tests/sim/world.h"

// sim_plan_draw draws the seed's plan; sim_plant_parse reads the name of a planted fault, and
// sim_plant_sentence is a part of what must be said of it.
void sim_plan_draw(sim_plan *plan);
sim_plant sim_plant_parse(const char *name);
const char *sim_plant_sentence(sim_plant plant);

void sim_faults_begin(void);

// sim_faults_power says whether akssld's death is one of the whole host's.
bool sim_faults_power(void);

// sim_faults_rot damages a commit, now and then; for a moment when nobody reads one.
void sim_faults_rot(void);

// sim_life tells one seed's story, from the first start of akssld to its last end.
void sim_life(void);

#endif
