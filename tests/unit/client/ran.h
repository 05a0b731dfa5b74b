// tests/unit/client/ran.h -- runs of the program akssl-client, for the tests beside it: against a
// lab, with its output in files or on a terminal.

#ifndef AK_TESTS_RAN_H
#define AK_TESTS_RAN_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "tests/unit/client/lab.h"

#define PROGRAM TEST_BIN_DIR "/akssl-client"

enum { DEADLINE_MS = 60000 };

// One run of the program, its output in files of the lab's folder.
typedef struct ran {
    pid_t pid;
    int code;
    char out_path[128], err_path[128];
    char out[32768], err[8192];
} ran;

#define ARGS(...) ((const char *const[]){ "akssl-client", __VA_ARGS__, NULL })

// NAME=VALUE pairs that the program gets, besides PATH.
static char *const plain_env[] = { "TERM=xterm", "LC_ALL=C.UTF-8", NULL };

static inline void launch(const lab *l, ran *r, const char *out, const char *const *args,
                          char *const *env)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char server[128], *all[16] = { server };
    sigset_t none;
    int count = 1, rc;

    memset(r, 0, sizeof *r);
    snprintf(server, sizeof server, "AKSSL_SERVER=%s", l->path);
    while (env[count - 1] && count < 15) {
        all[count] = env[count - 1];
        count++;
    }
    snprintf(r->out_path, sizeof r->out_path, "%s/out", l->folder);
    snprintf(r->err_path, sizeof r->err_path, "%s/err", l->folder);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, out ? out : "/dev/null", O_RDONLY | O_NOCTTY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, out ? out : r->out_path,
                                     O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, r->err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    rc = posix_spawn(&r->pid, PROGRAM, &actions, &attributes, (char *const *)args, all);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_msg(rc == 0, "%s: %s", PROGRAM, strerror(rc));
}

static inline void slurp(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");

    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

static inline void join(ran *r)
{
    int status = 0;
    pid_t done = 0;

    for (int waited = 0; done == 0 && waited < DEADLINE_MS; waited += 10) {
        done = waitpid(r->pid, &status, WNOHANG);
        if (done == 0)
            lab_sleep(10);
    }
    if (done == 0) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, &status, 0);
    }
    slurp(r->err_path, r->err, sizeof r->err);
    unlink(r->err_path);
    if (access(r->out_path, F_OK) == 0)
        slurp(r->out_path, r->out, sizeof r->out);
    unlink(r->out_path);
    ck_assert_msg(done == r->pid, "no end in time; stderr: %s", r->err);
    ck_assert_msg(WIFEXITED(status), "ended by signal %d; stderr: %s", WTERMSIG(status), r->err);
    r->code = WEXITSTATUS(status);
}

// await waits until a running program's output holds text.
static inline void await(ran *r, const char *text)
{
    r->out[0] = '\0';
    for (int waited = 0; waited < DEADLINE_MS && !strstr(r->out, text); waited += 10) {
        lab_sleep(10);
        slurp(r->out_path, r->out, sizeof r->out);
    }
    ck_assert_msg(strstr(r->out, text) != NULL, "no '%s' in time: %s", text, r->out);
}

static inline void run(const lab *l, ran *r, const char *const *args)
{
    launch(l, r, NULL, args, plain_env);
    join(r);
}

#define expect(r, code_, out_, err_)                                                               \
    ck_assert_msg((r)->code == (code_) && strstr((r)->out, out_) && strstr((r)->err, err_),        \
                  "ended with %d\nstdout: %s\nstderr: %s", (r)->code, (r)->out, (r)->err)

// ---- on a terminal

static inline void read_terminal(int master, char *text, size_t size, int milliseconds)
{
    size_t used = strlen(text);

    for (int waited = 0; waited < milliseconds; waited += 10) {
        ssize_t n = read(master, text + used, size - 1 - used);

        if (n > 0)
            used += (size_t)n;
        else
            lab_sleep(10);
        text[used] = '\0';
    }
}

// open_terminal gives the master; *slave keeps what was written.
static inline int open_terminal(unsigned short columns, int *slave)
{
    const struct winsize window = { .ws_row = 24, .ws_col = columns };
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    ck_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    *slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(*slave, 0);
    ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &window), 0);
    return master;
}

#endif
