// tests/unit/daemon/daemon.c -- the real akssld under mpirun, with a worker of our own (fake.h).

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
} lab;

// ---- the daemon as a process

static pid_t spawn(const lab *l)
{
    char *worker = realpath("/proc/self/exe", NULL);
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open(l->output, O_WRONLY | O_CREAT | O_APPEND, 0600);

        prctl(PR_SET_PDEATHSIG, SIGTERM); // a case that fails leaves no daemon
        dup2(fd, 1);
        dup2(fd, 2);
        execl(TEST_BIN_DIR "/akssld", "akssld", "--state-dir", l->folder, "--worker", worker,
              "--slots", "2", "--log-level", "debug", (char *)NULL);
        _exit(127);
    }
    free(worker);
    return pid;
}

// wait_exit gives the exit code of a process that ends in time, else -1.
static int wait_exit(pid_t pid, int seconds)
{
    int status;

    for (int i = 0; i < seconds * 50; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
        fake_sleep(20);
    }
    return -1;
}

static ProtobufCMessage *call(const lab *l, ak_rpc_id rpc, const void *request)
{
    ProtobufCMessage *reply = NULL;

    return ak_channel_call(l->channel, rpc, request, 30000, &reply) < 0 ? NULL : reply;
}

static void start(lab *l)
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

static void open_lab(lab *l)
{
    l->folder = folder_make();
    l->output = ak_path("%s/../%s.out", l->folder, strrchr(l->folder, '/') + 1);
    start(l);
}

static void stop(lab *l)
{
    int code;

    ak_channel_close(l->channel);
    kill(l->pid, SIGTERM);
    code = wait_exit(l->pid, 45);
    if (code < 0)
        kill(l->pid, SIGKILL);
    ck_assert_int_eq(code, 0);
}

static void murder(lab *l)
{
    ak_channel_close(l->channel);
    kill(l->pid, SIGKILL);
    ck_assert_int_eq(wait_exit(l->pid, 10), 256 + SIGKILL);
}

static void close_lab(lab *l)
{
    stop(l);
    ck_assert_int_eq(ak_process_signal(l->folder, 0), 0); // no rank, no mpirun
    unlink(l->output);
    free(l->output);
    folder_remove(l->folder);
}

// ---- jobs

static int64_t submit(const lab *l, const char *mode, int64_t max_restarts, int64_t ranks)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;
    Akssl__V1__SubmitReply *reply;
    int64_t id;

    spec.name = (char *)mode;
    spec.has_ranks = spec.has_max_restarts = 1;
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

static Akssl__V1__Job *show(const lab *l, int64_t id)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;

    request.has_id = 1;
    request.id = id;
    return (Akssl__V1__Job *)call(l, AK_RPC_show, &request.base);
}

// wait_for polls until the job is in state and has done `steps` steps.
static Akssl__V1__Job *wait_for(const lab *l, int64_t id, const char *state, int64_t steps)
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

static void expect(const lab *l, int64_t id, const char *state, const char *reason)
{
    Akssl__V1__Job *job = wait_for(l, id, state, 0);

    ck_assert_ptr_nonnull(job->reason);
    ck_assert_msg(strstr(job->reason, reason) != NULL, "job %" PRId64 ": %s", id,
                  job->reason ? job->reason : "");
    akssl__v1__job__free_unpacked(job, NULL);
}

static Akssl__V1__Job *ask(const lab *l, ak_rpc_id rpc, int64_t id)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;

    request.has_id = 1;
    request.id = id;
    return (Akssl__V1__Job *)call(l, rpc, &request.base);
}

static Akssl__V1__Job *cancel(const lab *l, int64_t id)
{
    return ask(l, AK_RPC_cancel, id);
}

// answered expects an answer in that state, with that reason.
static void answered(const lab *l, ak_rpc_id rpc, int64_t id, const char *state, const char *reason)
{
    Akssl__V1__Job *job = ask(l, rpc, id);

    ck_assert_msg(job != NULL, "%s", ak_error_text());
    ck_assert_str_eq(job->state, state);
    ck_assert_str_eq(job->reason, reason);
    akssl__v1__job__free_unpacked(job, NULL);
}

static void refused(const lab *l, ak_rpc_id rpc, int64_t id, const char *sentence)
{
    ck_assert_ptr_null(ask(l, rpc, id));
    ck_assert_msg(strstr(ak_error_text(), sentence) != NULL, "%s", ak_error_text());
}

static Akssl__V1__StateReply *state_of(const lab *l, int64_t id)
{
    Akssl__V1__StateRequest request = AKSSL__V1__STATE_REQUEST__INIT;
    Akssl__V1__StateReply *reply;

    request.has_id = 1;
    request.id = id;
    reply = (Akssl__V1__StateReply *)call(l, AK_RPC_state, &request.base);
    ck_assert_msg(reply != NULL, "%s", ak_error_text());
    return reply;
}

static char *job_file(const lab *l, int64_t id, const char *name)
{
    return ak_path("%s/jobs/%" PRId64 "/%s", l->folder, id, name);
}

static bool has_file(const lab *l, int64_t id, const char *name)
{
    char *path = job_file(l, id, name);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

// ---- cases

static void expect_refused(const lab *l, Akssl__V1__JobSpec *spec, const char *sentence)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;

    request.spec = spec;
    ck_assert_ptr_null(call(l, AK_RPC_submit, &request.base));
    ck_assert_msg(strstr(ak_error_text(), sentence) != NULL, "%s", ak_error_text());
}

START_TEST(a_job_from_end_to_end)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;
    Akssl__V1__StateReply *state;
    Akssl__V1__TensorInfo *queue;
    ak_str text = AK_STR_INIT;
    char *path;

    open_lab(&l);
    id = submit(&l, "plain", 0, 2);
    job = wait_for(&l, id, "SUCCEEDED", FAKE_STEPS);
    ck_assert(job->ranks == 2 && job->restarts == 0 && job->committed_step == 9);
    ck_assert(job->started_ms >= job->submitted_ms && job->ended_ms >= job->started_ms);
    ck_assert(job->n_results == 1 && job->results[0]->value == 12.5);
    ck_assert_str_eq(job->spec->name, "plain");
    akssl__v1__job__free_unpacked(job, NULL);
    state = state_of(&l, id);
    ck_assert_int_eq((int)state->n_tensors, 1);
    queue = state->tensors[0];
    ck_assert_str_eq(queue->name, "moco.queue");
    ck_assert(queue->version == 9 && queue->filled == FAKE_ROWS &&
              queue->position == 9 * FAKE_PUSH % FAKE_ROWS && queue->n_insight == 5);
    ck_assert_str_eq(queue->insight[4]->name, "effective_rank");
    ck_assert(queue->insight[4]->value >= 1 && queue->insight[4]->value <= FAKE_WIDTH);
    akssl__v1__state_reply__free_unpacked(state, NULL);
    ck_assert(has_file(&l, id, "commits/step-9/state.safetensors") &&
              has_file(&l, id, "commits/step-6/model.safetensors") &&
              has_file(&l, id, "spec.yaml"));
    ck_assert(!has_file(&l, id, "commits/step-3") && !has_file(&l, id, "secret"));
    path = job_file(&l, id, "result.json");
    ck_assert_int_eq(ak_files_read(path, 65536, &text), 0);
    ck_assert_ptr_nonnull(strstr(text.text, "\"state\": \"SUCCEEDED\""));
    ck_assert_ptr_nonnull(strstr(text.text, "\"after.knn.top1\": 12.5"));
    ak_str_fini(&text);
    free(path);
    close_lab(&l);
}
END_TEST

START_TEST(a_crash_costs_no_bit)
{
    lab l;
    int64_t plain, crash;
    Akssl__V1__Job *job;
    Akssl__V1__StateReply *a, *b;

    open_lab(&l);
    plain = submit(&l, "plain", 3, 1);
    crash = submit(&l, "crash", 3, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, plain, "SUCCEEDED", 0), NULL);
    job = wait_for(&l, crash, "SUCCEEDED", FAKE_STEPS);
    ck_assert_int_eq(job->restarts, 1);
    akssl__v1__job__free_unpacked(job, NULL);
    a = state_of(&l, plain);
    b = state_of(&l, crash);
    ck_assert_str_eq(a->tensors[0]->digest, b->tensors[0]->digest);
    akssl__v1__state_reply__free_unpacked(a, NULL);
    akssl__v1__state_reply__free_unpacked(b, NULL);
    close_lab(&l);
}
END_TEST

static void same_tensors(const lab *l, int64_t a, int64_t b, size_t count)
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

START_TEST(a_whole_is_replaced)
{
    lab l;
    int64_t plain, crash;
    Akssl__V1__Job *job;
    Akssl__V1__StateReply *state;

    open_lab(&l);
    plain = submit(&l, "whole", 3, 1);
    crash = submit(&l, "whole_crash", 3, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, plain, "SUCCEEDED", 0), NULL);
    state = state_of(&l, plain);
    ck_assert_int_eq((int)state->n_tensors, 2);
    ck_assert(state->tensors[1]->version == 9 && state->tensors[1]->filled == 1);
    ck_assert_double_eq(state->tensors[1]->insight[4]->value, 0); // one row has no spread
    akssl__v1__state_reply__free_unpacked(state, NULL);
    job = wait_for(&l, crash, "SUCCEEDED", FAKE_STEPS);
    ck_assert_int_eq(job->restarts, 1);
    akssl__v1__job__free_unpacked(job, NULL);
    same_tensors(&l, plain, crash, 2);
    close_lab(&l);
}
END_TEST

START_TEST(paused_by_request)
{
    lab l;
    int64_t running, waiting;
    Akssl__V1__Job *job;

    open_lab(&l);
    running = submit(&l, "slow", 0, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, running, "RUNNING", 4), NULL);
    waiting = submit(&l, "plain", 0, 2);
    answered(&l, AK_RPC_pause, waiting, "PAUSED", "paused by request");
    answered(&l, AK_RPC_pause, waiting, "PAUSED", "paused by request");
    refused(&l, AK_RPC_resume, running, "is RUNNING: only a PAUSED job is resumed");
    answered(&l, AK_RPC_pause, running, "RUNNING", "is being paused");
    refused(&l, AK_RPC_resume, running, "is being paused: resume it once it is PAUSED");
    expect(&l, running, "PAUSED", "paused by request");
    job = show(&l, running); // it committed where it stopped
    ck_assert(job->committed_step >= 4 && job->committed_step == job->progress->step);
    ck_assert(job->restarts == 0 && job->ended_ms == 0 && !has_file(&l, running, "result.json"));
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert_int_eq(ak_process_signal(l.folder, 0), 1); // the daemon alone
    stop(&l);
    start(&l);
    expect(&l, running, "PAUSED", "paused by request");
    murder(&l);
    start(&l);
    expect(&l, waiting, "PAUSED", "paused by request");
    answered(&l, AK_RPC_resume, running, "QUEUED", "");
    akssl__v1__job__free_unpacked(wait_for(&l, running, "RUNNING", 8), NULL);
    answered(&l, AK_RPC_resume, waiting, "QUEUED", "");
    answered(&l, AK_RPC_pause, waiting, "PAUSED", "paused by request");
    answered(&l, AK_RPC_cancel, waiting, "CANCELLED", "cancelled while it was paused");
    refused(&l, AK_RPC_pause, waiting, "has ended already: it is CANCELLED");
    refused(&l, AK_RPC_resume, waiting, "has ended already: it is CANCELLED");
    refused(&l, AK_RPC_pause, 99, "job 99: there is none");
    akssl__v1__job__free_unpacked(cancel(&l, running), NULL);
    close_lab(&l);
}
END_TEST

START_TEST(a_pause_survives_what_comes_between)
{
    lab l;
    int64_t deaf, crash, early;

    open_lab(&l);
    crash = submit(&l, "deaf", 0, 1); // takes a Stop for what it is, and SIGTERM for nothing
    akssl__v1__job__free_unpacked(wait_for(&l, crash, "RUNNING", 1), NULL);
    answered(&l, AK_RPC_pause, crash, "RUNNING", "is being paused");
    murder(&l);
    start(&l);
    expect(&l, crash, "PAUSED", "paused by request"); // asked for, and not forgotten
    deaf = submit(&l, "deaf", 3, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, deaf, "RUNNING", 2), NULL);
    answered(&l, AK_RPC_pause, deaf, "RUNNING", "is being paused");
    akssl__v1__job__free_unpacked(cancel(&l, deaf), NULL); // a cancel is more
    expect(&l, deaf, "CANCELLED", "cancelled");
    refused(&l, AK_RPC_pause, deaf, "has ended already");
    answered(&l, AK_RPC_cancel, crash, "CANCELLED", "cancelled while it was paused");
    early = submit(&l, "slow", 0, 1); // is being started, most likely
    akssl__v1__job__free_unpacked(ask(&l, AK_RPC_pause, early), NULL);
    expect(&l, early, "PAUSED", "paused by request");
    answered(&l, AK_RPC_resume, early, "QUEUED", "");
    akssl__v1__job__free_unpacked(wait_for(&l, early, "RUNNING", 2), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, early), NULL);
    close_lab(&l);
}
END_TEST

START_TEST(paused_by_itself)
{
    lab l;
    int64_t id, plain;
    Akssl__V1__Job *job;
    ak_str text = AK_STR_INIT;
    char *path, *line;

    open_lab(&l);
    plain = submit(&l, "plain", 0, 1);
    id = submit(&l, "collapse", 0, 1);
    expect(&l, id, "PAUSED", "collapse: std 0.001 is under 0.02");
    job = show(&l, id);
    ck_assert(job->committed_step == FAKE_CRASH_AT && job->restarts == 0);
    ck_assert_uint_eq(job->progress->n_warnings, 1);
    ck_assert_str_eq(job->progress->warnings[0], "collapse: std 0.001 is under 0.02");
    akssl__v1__job__free_unpacked(job, NULL);
    path = job_file(&l, id, "log");
    ck_assert_int_eq(ak_files_read(path, 1 << 20, &text), 0);
    line = strstr(text.text, "warn akssld: collapse: std 0.001 is under 0.02\n");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_null(strstr(line + 1, "warn akssld")); // four reports, one line
    stop(&l);
    start(&l);
    expect(&l, id, "PAUSED", "collapse: std 0.001 is under 0.02");
    answered(&l, AK_RPC_resume, id, "QUEUED", "");
    akssl__v1__job__free_unpacked(wait_for(&l, id, "SUCCEEDED", FAKE_STEPS), NULL);
    akssl__v1__job__free_unpacked(wait_for(&l, plain, "SUCCEEDED", FAKE_STEPS), NULL);
    same_tensors(&l, plain, id, 1);
    ak_str_fini(&text);
    free(path);
    close_lab(&l);
}
END_TEST

// export_by gives a job the file that a worker leaves.
static void export_by(const lab *l, int64_t id)
{
    char *folder = job_file(l, id, "export"),
         *path = job_file(l, id, "export/backbone.safetensors");

    ck_assert_int_eq(ak_files_make(folder), 0);
    ck_assert_int_eq(ak_files_write(path, "weights", 7), 0);
    free(path);
    free(folder);
}

static Akssl__V1__SubmitReply *check_spec(const lab *l, Akssl__V1__JobSpec *spec)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__SubmitReply *reply;

    request.spec = spec;
    request.has_dry_run = request.dry_run = 1;
    reply = (Akssl__V1__SubmitReply *)call(l, AK_RPC_submit, &request.base);
    ck_assert_msg(reply != NULL, "%s", ak_error_text());
    return reply;
}

START_TEST(every_kind_starts_from_a_job)
{
    static const char *const kinds[] = { "linear", "finetune", "knn", "probe", "embed" };
    lab l;
    Akssl__V1__Pair pair = AKSSL__V1__PAIR__INIT, *pairs[] = { &pair };
    Akssl__V1__JobSpec source = AKSSL__V1__JOB_SPEC__INIT;
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__SubmitReply *reply;
    char *weights;
    int64_t id;

    open_lab(&l);
    source.method = (char *)"dino";
    source.backbone = (char *)"vit_tiny:patch_size=8";
    source.dataset = (char *)"idx:/data";
    source.has_image_size = 1;
    source.image_size = 64;
    pair.key = (char *)"recipe";
    pair.value = (char *)"dino";
    source.augment = pairs;
    source.n_augment = 1;
    request.spec = &source;
    reply = (Akssl__V1__SubmitReply *)call(&l, AK_RPC_submit, &request.base);
    ck_assert_ptr_nonnull(reply);
    id = reply->id;
    akssl__v1__submit_reply__free_unpacked(reply, NULL);
    weights = job_file(&l, id, "export/backbone.safetensors");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;

        spec.kind = (char *)kinds[i];
        spec.has_from_job = 1;
        spec.from_job = id;
        if (i == 0)
            expect_refused(&l, &spec, "has exported no backbone");
        export_by(&l, id);
        reply = check_spec(&l, &spec);
        ck_assert_str_eq(reply->spec->kind, kinds[i]);
        ck_assert_str_eq(reply->spec->weights, weights);
        ck_assert_str_eq(reply->spec->method, "dino");
        ck_assert_str_eq(reply->spec->backbone, "vit_tiny:patch_size=8");
        ck_assert_str_eq(reply->spec->dataset, "idx:/data");
        ck_assert(reply->spec->image_size == 64 && reply->spec->n_augment == 1);
        akssl__v1__submit_reply__free_unpacked(reply, NULL);
        spec.backbone = (char *)"resnet18"; // what is said counts, be it the default
        spec.dataset = (char *)"fashion-mnist";
        spec.has_image_size = 1;
        spec.image_size = 32;
        reply = check_spec(&l, &spec);
        ck_assert_str_eq(reply->spec->backbone, "resnet18");
        ck_assert_str_eq(reply->spec->dataset, "fashion-mnist");
        ck_assert(reply->spec->image_size == 32);
        akssl__v1__submit_reply__free_unpacked(reply, NULL);
    }
    free(weights);
    close_lab(&l);
}
END_TEST

START_TEST(ways_to_fail)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "crash_always", 1, 1);
    expect(&l, id, "FAILED", "restarted 1 times without a new commit");
    job = show(&l, id);
    ck_assert(job->restarts == 1 && job->committed_step == 6);
    akssl__v1__job__free_unpacked(job, NULL);
    id = submit(&l, "fail", 3, 2);
    expect(&l, id, "FAILED", "the data set is damaged: get it again");
    job = show(&l, id);
    ck_assert_int_eq(job->restarts, 0);
    akssl__v1__job__free_unpacked(job, NULL);
    expect(&l, submit(&l, "gap", 3, 1), "FAILED", "version 4 does not follow version 2");
    expect(&l, submit(&l, "quit", 0, 1), "FAILED", "exit code 7");
    ck_assert(has_file(&l, id, "result.json"));
    close_lab(&l);
}
END_TEST

START_TEST(cancelled_in_every_state)
{
    lab l;
    int64_t deaf, waiting;
    Akssl__V1__Job *job;

    open_lab(&l);
    deaf = submit(&l, "deaf", 3, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, deaf, "RUNNING", 2), NULL);
    waiting = submit(&l, "plain", 3, 1);
    job = cancel(&l, waiting);
    ck_assert_ptr_nonnull(job);
    ck_assert_str_eq(job->state, "CANCELLED");
    akssl__v1__job__free_unpacked(job, NULL);
    for (int i = 0; i < 2; i++) { // once more changes nothing
        job = cancel(&l, deaf);
        ck_assert_ptr_nonnull(job);
        ck_assert_str_eq(job->reason, "is being cancelled");
        akssl__v1__job__free_unpacked(job, NULL);
    }
    expect(&l, deaf, "CANCELLED", "cancelled");
    ck_assert_ptr_null(cancel(&l, deaf));
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "has ended already: it is CANCELLED"));
    ck_assert_ptr_null(cancel(&l, 99));
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "job 99: there is none"));
    ck_assert(has_file(&l, waiting, "result.json"));
    close_lab(&l);
}
END_TEST

START_TEST(a_stopped_daemon_goes_on)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "slow", 0, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 4), NULL);
    stop(&l);
    ck_assert_int_eq(ak_process_signal(l.folder, 0), 0);
    start(&l);
    job = wait_for(&l, id, "RUNNING", 8); // fake_welcome has judged the state
    ck_assert(job->restarts == 0 && job->committed_step >= 4);
    akssl__v1__job__free_unpacked(job, NULL);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    expect(&l, id, "CANCELLED", "");
    close_lab(&l);
}
END_TEST

START_TEST(a_killed_daemon_goes_on)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;

    open_lab(&l);
    id = submit(&l, "slow", 0, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 7), NULL);
    murder(&l);
    start(&l);
    job = wait_for(&l, id, "RUNNING", 12);
    ck_assert(job->restarts == 0 && job->committed_step >= 9);
    akssl__v1__job__free_unpacked(job, NULL);
    murder(&l); // and nobody starts it again: its processes go by themselves
    for (int i = 0; i < 200 && ak_process_signal(l.folder, 0); i++)
        fake_sleep(50);
    ck_assert_int_eq(ak_process_signal(l.folder, 0), 0);
    start(&l);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    expect(&l, id, "CANCELLED", "");
    close_lab(&l);
}
END_TEST

START_TEST(a_damaged_commit_is_refused)
{
    lab l;
    int64_t id;
    Akssl__V1__Job *job;
    ak_str bytes = AK_STR_INIT;
    char *name, *path;

    open_lab(&l);
    id = submit(&l, "slow", 3, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 4), NULL);
    stop(&l);
    // The newest commit is the highest step- folder.
    path = NULL;
    for (int step = 2000; step > 0 && !path; step--) {
        name = ak_path("commits/step-%d/state.safetensors", step);
        if (has_file(&l, id, name))
            path = job_file(&l, id, name);
        free(name);
    }
    ck_assert_ptr_nonnull(path);
    ck_assert_int_eq(ak_files_read(path, 1 << 20, &bytes), 0);
    bytes.text[bytes.length - 1] ^= 1;
    ck_assert_int_eq(ak_files_write(path, bytes.text, bytes.length), 0);
    start(&l);
    expect(&l, id, "FAILED", "resume refused");
    job = show(&l, id);
    ck_assert_ptr_nonnull(strstr(job->reason, "state.safetensors' has digest"));
    akssl__v1__job__free_unpacked(job, NULL);
    ak_str_fini(&bytes);
    free(path);
    close_lab(&l);
}
END_TEST

START_TEST(bad_requests_leave_nothing)
{
    lab l;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;
    Akssl__V1__SubmitRequest dry = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__ListRequest list = AKSSL__V1__LIST_REQUEST__INIT;
    Akssl__V1__SubmitReply *checked;
    Akssl__V1__ListReply *jobs;
    char *bad_state[] = { (char *)"running" };

    open_lab(&l);
    expect_refused(&l, NULL, "no spec");
    spec.method = (char *)"nonesuch";
    expect_refused(&l, &spec, "method 'nonesuch': no such method");
    spec.method = NULL;
    spec.has_batch = 1;
    spec.batch = 1;
    expect_refused(&l, &spec, "batch 1 is out of range");
    spec.has_batch = 0;
    spec.has_from_job = 1;
    spec.from_job = 5;
    expect_refused(&l, &spec, "job 5: there is none");
    spec.has_from_job = 0;
    dry.spec = &spec;
    dry.has_dry_run = dry.dry_run = 1;
    checked = (Akssl__V1__SubmitReply *)call(&l, AK_RPC_submit, &dry.base);
    ck_assert_ptr_nonnull(checked);
    ck_assert(checked->id == 0);
    ck_assert_str_eq(checked->estimate, "11 steps");
    akssl__v1__submit_reply__free_unpacked(checked, NULL);
    jobs = (Akssl__V1__ListReply *)call(&l, AK_RPC_list, &list.base);
    ck_assert(jobs && jobs->n_jobs == 0);
    akssl__v1__list_reply__free_unpacked(jobs, NULL);
    list.n_states = 1;
    list.states = bad_state;
    ck_assert_ptr_null(call(&l, AK_RPC_list, &list.base));
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "state 'running'"));
    close_lab(&l);
}
END_TEST

START_TEST(strangers_are_kept_out)
{
    lab l;
    int64_t id;
    fake f = { .run = "00000000000000000000000000000000" };
    Akssl__V1__FinishRequest finish = AKSSL__V1__FINISH_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    pid_t second;

    open_lab(&l);
    id = submit(&l, "slow", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 1), NULL);
    finish.has_job = 1;
    finish.job = id;
    finish.run = (char *)f.run;
    finish.outcome = (char *)"succeeded";
    ck_assert_ptr_null(call(&l, AK_RPC_finish, &finish.base));
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "not its current run"));
    ck_assert_int_eq(ak_stream_open(&f.stream, l.channel, AK_RPC_join, NULL, 10000), 0);
    ck_assert_int_eq(ak_stream_receive(f.stream, 5000, &m), AKSSL_ERR_PERMISSION);
    ak_stream_free(f.stream);
    second = spawn(&l);
    ck_assert_int_eq(wait_exit(second, 20), 1);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", 5), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    close_lab(&l);
}
END_TEST

START_TEST(watched_and_read)
{
    lab l;
    int64_t id;
    Akssl__V1__WatchRequest watch = AKSSL__V1__WATCH_REQUEST__INIT;
    Akssl__V1__LogsRequest logs = AKSSL__V1__LOGS_REQUEST__INIT;
    ak_stream *events, *lines;
    ProtobufCMessage *m;
    ak_str text = AK_STR_INIT;
    char last[32] = "";
    int count = 0;

    open_lab(&l);
    id = submit(&l, "plain", 0, 1);
    watch.has_id = logs.has_id = logs.has_follow = 1;
    watch.id = logs.id = id;
    logs.follow = 1;
    ck_assert_int_eq(ak_stream_open(&events, l.channel, AK_RPC_watch, &watch.base, 60000), 0);
    ck_assert_int_eq(ak_stream_open(&lines, l.channel, AK_RPC_logs, &logs.base, 60000), 0);
    while (ak_stream_receive(events, 30000, &m) == 0 && m) {
        const Akssl__V1__Job *job = ((Akssl__V1__Event *)m)->job;

        ck_assert((job->spec != NULL) == (count++ == 0));
        snprintf(last, sizeof last, "%s", job->state);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    ck_assert_str_eq(last, "SUCCEEDED");
    ck_assert_int_ge(count, 3);
    while (ak_stream_receive(lines, 30000, &m) == 0 && m) {
        const Akssl__V1__Chunk *chunk = (Akssl__V1__Chunk *)m;

        ak_str_append_n(&text, chunk->data.data, chunk->data.len);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    ck_assert_ptr_nonnull(strstr(text.text, "fake rank 0 of 1: plain from step 0"));
    ak_stream_free(events);
    ak_stream_free(lines);
    ak_str_fini(&text);
    close_lab(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(a_job_from_end_to_end),
        AK_CASE(a_crash_costs_no_bit),
        AK_CASE(a_whole_is_replaced),
        AK_CASE(paused_by_request),
        AK_CASE(a_pause_survives_what_comes_between),
        AK_CASE(paused_by_itself),
        AK_CASE(every_kind_starts_from_a_job),
        AK_CASE(ways_to_fail),
        AK_CASE(cancelled_in_every_state),
        AK_CASE(a_stopped_daemon_goes_on),
        AK_CASE(a_killed_daemon_goes_on),
        AK_CASE(a_damaged_commit_is_refused),
        AK_CASE(bad_requests_leave_nothing),
        AK_CASE(strangers_are_kept_out),
        AK_CASE(watched_and_read),
        { NULL, NULL },
    };

    if (argc > 1 && (strcmp(argv[1], "check") == 0 || strcmp(argv[1], "catalogue") == 0 ||
                     strcmp(argv[1], "run") == 0))
        return fake_main(argc, argv);
    return ak_test_run(TEST_NAME, rows, argc, argv);
}
