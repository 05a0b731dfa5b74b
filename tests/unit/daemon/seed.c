// tests/unit/daemon/seed.c -- a job's state as another's start, and as a file, by the real akssld
// (lab.h).

#include "tests/unit/daemon/lab.h"

// submit_from submits a plain job; NULL when it is refused.
static Akssl__V1__SubmitReply *submit_from(const lab *l, int64_t source, const char *digest,
                                           bool dry_run)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;

    spec.name = (char *)"plain";
    spec.has_state_from = source != 0;
    spec.state_from = source;
    spec.state_digest = (char *)digest;
    spec.has_ranks = 1;
    spec.ranks = 1;
    request.spec = &spec;
    request.has_dry_run = 1;
    request.dry_run = dry_run;
    return (Akssl__V1__SubmitReply *)call(l, AK_RPC_submit, &request.base);
}

static void not_from(const lab *l, int64_t source, const char *digest, const char *sentence)
{
    ck_assert_ptr_null(submit_from(l, source, digest, false));
    ck_assert_msg(strstr(ak_error_text(), sentence) != NULL, "%s", ak_error_text());
}

static int64_t started_from(const lab *l, int64_t source, const char *digest)
{
    Akssl__V1__SubmitReply *reply = submit_from(l, source, digest, false);
    int64_t id;

    ck_assert_msg(reply != NULL, "%s", ak_error_text());
    id = reply->id;
    akssl__v1__submit_reply__free_unpacked(reply, NULL);
    return id;
}

static void digest_of(const lab *l, int64_t id, const char *name, char digest[AK_DIGEST_TEXT])
{
    char *path = job_file(l, id, name);

    ck_assert_msg(ak_digest_file(path, NULL, digest) == 0, "%s", ak_error_text());
    free(path);
}

// no_copies expects that nothing is left of what submissions copied.
static void no_copies(const lab *l)
{
    char *command = ak_path("ls %s/tmp | grep -q .", l->folder);

    for (int i = 0; i < 500 && system(command) == 0;
         i++) // the call's end is noticed after its answer
        fake_sleep(20);
    ck_assert_int_ne(system(command), 0);
    free(command);
}

START_TEST(pinned_at_submit)
{
    lab l;
    int64_t source, id;
    char first[AK_DIGEST_TEXT], copy[AK_DIGEST_TEXT];
    Akssl__V1__SubmitReply *reply;
    ak_str log = AK_STR_INIT;
    char *path;

    open_lab(&l);
    source = submit(&l, "plain", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, source, "SUCCEEDED", FAKE_STEPS), NULL);
    digest_of(&l, source, "commits/step-9/state.safetensors", first);
    reply = submit_from(&l, source, NULL, true);
    ck_assert_msg(reply != NULL, "%s", ak_error_text());
    ck_assert_str_eq(reply->spec->state_digest, first);
    akssl__v1__submit_reply__free_unpacked(reply, NULL);
    no_copies(&l);
    id = started_from(&l, source, first);
    path = job_file(&l, source, "commits");
    ck_assert_int_eq(ak_files_remove(path), 0); // the source matters no more
    free(path);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "SUCCEEDED", FAKE_STEPS), NULL);
    digest_of(&l, id, "state-from.safetensors", copy);
    ck_assert_str_eq(first, copy);
    path = job_file(&l, id, "log");
    ck_assert_int_eq(ak_files_read(path, 1 << 20, &log), 0);
    ck_assert_ptr_nonnull(strstr(log.text, "fake takes moco.queue of version 9"));
    free(path);
    path = job_file(&l, id, "spec.yaml");
    ak_str_clear(&log);
    ck_assert_int_eq(ak_files_read(path, 1 << 20, &log), 0);
    ck_assert_ptr_nonnull(strstr(log.text, first));
    free(path);
    ak_str_fini(&log);
    no_copies(&l);
    close_lab(&l);
}
END_TEST

START_TEST(what_is_refused)
{
    static const char wrong[] = "00000000000000000000000000000000";
    lab l;
    int64_t source, early;

    open_lab(&l);
    source = submit(&l, "plain", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, source, "SUCCEEDED", FAKE_STEPS), NULL);
    early = submit(&l, "fail", 0, 1);
    expect(&l, early, "FAILED", "the data set is damaged");
    not_from(&l, 99, NULL, "state_from: job 99: there is none");
    not_from(&l, early, NULL, "state_from: job 2 has no commit yet");
    not_from(&l, source, wrong, "state_digest: the newest commit of job 1, of step 9, has state ");
    not_from(&l, 0, wrong, "state_digest is of state_from's state, and there is none");
    no_copies(&l);
    close_lab(&l);
}
END_TEST

static void damage(const lab *l, int64_t id, const char *name)
{
    char *path = job_file(l, id, name);
    FILE *file = fopen(path, "r+b");

    ck_assert_ptr_nonnull(file);
    fseek(file, -3, SEEK_END);
    fputc('x', file);
    fclose(file);
    free(path);
}

START_TEST(damage_is_found)
{
    lab l;
    int64_t source, id, busy;
    char *path;

    open_lab(&l);
    source = submit(&l, "plain", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, source, "SUCCEEDED", FAKE_STEPS), NULL);
    busy = submit(&l, "slow", 0, 2); // the next one waits
    akssl__v1__job__free_unpacked(wait_for(&l, busy, "RUNNING", 1), NULL);
    id = started_from(&l, source, NULL);
    damage(&l, id, "state-from.safetensors");
    akssl__v1__job__free_unpacked(cancel(&l, busy), NULL);
    expect(&l, id, "PAUSED", "state_from: file '");
    expect(&l, id, "PAUSED", "state-from.safetensors' has digest ");
    path = job_file(&l, id, "state-from.safetensors");
    ck_assert_int_eq(unlink(path), 0); // its file system may not be there
    free(path);
    answered(&l, AK_RPC_resume, id, "QUEUED", "");
    expect(&l, id, "PAUSED", "state-from.safetensors");
    damage(&l, source, "commits/step-9/state.safetensors");
    not_from(&l, source, NULL, "state_from: the state of job 1 at step 9: file '");
    no_copies(&l);
    close_lab(&l);
}
END_TEST

// ---- SaveState

// saved gives the file that SaveState sends, and what its head says of it.
static char *saved(const lab *l, int64_t id, size_t *size, int64_t *step,
                   char digest[AK_DIGEST_TEXT])
{
    Akssl__V1__StateRequest request = AKSSL__V1__STATE_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    ak_stream *stream = NULL;
    ak_str bytes = AK_STR_INIT;

    request.has_id = 1;
    request.id = id;
    *size = 0;
    *step = -1;
    ck_assert_int_eq(ak_stream_open(&stream, l->channel, AK_RPC_save_state, &request.base, 0), 0);
    while (ak_stream_receive(stream, 20000, &message) == 0 && message) {
        const Akssl__V1__StatePiece *piece = (const Akssl__V1__StatePiece *)message;

        if (piece->has_size) {
            *size = piece->size;
            *step = piece->step;
            snprintf(digest, AK_DIGEST_TEXT, "%s", piece->digest);
        }
        if (piece->has_data)
            ak_str_append_n(&bytes, (const char *)piece->data.data, piece->data.len);
        protobuf_c_message_free_unpacked(message, NULL);
        message = NULL;
    }
    ak_stream_free(stream);
    ck_assert_uint_eq(bytes.length, *size);
    return bytes.text;
}

START_TEST(saved_as_a_file)
{
    lab l;
    int64_t id, slow, step;
    char committed[AK_DIGEST_TEXT], told[AK_DIGEST_TEXT], found[AK_DIGEST_TEXT];
    Akssl__V1__Job *job;
    size_t size;
    char *bytes;

    open_lab(&l);
    id = submit(&l, "plain", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, id, "SUCCEEDED", FAKE_STEPS), NULL);
    digest_of(&l, id, "commits/step-9/state.safetensors", committed);
    bytes = saved(&l, id, &size, &step, told);
    ck_assert(size > 0 && step == 9);
    ak_digest_memory(bytes, size, found);
    ck_assert_str_eq(told, committed);
    ck_assert_str_eq(found, committed);
    free(bytes);
    slow = submit(&l, "slow", 0, 1);
    job = wait_for(&l, slow, "RUNNING", 4);
    bytes = saved(&l, slow, &size, &step, told); // as it is now
    ck_assert(size > 0 && step >= job->progress->step);
    ak_digest_memory(bytes, size, found);
    ck_assert_str_eq(told, found);
    free(bytes);
    akssl__v1__job__free_unpacked(job, NULL);
    no_copies(&l);
    damage(&l, id, "commits/step-9/state.safetensors");
    free(saved(&l, id, &size, &step, told));
    ck_assert_uint_eq(size, 0);
    ck_assert_msg(strstr(ak_error_text(), "but ") && strstr(ak_error_text(), "was committed"), "%s",
                  ak_error_text());
    free(saved(&l, 99, &size, &step, told));
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "job 99: there is none"));
    akssl__v1__job__free_unpacked(cancel(&l, slow), NULL);
    expect(&l, slow, "CANCELLED", "cancelled");
    close_lab(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(pinned_at_submit), AK_CASE(what_is_refused), AK_CASE(damage_is_found),
        AK_CASE(saved_as_a_file),  { NULL, NULL },
    };

    return lab_main(rows, argc, argv);
}
