// daemon/meter.h -- what runs take: time, by job, and cores times time, by owner.
//
// Charged every second and at the end of a run, from the monotonic clock; stored with the job's
// row, and for owners once a minute.  The time that a run spent without an akssld is nobody's.
// A run whose job has run for its time limit is asked to stop: it commits, and the job is TIMEOUT.
// Loop thread only.

#ifndef AK_DAEMON_METER_H
#define AK_DAEMON_METER_H

#include "daemon/run.h"

enum { AK_METER_STORE_MS = 60000 };

// ak_meter_open reads what was stored; ak_meter_close stores it again.
akssl_status ak_meter_open(ak_daemon *d) AKSSL_MUST_CHECK;
void ak_meter_close(ak_daemon *d);

// ak_meter_charge charges a run for the time since it was charged last.
void ak_meter_charge(ak_run *run);

// ak_meter_tick does so for all runs, and asks those to stop whose time is over; every second.
void ak_meter_tick(ak_daemon *d);

// ak_meter_time_out moves a job that has no run any more to TIMEOUT.
void ak_meter_time_out(ak_daemon *d, ak_job *job);

#endif
