// tests/unit/daemon/store/upgrade.c -- databases of every version are brought up to date, with all
// that is in them.

#include "tests/unit/daemon/store/sample.h"

static void check_commits(ak_store *store, const ak_job *job)
{
    static const char *const names[] = { "model", "optimizer", "state" };
    ak_commit *commits;
    int count;

    ck_assert_int_eq(ak_store_commits(store, job->id, &commits, &count), 0);
    ck_assert(count == 2 && commits[0].step == job->committed_step);
    ck_assert(commits[1].step > 0 && commits[1].step < commits[0].step);
    for (int i = 0; i < 6; i++) {
        const ak_commit_file *file = &commits[i / 3].files[i % 3];
        char *name = ak_path("%s.safetensors", names[i % 3]);

        ck_assert_int_eq(commits[i / 3].file_count, 3);
        ck_assert_str_eq(file->name, name);
        ck_assert(file->size > 0 && strlen(file->digest) == 32);
        free(name);
    }
    free(commits);
}

static const char *const kinds[] = { "", "live_" };

START_TEST(real_files_are_brought_up_to_date)
{
    for (int version = 1; version <= ak_store_versions(); version++)
        for (int kind = 0; kind < 2; kind++) {
            sample s = sample_make(kinds[kind], version);

            ak_store_close(open_store(s.path));
            check_upgraded(&s);
            ak_store_close(open_store(s.path)); // once more changes nothing
            check_upgraded(&s);
            sample_end(&s);
        }
}
END_TEST

START_TEST(a_job_of_then_is_the_same_job)
{
    for (int version = 1; version <= ak_store_versions(); version++) {
        sample s = sample_make("", version);
        ak_store *store = open_store(s.path);
        ak_job *job;

        ck_assert_int_eq(ak_store_find(store, 1, &job), 0);
        ck_assert_str_eq(job->spec.dataset, "fashion-mnist");
        ck_assert_int_eq(ak_figures_step(&job->figures), job->committed_step);
        check_commits(store, job);
        ak_job_free(job);
        ak_store_close(store);
        sample_end(&s);
    }
}
END_TEST

static void check_live(const ak_job *job, int version)
{
    ck_assert_int_eq(job->state, AK_JOB_RUNNING);
    ck_assert_str_eq(job->reason, "goes on from step 78");
    ck_assert_str_eq(job->run_id, "0123456789abcdef0123456789abcdef");
    ck_assert(job->submitted_ms == 1795579174330 && job->started_ms == 1795579174450 &&
              job->ended_ms == 0 && job->restarts == 2 && job->restarts_since_commit == 1 &&
              job->committed_step == 78 && job->ranks == 2 && !job->cancel && !job->outcome);
    ck_assert_str_eq(job->spec.name, "live");
    ck_assert(job->spec.seed == 3 && job->spec.priority == 7 && job->spec.commit_every == 39);
    ck_assert_str_eq(ak_spec_pair_find(&job->spec.option, "K"), "4096");
    ck_assert_int_eq(ak_figures_step(&job->figures), 78);
    ck_assert_int_eq(job->pause, version >= 3);
    ck_assert(job->asked_ranks == (version >= 4 ? 4 : -1) && job->resize == (version >= 4));
    ck_assert_str_eq(job->owner, version >= 5 ? "bob" : "");
    ck_assert(!job->held && job->requeue == (version >= 6) &&
              job->elapsed_ms == (version >= 6 ? 61000 : 0));
}

static void check_newest(ak_store *store, int version)
{
    ak_commit commit;

    ck_assert_int_eq(ak_store_find_commit(store, 4, &commit), 0);
    ck_assert(commit.step == 78 && commit.made_ms == 1795579200078 && commit.file_count == 3);
    ck_assert_uint_eq(commit.files[1].size, 92058048);
    ck_assert_str_eq(commit.files[2].digest, "0000000000000b4f2c4d992c5f92baaa");
    ck_assert_int_eq(commit.tensor_count, version >= 2);
    if (commit.tensor_count) {
        ck_assert_str_eq(commit.tensors[0].name, "moco.queue");
        ck_assert(commit.tensors[0].version == 78 && commit.tensors[0].filled == 4096 &&
                  commit.tensors[0].position == 3584);
    }
    commit.step = 117;
    ck_assert_int_eq(ak_store_add_commit(store, &commit), 0);
    ck_assert_int_eq(ak_store_prune(store, 4, 1), 0);
    ck_assert_int_eq(ak_store_find_commit(store, 4, &commit), 0);
    ck_assert(commit.step == 117 && commit.file_count == 3);
}

static void check_people(ak_store *store, int version)
{
    unsigned char hash[AK_TOKEN_HASH];
    ak_usage usage = { 0 };
    ak_token token;

    for (int i = 0; i < AK_TOKEN_HASH; i++)
        hash[i] = (unsigned char)(7 * 37 + i * 11);
    ck_assert_int_eq(ak_store_find_token(store, hash, &token),
                     version >= 5 ? AKSSL_OK : AKSSL_ERR_NOT_FOUND);
    if (version >= 5) {
        ck_assert_str_eq(token.user, "bob");
        ck_assert(token.id == 7 && token.access == AK_ACCESS_ADMIN && token.expires_ms == 0 &&
                  token.revoked_ms == 1795886485000);
    }
    ck_assert_int_eq(ak_store_read_usage(store, &usage), 0);
    ck_assert_uint_eq(usage.count, version >= 6 ? 2 : 0);
    if (usage.count)
        ck_assert(usage.rows[ak_usage_find(&usage, "alice")].core_s == 988.5);
    ak_usage_fini(&usage);
}

static void take(void *ctx, ak_job *job)
{
    ak_job **jobs = ctx;

    ck_assert_ptr_null(jobs[1]); // no more than two
    jobs[jobs[0] ? 1 : 0] = job;
}

START_TEST(a_live_run_is_carried_over)
{
    for (int version = 1; version <= ak_store_versions(); version++) {
        sample s = sample_make("live_", version);
        ak_store *store = open_store(s.path);
        ak_job *jobs[2] = { NULL, NULL };
        int skipped;

        ck_assert_int_eq(ak_store_active(store, take, jobs, &skipped), 0);
        ck_assert(skipped == 0 && jobs[0] && jobs[1] && jobs[0]->id == 4 && jobs[1]->id == 5);
        check_live(jobs[0], version);
        ck_assert(jobs[1]->state == AK_JOB_QUEUED && jobs[1]->spec.priority == -2 &&
                  jobs[1]->committed_step == -1 && jobs[1]->held == (version >= 6));
        check_commits(store, jobs[0]);
        check_newest(store, version);
        check_people(store, version);
        ck_assert_int_eq(ak_store_insert(store, jobs[1]), 0);
        ck_assert_int_eq(jobs[1]->id, 6); // no id is used twice
        ak_job_free(jobs[0]);
        ak_job_free(jobs[1]);
        ak_store_close(store);
        sample_end(&s);
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(real_files_are_brought_up_to_date), AK_CASE(a_job_of_then_is_the_same_job),
             AK_CASE(a_live_run_is_carried_over))
