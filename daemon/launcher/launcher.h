// daemon/launcher/launcher.h -- how the ranks of a run are started: one file, one row each.
//
// A launcher says how many cores there are for its jobs, and which command runs one.  run.c starts
// the command under a guard (guard.h), logs it, and ends it by SIGTERM; when it has ended, no rank
// may be left.  Each launcher's cores are scheduled by themselves.  Loop thread only, but for
// `follow`.

#ifndef AK_DAEMON_LAUNCHER_LAUNCHER_H
#define AK_DAEMON_LAUNCHER_LAUNCHER_H

#include "daemon/config.h"
#include "daemon/job.h"
#include "daemon/launcher/hostlist.h"

enum {
    AK_LAUNCHERS = 0 // rows of the table
#define AK_LAUNCHER(name) +1
#include "daemon/launcher/launchers.def"
#undef AK_LAUNCHER
    ,
    // Exit codes of a command that follows, which are no crash: the cores were taken away; somebody
    // has ended the job there; the time that it had there is over; the queue refuses the job.
    AK_LAUNCHER_GONE = 75,
    AK_LAUNCHER_CANCELLED = 76,
    AK_LAUNCHER_LATE = 77,
    AK_LAUNCHER_REFUSED = 78,
};

struct ak_daemon;

// A growing list of strings, ended by NULL.  A value: start from zero, end with ak_args_fini.
typedef struct ak_args {
    char **at;
    size_t count;
} ak_args;

void ak_args_add(ak_args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ak_args_add_words adds the words of text, which blanks part; none has blanks in it.
void ak_args_add_words(ak_args *args, const char *text);

// ak_args_set adds NAME=value in place of a NAME=... that is there: for environments.
void ak_args_set(ak_args *args, const char *name, const char *value);
void ak_args_fini(ak_args *args);

// ak_args_quote appends word as a shell takes it for one.
void ak_args_quote(ak_str *text, const char *word);

// Jobs whose runs are thought away.
typedef struct ak_gone {
    const int64_t *jobs;
    size_t count;
} ak_gone;

// What a launcher is told; borrowed.
typedef struct ak_launch {
    const ak_config *config;
    const ak_job *job;
    const char *run;    // id: must be on every rank's command line, as --run
    const char *folder; // the job's
    const char *secret_file;
    int64_t ranks;
    const ak_hostlist *places; // ranks on each host, as `place` has said; NULL: nothing was said
    bool again;                // what it has started before is to be taken up, not started
} ak_launch;

typedef struct ak_launcher {
    const char *name;  // equals the file name
    const char *title; // one line

    // slots is how many cores jobs with so many threads a shard may have on it now (1: all); 0
    // when there is nowhere to run.
    int64_t (*slots)(const struct ak_daemon *d, int64_t threads);

    // command appends the command (argv[0] an absolute path) and changes the environment, which
    // starts as the daemon's own.
    akssl_status (*command)(const ak_launch *launch, ak_args *argv, ak_args *env);

    // The rest is optional.

    // place says which hosts the ranks of a job get that is about to start once its own run, and
    // those of the jobs in gone (NULL: none), are over, and lowers *ranks to what there is room
    // for; false when there is none at all.
    bool (*place)(const struct ak_daemon *d, const ak_job *job, const ak_gone *gone, int64_t *ranks,
                  ak_hostlist *places);

    // lacks is how many of its hosts are left out, since they do not answer.
    int64_t (*lacks)(const struct ak_daemon *d);

    // unsure says whether some of those may be back in a moment: no run makes way for a job until
    // that is known.
    bool (*unsure)(const struct ak_daemon *d);

    // follow is the command, in a process of its own: `akssld --follow NAME ARGUMENT...`.  A
    // launcher that has it has a queue of its own behind it: the command says in JOB/run/ID.status
    // how its job stands (follow.h), rank 0 joins when that runs, and a command that has died is
    // given again, with launch->again, when akssld is started.
    int (*follow)(char **argv);

    int64_t grace_s; // that the command has to end after SIGTERM; 0: as any
} ak_launcher;

// ak_launcher_find gives the launcher called name, or NULL; ak_launcher_at one by number, NULL
// behind the last; ak_launcher_index the number of one.
const ak_launcher *ak_launcher_find(const char *name);
const ak_launcher *ak_launcher_at(int index);
int ak_launcher_index(const ak_launcher *launcher);

// ak_launcher_of is a job's, `local` where its spec says none (or one that there no longer is).
const ak_launcher *ak_launcher_of(const ak_job *job);

// ak_launcher_slots is how many cores there are for it now.
int64_t ak_launcher_slots(const struct ak_daemon *d, const ak_job *job);

// ak_launcher_settle fills in a new spec's launcher (the daemon's, where it says none) and refuses
// one that this daemon does not have, or has no cores for.  ERR_INVALID.
akssl_status ak_launcher_settle(const struct ak_daemon *d, ak_spec *spec) AKSSL_MUST_CHECK;

#endif
