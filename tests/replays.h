// tests/replays.h -- replays of several specs in one process: this program again, alone or under
// mpirun.  A start of ranks takes longer than most of what a test has them do.
//
//     int main(int argc, char **argv) { if (ak_replays_asked(argc, argv)) return
//     ak_replays_main(argv); ... }
//
// A list is a file with a line a replay: spec, init, views, steps and out, between tabs.

#ifndef AK_TESTS_REPLAYS_H
#define AK_TESTS_REPLAYS_H

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "worker/train/check.h"
#include "worker/train/replay.h"

enum { AK_REPLAYS_FIELDS = 5, AK_REPLAYS_LINE = 4096, AK_REPLAYS_ARGUMENTS = 16 };

// ---- inside the process that replays

static inline bool ak_replays_asked(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "--replays") == 0;
}

static inline akssl_status ak_replays_line(char *line, ak_comm *comm)
{
    char *field[AK_REPLAYS_FIELDS], *rest = line;
    ak_replay replay;
    akssl_status rc;
    ak_spec spec;

    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < AK_REPLAYS_FIELDS; i++)
        if (!(field[i] = strsep(&rest, "\t")))
            return ak_fail(AKSSL_ERR_INVALID, "a line of %d fields", i);
    replay = (ak_replay){
        .init = field[1], .views = field[2], .steps = atoll(field[3]), .out = field[4]
    };
    ak_spec_init(&spec);
    rc = ak_spec_read_file(&spec, field[0]);
    if (rc == AKSSL_OK)
        rc = ak_check_spec(&spec);
    if (rc == AKSSL_OK)
        rc = ak_replay_run(&replay, &spec, comm);
    ak_spec_fini(&spec);
    return rc < 0 ? ak_wrap(rc, "replay of '%s'", field[0]) : rc;
}

// What main returns: all lines of the list argv[2], on all ranks.
static inline int ak_replays_main(char **argv)
{
    char line[AK_REPLAYS_LINE];
    FILE *list = fopen(argv[2], "r");
    ak_comm *comm = NULL;
    akssl_status rc = list ? ak_comm_open(&comm) : ak_fail_errno(errno, "list '%s'", argv[2]);

    while (rc == AKSSL_OK && fgets(line, sizeof line, list))
        rc = ak_replays_line(line, comm);
    if (rc < 0) {
        fprintf(stderr, "%s\n", ak_error_text());
        if (comm)
            ak_comm_abort(comm, EXIT_FAILURE);
        return EXIT_FAILURE;
    }
    fclose(list);
    ak_comm_close(comm);
    return EXIT_SUCCESS;
}

// ---- from the test

static inline void ak_replays_program(char *const argv[])
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        // as root too, and without a remote shell
        setenv("OMPI_MCA_plm_rsh_agent", "/bin/false", 1);
        setenv("PRTE_MCA_plm_ssh_agent", "/bin/false", 1);
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
        setenv("PRTE_ALLOW_RUN_AS_ROOT", "1", 1);
        setenv("PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s ended with status %d", argv[0],
                  status);
}

// Runs a list on so many ranks.
static inline void ak_replays_run(const char *list, int ranks)
{
    char self[512], path[1024], number[16], seconds[] = "100";
    char *argv[AK_REPLAYS_ARGUMENTS] = { "timeout", seconds };
    char *const mpirun[] = { "mpirun", "-np", number, "--oversubscribe", "--bind-to", "none" };
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    int count = 2;

    ck_assert(n > 0 && n < (ssize_t)sizeof self - 1);
    self[n] = '\0';
    snprintf(path, sizeof path, "%s", list);
    snprintf(number, sizeof number, "%d", ranks);
    for (size_t i = 0; ranks > 1 && i < sizeof mpirun / sizeof *mpirun; i++)
        argv[count++] = mpirun[i];
    argv[count++] = self;
    argv[count++] = "--replays";
    argv[count] = path;
    ak_replays_program(argv);
}

#endif
