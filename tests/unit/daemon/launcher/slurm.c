// tests/unit/daemon/launcher/slurm.c -- tests `akssld --follow slurm` on programs that play
// Slurm's.

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/launcher/launcher.h"
#include "tests/check.h"
#include "tests/unit/daemon/folder.h"

// Files of the folder: `cancelled`, once the job is; `deadly`, while who calls scancel is killed by
// it, as by a power cut.
static void play(const char *folder, const char *name, const char *script)
{
    char *path = ak_path("%s/%s", folder, name), *text = ak_path("#!/bin/sh\n%s\n", script);

    ck_assert_int_eq(ak_files_write(path, text, strlen(text)), 0);
    ck_assert_int_eq(chmod(path, 0700), 0);
    free(text);
    free(path);
}

static char *slurm(const char *reason)
{
    char *folder = folder_make(), *script, *path;

    script = ak_path("[ -e cancelled ] && echo '7|CANCELLED|None|' || echo '7|%s|n1'", reason);
    play(folder, "squeue", script);
    free(script);
    play(folder, "sacct", "exit 1");
    play(folder, "sbatch", "exit 1");
    play(folder, "scancel", "touch cancelled; [ -e deadly ] && kill -KILL $PPID");
    path = ak_path("%s:%s", folder, getenv("PATH"));
    setenv("PATH", path, 1);
    free(path);
    return folder;
}

static void touch(const char *folder, const char *name)
{
    char *path = ak_path("%s/%s", folder, name);

    ck_assert_int_eq(ak_files_write(path, "", 0), 0);
    free(path);
}

static void remove_file(const char *folder, const char *name)
{
    char *path = ak_path("%s/%s", folder, name);

    ck_assert_int_eq(unlink(path), 0);
    free(path);
}

static pid_t follow(const char *folder)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (chdir(folder) == 0)
            execl(TEST_BIN_DIR "/akssld", "akssld", "--follow", "slurm", "r", "r.status",
                  "r.ending", "again", "--", "true", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int end_of(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

START_TEST(who_cancelled_is_known)
{
    char *folder = slurm("RUNNING|None");
    pid_t pid;

    touch(folder, "deadly");
    pid = follow(folder);
    usleep(300000);
    kill(pid, SIGTERM);
    ck_assert_int_eq(end_of(pid), 256 + SIGKILL);
    remove_file(folder, "deadly");
    ck_assert_int_eq(end_of(follow(folder)), 0); // it was akssld's
    remove_file(folder, "r.ending");
    ck_assert_int_eq(end_of(follow(folder)), AK_LAUNCHER_CANCELLED); // somebody else's
    folder_remove(folder);
}
END_TEST

START_TEST(what_was_being_ended_is_ended)
{
    char *folder = slurm("RUNNING|None"), *cancelled = ak_path("%s/cancelled", folder);
    pid_t pid;

    touch(folder, "deadly");
    pid = follow(folder);
    usleep(300000);
    kill(pid, SIGTERM);
    ck_assert_int_eq(end_of(pid), 256 + SIGKILL);
    remove_file(folder, "deadly");
    remove_file(folder, "cancelled"); // scancel did not reach Slurm
    ck_assert_int_eq(end_of(follow(folder)), 0);
    ck_assert_int_eq(access(cancelled, F_OK), 0);
    free(cancelled);
    folder_remove(folder);
}
END_TEST

START_TEST(what_is_refused_stays_so)
{
    char *folder = slurm("PENDING|BadConstraints");

    touch(folder, "deadly");
    ck_assert_int_eq(end_of(follow(folder)), 256 + SIGKILL);
    remove_file(folder, "deadly");
    ck_assert_int_eq(end_of(follow(folder)), AK_LAUNCHER_REFUSED);
    folder_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(who_cancelled_is_known), AK_CASE(what_was_being_ended_is_ended),
             AK_CASE(what_is_refused_stays_so))
