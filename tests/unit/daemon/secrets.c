// tests/unit/daemon/secrets.c -- a run's secret is good for that run alone; a commit counts once.

#include "tests/unit/daemon/lab.h"

typedef struct stolen {
    char *run, secret[128];
    int64_t job;
    ak_channel *channel; // that shows it
} stolen;

// steal reads what only akssld and the run's ranks can read.
static void steal(const lab *l, int64_t id, stolen *s)
{
    char *folder = job_file(l, id, "run"), *path;
    struct dirent *entry;
    DIR *dir = opendir(folder);
    ak_str text = AK_STR_INIT;

    ck_assert_ptr_nonnull(dir);
    s->job = id;
    s->run = NULL;
    while ((entry = readdir(dir)))
        if (strstr(entry->d_name, ".secret"))
            s->run = strndup(entry->d_name, strcspn(entry->d_name, "."));
    closedir(dir);
    ck_assert_ptr_nonnull(s->run);
    path = ak_path("%s/%s.secret", folder, s->run);
    ck_assert_int_eq(ak_files_read(path, sizeof s->secret - 1, &text), 0);
    snprintf(s->secret, sizeof s->secret, "%s", text.text);
    ck_assert_int_eq(ak_channel_open(&s->channel, ak_channel_address(l->channel), s->secret), 0);
    ak_str_fini(&text);
    free(path);
    free(folder);
}

static void give_back(stolen *s)
{
    ak_channel_close(s->channel);
    free(s->run);
}

static akssl_status report(const stolen *by, const stolen *of)
{
    Akssl__V1__ReportRequest request = AKSSL__V1__REPORT_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    akssl_status rc;

    request.has_job = 1;
    request.job = of->job;
    request.run = of->run;
    rc = ak_channel_call(by->channel, AK_RPC_report, &request.base, 10000, &reply);
    if (rc == 0)
        protobuf_c_message_free_unpacked(reply, NULL);
    return rc;
}

static akssl_status commit(const stolen *by, const stolen *of, int64_t step, const char *digest)
{
    Akssl__V1__CommitRequest request = AKSSL__V1__COMMIT_REQUEST__INIT;
    Akssl__V1__CommitFile file = AKSSL__V1__COMMIT_FILE__INIT, *files[] = { &file };
    ProtobufCMessage *reply = NULL;
    akssl_status rc;

    file.name = (char *)"model.safetensors";
    file.digest = (char *)digest;
    file.has_size = request.has_job = request.has_step = 1;
    file.size = 1;
    request.job = of->job;
    request.run = of->run;
    request.step = step;
    request.files = files;
    request.n_files = 1;
    rc = ak_channel_call(by->channel, AK_RPC_commit, &request.base, 10000, &reply);
    if (rc == 0)
        protobuf_c_message_free_unpacked(reply, NULL);
    return rc;
}

START_TEST(another_runs_secret)
{
    Akssl__V1__FinishRequest finish = AKSSL__V1__FINISH_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    stolen a, b;
    lab l;

    open_lab(&l);
    a.job = submit(&l, "slow", 0, 1);
    b.job = submit(&l, "slow", 0, 1);
    akssl__v1__job__free_unpacked(wait_for(&l, a.job, "RUNNING", 1), NULL);
    akssl__v1__job__free_unpacked(wait_for(&l, b.job, "RUNNING", 1), NULL);
    steal(&l, a.job, &a);
    steal(&l, b.job, &b);
    ck_assert_str_ne(a.secret, b.secret);
    ck_assert_int_eq(report(&a, &a), 0);
    ck_assert_int_eq(report(&a, &b), AKSSL_ERR_PERMISSION);
    ck_assert_int_eq(commit(&a, &b, 1000, "00"), AKSSL_ERR_PERMISSION);
    finish.has_job = 1;
    finish.job = b.job;
    finish.run = b.run;
    finish.outcome = (char *)"succeeded";
    ck_assert_int_eq(ak_channel_call(a.channel, AK_RPC_finish, &finish.base, 10000, &reply),
                     AKSSL_ERR_PERMISSION);
    akssl__v1__job__free_unpacked(wait_for(&l, b.job, "RUNNING", 4), NULL); // it goes on
    akssl__v1__job__free_unpacked(cancel(&l, a.job), NULL);
    expect(&l, a.job, "CANCELLED", "");
    ck_assert_int_eq(report(&a, &a), AKSSL_ERR_PERMISSION); // the run is over, and so is its secret
    akssl__v1__job__free_unpacked(cancel(&l, b.job), NULL);
    give_back(&a);
    give_back(&b);
    close_lab(&l);
}
END_TEST

START_TEST(a_replayed_commit)
{
    Akssl__V1__Job *job;
    int64_t committed;
    stolen a;
    lab l;

    open_lab(&l);
    a.job = submit(&l, "slow", 0, 1);
    job = wait_for(&l, a.job, "RUNNING", FAKE_COMMIT + 1);
    committed = job->committed_step;
    akssl__v1__job__free_unpacked(job, NULL);
    ck_assert_int_ge(committed, FAKE_COMMIT);
    steal(&l, a.job, &a);
    ck_assert_int_eq(commit(&a, &a, committed, "0123456789abcdef0123456789abcdef"),
                     AKSSL_ERR_STATE); // of a step that is committed, with other files
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "committed already"));
    ck_assert_int_eq(commit(&a, &a, 0, "0123456789abcdef0123456789abcdef"), AKSSL_ERR_STATE);
    job = wait_for(&l, a.job, "RUNNING", committed + FAKE_COMMIT); // it commits as before
    ck_assert_int_ge(job->committed_step, committed);
    akssl__v1__job__free_unpacked(job, NULL);
    akssl__v1__job__free_unpacked(cancel(&l, a.job), NULL);
    give_back(&a);
    close_lab(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(another_runs_secret),
        AK_CASE(a_replayed_commit),
        { NULL, NULL },
    };

    return lab_main(rows, argc, argv);
}
