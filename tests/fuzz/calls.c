// tests/fuzz/calls.c -- every call of Lab and Run into the daemon's handlers, in any order, with
// what may happen around them: a check's answer, files, ends of processes, time, a restart.
//
// An input is a list of records: what (one byte), a body's length (two bytes), the body.  In a
// message, run "R" stands for the current run's id, ranks -1 for its number, digest "D" for that of
// the file.

#include <inttypes.h>
#include <sys/stat.h>

#include "daemon/files.h"
#include "daemon/launch.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"
#include "proto/format/manifest.h"
#include "tests/fuzz/lab.h"

enum { RECORDS = 64, STRANGER = 0x80, CALLS = 32 };

// What a record may be; from CALLS on, a call, with the run's secret unless it is a STRANGER's.
enum {
    RECEIVE, // the body is the next message of the Join stream
    CLOSE,   // the caller of Join closes its side
    HANG_UP,
    FULL, // callers do not read, until DRAIN
    DRAIN,
    TOOL,
    EXIT,
    LOG,
    WRITE, // body: step, number of a name, content
    TIME,
    SUBMIT,  // body: YAML, which the check lets through
    RESTART, // its runs go on and are adopted
    ALONE,   // body: step; the run commits without a daemon (proto/format/manifest.h)
    KINDS
};

// The calls by the numbers that they have in the corpus; later ones follow by themselves.
static const ak_rpc_id numbered[] = {
    AK_RPC_submit,       AK_RPC_list,         AK_RPC_show,   AK_RPC_cancel, AK_RPC_pause,
    AK_RPC_resume,       AK_RPC_resize,       AK_RPC_watch,  AK_RPC_logs,   AK_RPC_state,
    AK_RPC_join,         AK_RPC_report,       AK_RPC_commit, AK_RPC_finish, AK_RPC_catalogue,
    AK_RPC_health_check, AK_RPC_health_watch,
};

enum { NUMBERED = sizeof numbered / sizeof *numbered };

static ak_rpc_id call_of(unsigned number)
{
    int later = 0;

    number %= AK_RPC_COUNT;
    if (number < NUMBERED)
        return numbered[number];
    for (int rpc = 0; rpc < AK_RPC_COUNT; rpc++) {
        bool known = false;

        for (int i = 0; i < NUMBERED; i++)
            known |= numbered[i] == (ak_rpc_id)rpc;
        if (!known && later++ == (int)number - NUMBERED)
            return (ak_rpc_id)rpc;
    }
    abort();
}

static void put_text(char **field, const char *value)
{
    free(*field);
    *field = ak_strdup(value);
}

static void put_run(lab *l, int64_t job, char **run)
{
    ak_run *found = lab_run(l, job);

    if (found && *run && strcmp(*run, "R") == 0)
        put_text(run, found->id);
}

static void put_digests(lab *l, Akssl__V1__CommitRequest *m)
{
    ak_run *run = lab_run(l, m->job);

    for (size_t i = 0; run && i < m->n_files; i++) {
        Akssl__V1__CommitFile *file = m->files[i];
        char digest[AK_DIGEST_TEXT] = "";
        char *path;

        if (!file->digest || strcmp(file->digest, "D") != 0 || !file->name ||
            file->name[0] == '.' || strchr(file->name, '/'))
            continue;
        path = ak_path("%s/commits/step-%" PRId64 "/%s", run->folder, m->step, file->name);
        if (ak_digest_file(path, &file->size, digest) == AKSSL_OK) {
            file->has_size = 1;
            put_text(&file->digest, digest);
        }
        free(path);
    }
}

static void complete(lab *l, ak_rpc_id rpc, ProtobufCMessage *message)
{
    Akssl__V1__ReportRequest *report = (Akssl__V1__ReportRequest *)message;
    Akssl__V1__FinishRequest *finish = (Akssl__V1__FinishRequest *)message;
    Akssl__V1__CommitRequest *commit = (Akssl__V1__CommitRequest *)message;

    if (rpc == AK_RPC_report)
        put_run(l, report->job, &report->run);
    if (rpc == AK_RPC_finish)
        put_run(l, finish->job, &finish->run);
    if (rpc == AK_RPC_commit) {
        put_run(l, commit->job, &commit->run);
        put_digests(l, commit);
    }
}

static void make_call(lab *l, ak_rpc_id rpc, fuzz_bytes body, bool stranger)
{
    const ak_rpc *row = ak_rpc_find(rpc);
    ProtobufCMessage *message = NULL;
    ak_run *run = lab_run(l, body.left ? body.at[0] : 0);

    if (row->kind != AK_RPC_BIDI) {
        message = protobuf_c_message_unpack(row->request, NULL, body.left, body.at);
        if (!message)
            return; // the server answers that by itself
        complete(l, rpc, message);
        if (rpc == AK_RPC_report || rpc == AK_RPC_commit || rpc == AK_RPC_finish)
            run = lab_run(l, ((Akssl__V1__ReportRequest *)message)->job); // job is first in all
    }
    lab_call(l, rpc, message, run && !stranger ? run->secret : "");
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}

static void receive(lab *l, fuzz_bytes body)
{
    ak_call *call = lab_find(l, AK_RPC_join);
    ProtobufCMessage *message;
    Akssl__V1__WorkerMessage *m;

    if (!call)
        return;
    message =
        protobuf_c_message_unpack(ak_rpc_find(AK_RPC_join)->request, NULL, body.left, body.at);
    if (!message) {
        lab_hang_up(l, call); // as the server does
        return;
    }
    m = (Akssl__V1__WorkerMessage *)message;
    if (m->body_case == AKSSL__V1__WORKER_MESSAGE__BODY_HELLO) {
        ak_run *run = lab_run(l, m->hello->job);

        put_run(l, m->hello->job, &m->hello->run);
        if (run && m->hello->ranks == -1)
            m->hello->ranks = run->job->ranks;
    }
    lab_receive(l, call, message);
    protobuf_c_message_free_unpacked(message, NULL);
}

static void write_log(lab *l, fuzz_bytes body)
{
    ak_run *run = lab_run(l, 0);
    char *path = ak_path("%s/log", run ? run->folder : "/nonexistent");
    FILE *file = run ? fopen(path, "ab") : NULL;

    if (file) {
        fwrite(body.at, 1, body.left, file);
        fclose(file);
    }
    free(path);
}

static void write_file(lab *l, fuzz_bytes body)
{
    static const char *const names[] = { "model.safetensors", "optimizer.safetensors",
                                         "state.safetensors", "other" };
    static const char *const kinds[] = { "commit", "state", "exit", "secret" };
    ak_run *run = lab_run(l, 0);
    uint64_t step = fuzz_number(&body, 1), name = fuzz_number(&body, 1) % 8;
    char *folder, *path;

    if (!run)
        return;
    folder = name < 4 ? ak_path("%s/commits/step-%" PRIu64, run->folder, step)
                      : ak_path("%s/run", run->folder);
    path = name < 4 ? ak_path("%s/%s", folder, names[name]) : ak_launch_file(run, kinds[name - 4]);
    if (ak_files_make(folder) == AKSSL_OK)
        fuzz_write(path, body.at, body.left);
    free(path);
    free(folder);
}

static void take_size(ak_manifest_file *file, const char *path)
{
    if (ak_digest_file(path, &file->size, file->digest) < 0)
        snprintf(file->digest, sizeof file->digest, "%032d", 0);
}

// commit_alone does what a worker does that is without a daemon for too long.
static void commit_alone(lab *l, fuzz_bytes body)
{
    ak_run *run = lab_run(l, 0);
    ak_manifest m = { .step = (int64_t)fuzz_number(&body, 1), .count = 1 };
    char *model, *state, *path;
    uint64_t size;

    if (!run)
        return;
    m.job = run->job->id;
    snprintf(m.run, sizeof m.run, "%s", run->id);
    snprintf(m.files[0].name, sizeof m.files[0].name, "model.safetensors");
    model = ak_path("%s/commits/step-%" PRId64 "/model.safetensors", run->folder, m.step);
    state = ak_launch_file(run, "state");
    path = ak_launch_file(run, "commit");
    if (run->state) {
        ak_state *frozen = ak_state_freeze(run->state);

        (void)!ak_state_write(frozen, m.step, state, &size, m.state.digest);
        ak_state_free(frozen);
    }
    take_size(&m.files[0], model);
    take_size(&m.state, state);
    (void)!ak_manifest_write(&m, path);
    free(model);
    free(state);
    free(path);
}

static void submit(lab *l, fuzz_bytes body)
{
    char *text = fuzz_text(body);
    ak_spec spec;

    ak_spec_init(&spec);
    if (ak_spec_read_yaml(&spec, text, body.left, "spec") == AKSSL_OK)
        lab_submit(l, &spec);
    ak_spec_fini(&spec);
    free(text);
}

static void one(lab *l, uint8_t what, fuzz_bytes body)
{
    unsigned kind = what & ~(unsigned)STRANGER;
    ak_call *call;

    if (kind >= CALLS) {
        make_call(l, call_of(kind - CALLS), body, what & STRANGER);
        return;
    }
    switch (kind % KINDS) {
    case RECEIVE:
        receive(l, body);
        break;
    case CLOSE:
        call = lab_find(l, AK_RPC_join);
        if (call)
            lab_receive(l, call, NULL);
        break;
    case HANG_UP:
        if (l->calls)
            lab_hang_up(l, l->calls);
        break;
    case FULL:
        l->full = true;
        break;
    case DRAIN:
        lab_drain(l);
        break;
    case TOOL:
        lab_tool_answers(l, body);
        break;
    case EXIT:
        what = (uint8_t)fuzz_number(&body, 1);
        lab_process_ends(l, what & 0x7f, what & 0x80 ? 9 : 0);
        break;
    case LOG:
        write_log(l, body);
        break;
    case WRITE:
        write_file(l, body);
        break;
    case TIME:
        lab_time_passes(l);
        break;
    case SUBMIT:
        submit(l, body);
        break;
    case RESTART:
        lab_leave(l);
        FUZZ_CHECK(lab_start(l)); // what it has stored itself it can read
        break;
    case ALONE:
        commit_alone(l, body);
        break;
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size };
    ak_spec spec;
    lab l;

    lab_clear();
    lab_new_database();
    FUZZ_CHECK(lab_start(&l));
    ak_spec_init(&spec);
    FUZZ_CHECK(ak_spec_set(&spec, "dataset", "fashion-mnist") == AKSSL_OK);
    lab_submit(&l, &spec);
    ak_spec_fini(&spec);
    lab_settle(&l);
    for (int i = 0; input.left && i < RECORDS; i++) {
        uint8_t what = (uint8_t)fuzz_number(&input, 1);

        one(&l, what, fuzz_part(&input));
        lab_settle(&l);
    }
    lab_stop(&l);
    return 0;
}
