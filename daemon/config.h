// daemon/config.h -- the command line of akssld.

#ifndef AK_DAEMON_CONFIG_H
#define AK_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "akssl/status.h"

// Strings are the config's own.  After ak_config_settle every one is set and absolute.
typedef struct ak_config {
    char *state_dir, *socket, *worker, *log_level;
    char *on_term;                                // what SIGTERM does to runs: "leave" or "stop"
    int64_t slots, adopt_timeout, orphan_timeout; // the last two: seconds
    char *listen, *listen_insecure_plaintext;     // "HOST:PORT"; "": no TCP
    char *http;                                   // "HOST:PORT" of page and metrics; "": none
    char *tls_cert, *tls_key, *client_ca;         // PEM files; client_ca "": none is asked for
    char *uplink;                                 // where ranks find akssld, as --server has it
    char *uplink_ca;                              // that they trust; "": what the system trusts
    char *uplink_cert, *uplink_key;               // that they show; "": nothing
    char *data_root;                              // folders, a line each; "": none is named
    char *host, *client;                          // of --init-tls; host: a line each
    char *restore;                                // a backup; "": serve
    int64_t rate;                                 // calls a second, for each person
    int64_t socket_mode;
    int64_t fair_share_half_life; // seconds
    bool preempt, deny_code;
    char *launcher;       // of jobs that say none
    char *hosts;          // list of hosts, or its file; "": none
    char *host_agent;     // a remote shell and its arguments
    int64_t host_timeout; // seconds
    int64_t slurm_slots;  // cores that jobs may have of Slurm at once; 0: none
    char *slurm_options;  // more of sbatch's
    bool allocated;       // we run inside a Slurm allocation, and use its nodes
    bool help, version, init_tls;
    char *self; // this program's own file
} ak_config;

// ak_config_parse reads the flags on top of the defaults.  ERR_INVALID, ERR_NOT_FOUND.
akssl_status ak_config_parse(ak_config *config, int argc, char **argv) AKSSL_MUST_CHECK;

// ak_config_settle makes the state folder and fills in what depends on it and on the machine:
// socket, slots, worker.
akssl_status ak_config_settle(ak_config *config) AKSSL_MUST_CHECK;

void ak_config_help(FILE *out);
void ak_config_fini(ak_config *config); // NULL-safe

#endif
