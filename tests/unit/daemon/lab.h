// tests/unit/daemon/lab.h -- the real akssld under mpirun, with a worker of our own (fake.h), and
// what a test says to it.

#ifndef AK_TESTS_DAEMON_LAB_H
#define AK_TESTS_DAEMON_LAB_H

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "daemon/process.h"
#include "proto/base/clock.h"
#include "tests/unit/daemon/fake.h"
#include "tests/unit/daemon/folder.h"

typedef struct lab {
    char *folder, *output;
    pid_t pid;
    ak_channel *channel;
    const char *slots;     // NULL: 2
    const char *flags[12]; // more of them, to the first NULL
} lab;

// ---- the daemon as a process

static inline pid_t spawn(const lab *l)
{
    char *worker = realpath("/proc/self/exe", NULL);
    const char *const *f = l->flags;
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open(l->output, O_WRONLY | O_CREAT | O_APPEND, 0600);

        prctl(PR_SET_PDEATHSIG, SIGINT); // a case that fails leaves no daemon, and no run
        dup2(fd, 1);
        dup2(fd, 2);
        execl(TEST_BIN_DIR "/akssld", "akssld", "--state-dir", l->folder, "--worker", worker,
              "--slots", l->slots ? l->slots : "2", "--log-level", "debug", f[0], f[1], f[2], f[3],
              f[4], f[5], f[6], f[7], f[8], f[9], f[10], (char *)NULL);
        _exit(127);
    }
    free(worker);
    return pid;
}

// wait_exit gives the exit code of a process that ends in time, else -1.
static inline int wait_exit(pid_t pid, int seconds)
{
    int status;

    for (int i = 0; i < seconds * 50; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
        fake_sleep(20);
    }
    return -1;
}

static inline ProtobufCMessage *call(const lab *l, ak_rpc_id rpc, const void *request)
{
    ProtobufCMessage *reply = NULL;

    return ak_channel_call(l->channel, rpc, request, 30000, &reply) < 0 ? NULL : reply;
}

static inline void start(lab *l)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    char *socket = ak_path("%s/akssld.sock", l->folder);
    ProtobufCMessage *reply = NULL;

    unlink(socket); // of one that was killed
    l->pid = spawn(l);
    for (int i = 0; i < 1000 && access(socket, F_OK) < 0; i++)
        fake_sleep(10);
    ck_assert_int_eq(ak_channel_open(&l->channel, socket, NULL), 0);
    for (int i = 0; i < 300 && !reply; i++) {
        fake_sleep(50);
        reply = call(l, AK_RPC_health_check, &request.base);
    }
    ck_assert_ptr_nonnull(reply);
    protobuf_c_message_free_unpacked(reply, NULL);
    free(socket);
}

static inline void open_lab_with(lab *l, const char *const *flags)
{
    *l = (lab){ 0 };
    for (int i = 0; flags && flags[i]; i++)
        l->flags[i] = flags[i];
    l->folder = folder_make();
    l->output = ak_path("%s/../%s.out", l->folder, strrchr(l->folder, '/') + 1);
    start(l);
}

static inline void open_lab(lab *l)
{
    open_lab_with(l, NULL);
}

static inline void stop_by(lab *l, int signal)
{
    int code;

    ak_channel_close(l->channel);
    kill(l->pid, signal);
    code = wait_exit(l->pid, 45);
    if (code < 0)
        kill(l->pid, SIGKILL);
    ck_assert_int_eq(code, 0);
}

// stop ends the runs too; leave does not.
static inline void stop(lab *l)
{
    stop_by(l, SIGINT);
}

static inline void leave(lab *l)
{
    stop_by(l, SIGTERM);
}

static inline void murder(lab *l)
{
    ak_channel_close(l->channel);
    kill(l->pid, SIGKILL);
    ck_assert_int_eq(wait_exit(l->pid, 10), 256 + SIGKILL);
}

static inline void close_lab(lab *l)
{
    stop(l);
    ck_assert_int_eq(ak_process_signal(l->folder, 0), 0); // no rank, no mpirun
    unlink(l->output);
    free(l->output);
    folder_remove(l->folder);
}

// ---- jobs

static inline int64_t submit_with(const lab *l, const char *mode, int64_t max_restarts,
                                  int64_t ranks, int64_t priority)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;
    Akssl__V1__SubmitReply *reply;
    int64_t id;

    spec.name = (char *)mode;
    spec.has_ranks = spec.has_max_restarts = spec.has_priority = 1;
    spec.priority = priority;
    spec.ranks = ranks;
    spec.max_restarts = max_restarts;
    request.spec = &spec;
    reply = (Akssl__V1__SubmitReply *)call(l, AK_RPC_submit, &request.base);
    ck_assert_msg(reply != NULL, "%s", ak_error_text());
    ck_assert_str_eq(reply->spec->batch_norm, "sync"); // what the check resolved
    id = reply->id;
    akssl__v1__submit_reply__free_unpacked(reply, NULL);
    return id;
}

static inline int64_t submit(const lab *l, const char *mode, int64_t max_restarts, int64_t ranks)
{
    return submit_with(l, mode, max_restarts, ranks, 0);
}

static inline Akssl__V1__Job *show(const lab *l, int64_t id)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;

    request.has_id = 1;
    request.id = id;
    return (Akssl__V1__Job *)call(l, AK_RPC_show, &request.base);
}

// wait_for polls until the job is in state and has done `steps` steps.
static inline Akssl__V1__Job *wait_for(const lab *l, int64_t id, const char *state, int64_t steps)
{
    double start = ak_clock_seconds();

    for (;;) {
        Akssl__V1__Job *job = show(l, id);
        int64_t step = job && job->progress ? job->progress->step : 0;

        ck_assert_msg(job != NULL, "%s", ak_error_text());
        if (strcmp(job->state, state) == 0 && step >= steps)
            return job;
        ck_assert_msg(ak_clock_seconds() - start < 60,
                      "job %" PRId64 " stays %s at %" PRId64 ": %s", id, job->state, step,
                      job->reason);
        akssl__v1__job__free_unpacked(job, NULL);
        fake_sleep(50);
    }
}

static inline void expect(const lab *l, int64_t id, const char *state, const char *reason)
{
    Akssl__V1__Job *job = wait_for(l, id, state, 0);
    const char *told = job->reason ? job->reason : "(none)";

    ck_assert_msg(strstr(told, reason) != NULL, "job %" PRId64 ": %s", id, told);
    akssl__v1__job__free_unpacked(job, NULL);
}

static inline Akssl__V1__Job *ask(const lab *l, ak_rpc_id rpc, int64_t id)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;

    request.has_id = 1;
    request.id = id;
    return (Akssl__V1__Job *)call(l, rpc, &request.base);
}

static inline Akssl__V1__Job *cancel(const lab *l, int64_t id)
{
    return ask(l, AK_RPC_cancel, id);
}

// answered expects an answer in that state, with that reason.
static inline void answered(const lab *l, ak_rpc_id rpc, int64_t id, const char *state,
                            const char *reason)
{
    Akssl__V1__Job *job = ask(l, rpc, id);

    ck_assert_msg(job != NULL, "%s", ak_error_text());
    ck_assert_str_eq(job->state, state);
    ck_assert_str_eq(job->reason, reason);
    akssl__v1__job__free_unpacked(job, NULL);
}

static inline void refused(const lab *l, ak_rpc_id rpc, int64_t id, const char *sentence)
{
    ck_assert_ptr_null(ask(l, rpc, id));
    ck_assert_msg(strstr(ak_error_text(), sentence) != NULL, "%s", ak_error_text());
}

static inline Akssl__V1__StateReply *state_of(const lab *l, int64_t id)
{
    Akssl__V1__StateRequest request = AKSSL__V1__STATE_REQUEST__INIT;
    Akssl__V1__StateReply *reply;

    request.has_id = 1;
    request.id = id;
    reply = (Akssl__V1__StateReply *)call(l, AK_RPC_state, &request.base);
    ck_assert_msg(reply != NULL, "%s", ak_error_text());
    return reply;
}

static inline char *job_file(const lab *l, int64_t id, const char *name)
{
    return ak_path("%s/jobs/%" PRId64 "/%s", l->folder, id, name);
}

static inline bool has_file(const lab *l, int64_t id, const char *name)
{
    char *path = job_file(l, id, name);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

static inline bool log_says(const lab *l, const char *sentence)
{
    ak_str text = AK_STR_INIT;
    bool says = ak_files_read(l->output, 16 << 20, &text) == 0 && strstr(text.text, sentence);

    ak_str_fini(&text);
    return says;
}

static inline void wait_log(const lab *l, const char *sentence)
{
    for (int i = 0; i < 600 && !log_says(l, sentence); i++)
        fake_sleep(50);
    ck_assert_msg(log_says(l, sentence), "the log lacks '%s'", sentence);
}

static inline void same_tensors(const lab *l, int64_t a, int64_t b, size_t count)
{
    Akssl__V1__StateReply *one = state_of(l, a), *other = state_of(l, b);

    ck_assert(one->n_tensors == count && other->n_tensors == count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(one->tensors[i]->name, other->tensors[i]->name);
        ck_assert_str_eq(one->tensors[i]->digest, other->tensors[i]->digest);
        ck_assert(one->tensors[i]->version == other->tensors[i]->version);
    }
    akssl__v1__state_reply__free_unpacked(one, NULL);
    akssl__v1__state_reply__free_unpacked(other, NULL);
}

// lab_main runs the cases, or plays the worker when akssld starts this program as one.
static inline int lab_main(const ak_test_row *rows, int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "check") == 0 || strcmp(argv[1], "catalogue") == 0 ||
                     strcmp(argv[1], "run") == 0))
        return fake_main(argc, argv);
    return ak_test_run(TEST_NAME, rows, argc, argv);
}

#endif
