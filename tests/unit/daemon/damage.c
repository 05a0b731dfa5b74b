// tests/unit/daemon/damage.c -- commits that are damaged: found, fallen back from, never lost
// (lab.h).

#include "tests/unit/daemon/lab.h"

static Akssl__V1__VerifyReply *verify(const lab *l, int64_t id)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;
    Akssl__V1__VerifyReply *reply;

    request.has_id = 1;
    request.id = id;
    reply = (Akssl__V1__VerifyReply *)call(l, AK_RPC_verify, &request.base);
    ck_assert_msg(reply != NULL, "%s", ak_error_text());
    return reply;
}

static char *file_of(const lab *l, int64_t id, int64_t step, const char *name)
{
    char *file = ak_path("commits/step-%" PRId64 "/%s", step, name);
    char *path = job_file(l, id, file);

    free(file);
    return path;
}

// flip changes the last bit of a file; twice is as before.
static void flip(const lab *l, int64_t id, int64_t step, const char *name)
{
    char *path = file_of(l, id, step, name);
    ak_str bytes = AK_STR_INIT;

    ck_assert_msg(ak_files_read(path, 1 << 20, &bytes) == 0, "%s", ak_error_text());
    bytes.text[bytes.length - 1] ^= 1;
    ck_assert_int_eq(ak_files_write(path, bytes.text, bytes.length), 0);
    ak_str_fini(&bytes);
    free(path);
}

static void hold(const lab *l, int64_t id)
{
    Akssl__V1__Job *job = ask(l, AK_RPC_pause, id);

    ck_assert_msg(job != NULL, "%s", ak_error_text());
    akssl__v1__job__free_unpacked(job, NULL);
    expect(l, id, "PAUSED", "paused by request");
}

static void resume(const lab *l, int64_t id, bool from_start)
{
    Akssl__V1__ResumeRequest request = AKSSL__V1__RESUME_REQUEST__INIT;
    ProtobufCMessage *job;

    request.has_id = request.has_from_start = 1;
    request.id = id;
    request.from_start = from_start;
    job = call(l, AK_RPC_resume, &request.base);
    ck_assert_msg(job != NULL, "%s", ak_error_text());
    protobuf_c_message_free_unpacked(job, NULL);
}

// paused_job submits a job, lets it make two commits at least and pauses it; steps gets theirs,
// newest first.
static int64_t paused_job(const lab *l, int64_t steps[2])
{
    int64_t id = submit(l, "slow", 3, 1);
    Akssl__V1__VerifyReply *reply;

    akssl__v1__job__free_unpacked(wait_for(l, id, "RUNNING", FAKE_COMMIT + 1), NULL);
    hold(l, id);
    reply = verify(l, id);
    ck_assert_int_eq((int)reply->n_commits, 2);
    for (int i = 0; i < 2; i++) {
        steps[i] = reply->commits[i]->step;
        ck_assert_ptr_null(reply->commits[i]->wrong);
        ck_assert(reply->commits[i]->files == 3 && reply->commits[i]->bytes > 64);
    }
    ck_assert_int_eq((int)reply->n_others, 0);
    akssl__v1__verify_reply__free_unpacked(reply, NULL);
    return id;
}

static void is_told(const lab *l, int64_t id, const char *file, const char *sentence)
{
    char *path = id ? job_file(l, id, file) : ak_path("%s", l->output);
    ak_str text = AK_STR_INIT;

    ck_assert_int_eq(ak_files_read(path, 1 << 22, &text), 0);
    ck_assert_msg(strstr(text.text, sentence) != NULL, "'%s' does not say '%s'", path, sentence);
    ak_str_fini(&text);
    free(path);
}

START_TEST(the_run_falls_back)
{
    lab l;
    int64_t steps[2], id;
    Akssl__V1__Job *job;
    char *text;

    open_lab(&l);
    id = paused_job(&l, steps);
    flip(&l, id, steps[0], "state.safetensors");
    resume(&l, id, false);
    job = wait_for(&l, id, "RUNNING", 0);
    text = ak_path("goes on from the commit of step %" PRId64, steps[1]);
    ck_assert_msg(strstr(job->reason, text) != NULL, "%s", job->reason);
    ck_assert_ptr_nonnull(strstr(job->reason, "state.safetensors' has digest"));
    akssl__v1__job__free_unpacked(job, NULL);
    is_told(&l, id, "log", text);
    is_told(&l, 0, "", text);
    free(text);
    text = ak_path("commits/aside-step-%" PRId64 "/state.safetensors", steps[0]);
    ck_assert(has_file(&l, id, text));
    free(text);
    // On past the damage: its step is committed once more.
    akssl__v1__job__free_unpacked(wait_for(&l, id, "RUNNING", steps[0] + 2 * FAKE_COMMIT), NULL);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    expect(&l, id, "CANCELLED", "");
    close_lab(&l);
}
END_TEST

static void wait_committed(const lab *l, int64_t id, int64_t step)
{
    int64_t committed = -1;

    for (int i = 0; i < 1200 && committed < step; i++) {
        Akssl__V1__Job *job = show(l, id);

        committed = job->committed_step;
        akssl__v1__job__free_unpacked(job, NULL);
        fake_sleep(50);
    }
    ck_assert_int_ge(committed, step);
}

START_TEST(with_no_commit_whole_the_job_waits)
{
    lab l;
    int64_t steps[2], id;
    Akssl__V1__VerifyReply *reply;
    Akssl__V1__Job *job;
    char *path, *kept;

    open_lab(&l);
    id = paused_job(&l, steps);
    flip(&l, id, steps[0], "model.safetensors");
    path = file_of(&l, id, steps[1], "optimizer.safetensors");
    kept = ak_path("%s.kept", path);
    ck_assert_int_eq(rename(path, kept), 0);
    reply = verify(&l, id);
    ck_assert_ptr_nonnull(strstr(reply->commits[0]->wrong, "model.safetensors' has digest"));
    ck_assert_ptr_nonnull(strstr(reply->commits[1]->wrong, "optimizer.safetensors': No such"));
    akssl__v1__verify_reply__free_unpacked(reply, NULL);
    resume(&l, id, false);
    expect(&l, id, "PAUSED", "no commit is whole: put its files back and resume");
    is_told(&l, 0, "", "no commit is whole");
    // What is put back counts again, and nothing has moved.
    ck_assert_int_eq(rename(kept, path), 0);
    flip(&l, id, steps[0], "model.safetensors");
    resume(&l, id, false);
    job = wait_for(&l, id, "RUNNING", steps[0] + 1);
    ck_assert_str_eq(job->reason, "");
    akssl__v1__job__free_unpacked(job, NULL);
    hold(&l, id);
    // From the start: nothing is removed.
    resume(&l, id, true);
    wait_committed(&l, id, FAKE_COMMIT); // its progress is still the one of before
    hold(&l, id);
    job = show(&l, id);
    ck_assert(job->committed_step >= FAKE_COMMIT);
    akssl__v1__job__free_unpacked(job, NULL);
    reply = verify(&l, id);
    ck_assert_ptr_null(reply->commits[0]->wrong);
    ck_assert(reply->n_others >= 2 && strncmp(reply->others[0], "aside-step-", 11) == 0);
    akssl__v1__verify_reply__free_unpacked(reply, NULL);
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    free(kept);
    free(path);
    close_lab(&l);
}
END_TEST

START_TEST(extra_files_and_wrong_jobs)
{
    lab l;
    int64_t steps[2], id;
    Akssl__V1__VerifyReply *reply;
    char *path;

    open_lab(&l);
    id = paused_job(&l, steps);
    path = file_of(&l, id, steps[1], "model.safetensors.tmp");
    ck_assert_int_eq(ak_files_write(path, "x", 1), 0);
    free(path);
    path = job_file(&l, id, "commits/step-999");
    ck_assert_int_eq(ak_files_make(path), 0);
    free(path);
    reply = verify(&l, id);
    ck_assert_ptr_null(reply->commits[0]->wrong);
    ck_assert_ptr_nonnull(strstr(reply->commits[1]->wrong, "model.safetensors.tmp' is none that"));
    ck_assert(reply->n_others == 1 && strcmp(reply->others[0], "step-999") == 0);
    akssl__v1__verify_reply__free_unpacked(reply, NULL);
    refused(&l, AK_RPC_verify, 7, "job 7: there is none");
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    // Also of a job that has ended.
    reply = verify(&l, id);
    ck_assert_int_eq((int)reply->n_commits, 2);
    akssl__v1__verify_reply__free_unpacked(reply, NULL);
    close_lab(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(the_run_falls_back),
        AK_CASE(with_no_commit_whole_the_job_waits),
        AK_CASE(extra_files_and_wrong_jobs),
        { NULL, NULL },
    };

    return lab_main(rows, argc, argv);
}
