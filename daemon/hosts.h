// daemon/hosts.h -- the hosts of launcher `hosts`: which answer, what is free on them.
//
//     asked for   ssh HOST test -x AKSSL-WORKER, every host_timeout / 4 seconds, 16 at once, in
//                 turn
//     answers     its slots are there to be given
//     no answer   when asked, and none for host_timeout: it is left out, and runs that have ranks
//                 on it are ended: mpirun and ranks would wait for it without end.  Their jobs go
//                 back to the queue, which is no restart by their count, and start again on what
//                 is left
//     a run       with ranks on it ended without a word (it was switched off, say): it is asked at
//                 once, and gets nothing until it answers.  If it does not, that was no crash
//     answers     again: it is used again; elastic.h makes runs larger
//
// Only what was asked is lost, and only the seconds count in which akssld would have heard.  A host
// that has not answered yet is not used either.  This host need not be asked, nor need the
// nodes of an allocation: Slurm looks after those.  Loop thread only.

#ifndef AK_DAEMON_HOSTS_H
#define AK_DAEMON_HOSTS_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/daemon.h"
#include "daemon/launcher/hostlist.h"

enum { AK_HOSTS_AT_ONCE = 16 };

// ak_hosts_open reads --hosts, or the environment inside an allocation; *out stays NULL where there
// is neither.  ERR_INVALID also for hosts that could not reach config->uplink.
akssl_status ak_hosts_open(ak_hosts **out, ak_daemon *d) AKSSL_MUST_CHECK;
void ak_hosts_close(ak_hosts *hosts); // NULL-safe

// ak_hosts_tick asks those whose turn it is, and ends runs on those that are lost; every second.
void ak_hosts_tick(ak_hosts *hosts); // NULL-safe

// ak_hosts_doubt gives nothing to the hosts of a run that ended unheard until they answer.
// ak_hosts_settled is true when they have, or have had their time; and when one does not answer:
// *why then says so (yours), else it is NULL.  NULL-safe.
void ak_hosts_doubt(ak_hosts *hosts, const ak_hostlist *places);
bool ak_hosts_settled(const ak_hosts *hosts, const ak_hostlist *places, char **why);

// ak_hosts_slots is what jobs with so many threads a shard find on the hosts that answer: a rank's
// threads are on one host.  ak_hosts_lost is how many do not, or are in doubt; ak_hosts_unsure
// whether any is in doubt.  NULL-safe.
int64_t ak_hosts_slots(const ak_hosts *hosts, int64_t threads);
int64_t ak_hosts_lost(const ak_hosts *hosts);
bool ak_hosts_unsure(const ak_hosts *hosts);

// ak_hosts_place is launcher.h's place.
bool ak_hosts_place(const ak_daemon *d, const ak_job *job, const ak_gone *gone, int64_t *ranks,
                    ak_hostlist *places);

// ak_hosts_rows gives name and state of each host, for the catalogue; yours to decref.
json_t *ak_hosts_rows(const ak_hosts *hosts);

#endif
