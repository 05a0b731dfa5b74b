// daemon/launcher/follow.c -- for commands that follow a job in another queue.

#include "daemon/launcher/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/files.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

static const char runs_word[] = "runs ", waits_word[] = "waits ";
static const char ends_word[] = "ends\n", refused_word[] = "refused\n";

// ---- the file

akssl_status ak_follow_tell(const char *path, bool runs, const char *text)
{
    ak_str line = AK_STR_INIT;
    akssl_status rc;

    ak_str_format(&line, "%s%.*s\n", runs ? runs_word : waits_word, AK_FOLLOW_TEXT, text);
    rc = ak_files_write(path, line.text, line.length);
    ak_str_fini(&line);
    return rc;
}

akssl_status ak_follow_read(const char *path, bool *runs, ak_str *text)
{
    ak_str line = AK_STR_INIT;
    const char *at = NULL;
    akssl_status rc;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return AKSSL_ERR_NOT_FOUND;
    rc = ak_files_read(path, AK_FOLLOW_TEXT + sizeof waits_word, &line);
    if (rc == AKSSL_OK && line.length && line.text[line.length - 1] == '\n') {
        if (strncmp(line.text, runs_word, sizeof runs_word - 1) == 0)
            at = line.text + sizeof runs_word - 1;
        else if (strncmp(line.text, waits_word, sizeof waits_word - 1) == 0)
            at = line.text + sizeof waits_word - 1;
    }
    if (rc == AKSSL_OK && !at)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "'%s' does not say how a run stands", path);
    if (rc == AKSSL_OK) {
        *runs = at == line.text + sizeof runs_word - 1;
        ak_str_clear(text);
        ak_str_append_n(text, at, strcspn(at, "\n"));
    }
    ak_str_fini(&line);
    return rc;
}

akssl_status ak_follow_end(const char *path, bool refused)
{
    const char *word = refused ? refused_word : ends_word;

    return ak_files_write(path, word, strlen(word));
}

bool ak_follow_ending(const char *path, bool *refused)
{
    ak_str word = AK_STR_INIT;
    bool found = ak_files_read(path, sizeof refused_word, &word) == AKSSL_OK && word.length;

    if (found)
        *refused = strcmp(word.text, refused_word) == 0;
    ak_str_fini(&word);
    return found;
}

// ---- signals

static void take_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGCHLD);
}

void ak_follow_begin(void)
{
    sigset_t set;

    take_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

// wait_signal gives the signal that comes until end_ns; 0 when none does.
static int wait_signal(int64_t end_ns)
{
    int64_t left = end_ns - ak_clock_ns();
    struct timespec time;
    sigset_t set;
    int number;

    if (left < 0)
        left = 0;
    time = (struct timespec){ .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
    take_signals(&set);
    number = sigtimedwait(&set, NULL, &time);
    return number > 0 ? number : 0;
}

bool ak_follow_wait(int64_t ms)
{
    int64_t end_ns = ak_clock_ns() + ms * 1000000;
    int number;

    while ((number = wait_signal(end_ns)) == SIGCHLD || (!number && ak_clock_ns() < end_ns))
        continue;
    return number != 0;
}

// ---- programs

// Files in memory, so that no pipe is ever full; what is written to cannot grow.  (A limit of the
// process would be handed on: sbatch gives jobs its own.)
typedef struct streams {
    int in, out, err;
} streams;

static void become(char *const argv[], const streams *s)
{
    sigset_t set;

    if (dup2(s->in, 0) < 0 || dup2(s->out, 1) < 0 || dup2(s->err, 2) < 0)
        _exit(126);
    take_signals(&set);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    execvp(argv[0], argv);
    _exit(127);
}

static int open_output(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, AK_FOLLOW_OUTPUT) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static bool open_streams(streams *s, const char *input)
{
    size_t length = strlen(input);

    s->in = memfd_create("in", MFD_CLOEXEC);
    s->out = open_output("out");
    s->err = open_output("err");
    return s->in >= 0 && s->out >= 0 && s->err >= 0 &&
           write(s->in, input, length) == (ssize_t)length && lseek(s->in, 0, SEEK_SET) == 0;
}

static void close_streams(const streams *s)
{
    const int all[] = { s->in, s->out, s->err };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
}

// The place in the file is the writer's, too: it ends what was written.
static void read_all(int fd, ak_str *text)
{
    off_t left = lseek(fd, 0, SEEK_CUR), at = 0;
    char block[4096];

    while (left > 0 && left <= AK_FOLLOW_OUTPUT) {
        size_t most = left < (off_t)sizeof block ? (size_t)left : sizeof block;
        ssize_t n = pread(fd, block, most, at);

        if (n <= 0)
            break;
        ak_str_append_n(text, block, (size_t)n);
        at += n;
        left -= n;
    }
}

// wait_for gives the child's exit code; -1 when it had to be killed.
static int wait_for(pid_t child, bool *told)
{
    int64_t end_ns = ak_clock_ns() + AK_FOLLOW_RUN_S * INT64_C(1000000000);
    bool late = false;
    int status = 0;

    while (waitpid(child, &status, late ? 0 : WNOHANG) != child) {
        int number = wait_signal(end_ns);

        *told |= number && number != SIGCHLD;
        if (number || ak_clock_ns() < end_ns)
            continue;
        kill(child, SIGKILL);
        late = true;
    }
    return !late && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int ak_follow_run(char *const argv[], const char *input, ak_str *out, ak_str *err, bool *told)
{
    streams s = { -1, -1, -1 };
    pid_t child = -1;
    int code = -1;

    ak_str_clear(out);
    ak_str_clear(err);
    if (open_streams(&s, input))
        child = fork();
    if (child == 0)
        become(argv, &s);
    if (child > 0) {
        code = wait_for(child, told);
        read_all(s.out, out);
        read_all(s.err, err);
    }
    close_streams(&s);
    if (child < 0)
        ak_str_format(err, "%s cannot be started: %s", argv[0], strerror(errno));
    else if (code == 127 && !err->length)
        ak_str_format(err, "%s is not installed here", argv[0]);
    else if (code < 0 && !err->length)
        ak_str_format(err, "%s did not end within %d s", argv[0], AK_FOLLOW_RUN_S);
    return code;
}
