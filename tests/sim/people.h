// tests/sim/people.h -- those who submit jobs, watch them and change their minds.
//
// A person has jobs of its own and does one thing at a time, so that the order of its wishes is
// known.  When nothing is broken any more it lets all of its jobs go on and waits for their end.

#ifndef AK_SIM_PEOPLE_H
#define AK_SIM_PEOPLE_H

#include "tests/sim/world.h"

void sim_people_begin(void);

// sim_people_content says whether everybody's jobs have ended, and they know.
bool sim_people_content(void);

#endif
