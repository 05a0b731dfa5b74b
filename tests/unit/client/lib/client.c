// tests/unit/client/lib/client.c -- tests client/lib/client.c, job.c and tensor.c over the wire.

#include <akssl/akssl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "tests/unit/client/lab.h"

static akssl_client *open_lab(lab *l)
{
    akssl_client *client = NULL;

    lab_init(l);
    lab_start(l);
    ck_assert_msg(akssl_client_open(&client, l->path) == 0, "%s", akssl_last_error());
    return client;
}

static void close_lab(lab *l, akssl_client *client)
{
    akssl_client_close(client);
    lab_stop(l);
    lab_fini(l);
}

START_TEST(submits)
{
    akssl_job_spec *spec = akssl_job_spec_new(), *resolved = NULL;
    char *estimate = NULL;
    int64_t id = -7;
    lab l;
    akssl_client *client = open_lab(&l);

    ck_assert_int_eq(akssl_job_spec_set(spec, "option", "K=64"), 0);
    ck_assert_int_eq(akssl_job_spec_set(spec, "lr", "0.1"), 0);
    ck_assert_int_eq(akssl_client_dry_run(client, spec, &resolved, &estimate), 0);
    ck_assert_int_eq(l.job_count, 0);
    ck_assert_str_eq(estimate, "195 steps, 1.2 GB");
    ck_assert_str_eq(akssl_job_spec_get(resolved, "ranks"), "2");
    ck_assert_str_eq(akssl_job_spec_get(resolved, "option"), "K=64");
    ck_assert_str_eq(akssl_job_spec_get(resolved, "lr"), "0.1");
    akssl_free(estimate);
    akssl_job_spec_free(resolved);
    resolved = NULL;
    ck_assert_int_eq(akssl_client_submit(client, spec, &id, &resolved), 0);
    ck_assert_int_eq(id, 1);
    ck_assert_str_eq(akssl_job_spec_get(resolved, "ranks"), "2");
    ck_assert_int_eq(akssl_client_submit(client, spec, &id, NULL), 0);
    ck_assert_int_eq(id, 2);

    ck_assert_int_eq(akssl_job_spec_set(spec, "method", "nosuch"), 0);
    ck_assert_int_eq(akssl_client_submit(client, spec, &id, NULL), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(akssl_last_error(), "moco_v2"));
    ck_assert_int_eq(id, 2);
    akssl_job_spec_free(resolved);
    akssl_job_spec_free(spec);
    close_lab(&l, client);
}
END_TEST

START_TEST(lists_shows_cancels)
{
    const akssl_job_state running[] = { AKSSL_JOB_RUNNING, AKSSL_JOB_PAUSED };
    akssl_job_list *list = NULL;
    akssl_commit_list *commits = NULL;
    akssl_job *job = NULL;
    lab l;
    akssl_client *client = open_lab(&l);

    ck_assert_int_eq(akssl_client_list(client, NULL, 0, 0, &list), 0);
    ck_assert_uint_eq(list->count, 0);
    akssl_job_list_free(list);
    lab_add(&l, "QUEUED");
    lab_move(&l, lab_add(&l, "RUNNING"), "RUNNING", 50);
    ck_assert_int_eq(akssl_client_list(client, NULL, 0, 0, &list), 0);
    ck_assert_uint_eq(list->count, 2);
    ck_assert_int_eq(list->jobs[0]->id, 2);
    ck_assert_int_eq(list->jobs[1]->id, 1);
    ck_assert_ptr_null(list->jobs[1]->progress);
    ck_assert_str_eq(akssl_job_spec_get(list->jobs[1]->spec, "method"), "simclr");
    akssl_job_list_free(list);
    ck_assert_int_eq(akssl_client_list(client, running, 2, 0, &list), 0);
    ck_assert_uint_eq(list->count, 1);
    ck_assert_int_eq(list->jobs[0]->state, AKSSL_JOB_RUNNING);
    akssl_job_list_free(list);
    ck_assert_int_eq(akssl_client_list(client, NULL, 0, 1, &list), 0);
    ck_assert_uint_eq(list->count, 1);
    akssl_job_list_free(list);
    ck_assert_int_eq(akssl_client_list(client, NULL, 0, -1, &list), AKSSL_ERR_INVALID);

    ck_assert_int_eq(akssl_client_show(client, 2, &job), 0);
    ck_assert_int_eq(job->progress->step, 50);
    ck_assert_double_eq(job->progress->loss, 4.25);
    ck_assert_uint_eq(job->progress->warning_count, 0);
    ck_assert(isnan(job->progress->lr)); // not sent
    ck_assert_str_eq(job->progress->gauges[0].name, "queue.filled");
    ck_assert_int_eq(job->ended_ms, -1);
    ck_assert_int_eq(job->committed_step, -1);
    ck_assert_str_eq(job->weights, "");
    akssl_job_free(job);
    ck_assert_int_eq(akssl_client_show(client, 404, &job), AKSSL_ERR_NOT_FOUND);

    ck_assert_int_eq(akssl_client_cancel(client, 1, &job), 0);
    ck_assert_int_eq(job->state, AKSSL_JOB_CANCELLED);
    akssl_job_free(job);
    ck_assert_int_eq(akssl_client_cancel(client, 2, NULL), 0);
    ck_assert_int_eq(akssl_client_cancel(client, 2, NULL), AKSSL_ERR_STATE);
    lab_add(&l, "QUEUED");
    ck_assert_int_eq(akssl_client_resume(client, 3, &job), AKSSL_ERR_STATE);
    ck_assert_int_eq(akssl_client_pause(client, 3, &job), 0);
    ck_assert_int_eq(job->state, AKSSL_JOB_PAUSED);
    ck_assert(!akssl_job_state_final(job->state));
    akssl_job_free(job);
    ck_assert_int_eq(akssl_client_resume(client, 3, &job), 0);
    ck_assert_int_eq(job->state, AKSSL_JOB_QUEUED);
    akssl_job_free(job);
    ck_assert(!l.jobs[2].from_start);
    ck_assert_int_eq(akssl_client_pause(client, 3, NULL), 0);
    ck_assert_int_eq(akssl_client_restart(client, 3, &job), 0);
    ck_assert(l.jobs[2].from_start && job->state == AKSSL_JOB_QUEUED);
    akssl_job_free(job);
    ck_assert_int_eq(akssl_client_pause(client, 404, NULL), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(akssl_client_verify(client, 3, &commits), 0);
    ck_assert(commits->count == 2 && commits->damaged == 1 && commits->other_count == 1);
    ck_assert(commits->commits[0].step == 200 && commits->commits[0].bytes == 5000000000);
    ck_assert_str_eq(commits->commits[0].wrong, "");
    ck_assert_str_eq(commits->others[0], "aside-step-40");
    akssl_commit_list_free(commits);
    ck_assert_int_eq(akssl_client_verify(client, 404, &commits), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(akssl_client_resize(client, 3, 4, &job), 0);
    ck_assert(job->asked_ranks == 4 && !job->resizing);
    akssl_job_free(job);
    lab_move(&l, 3, "RUNNING", 1);
    ck_assert_int_eq(akssl_client_resize(client, 3, 0, &job), 0);
    ck_assert(job->asked_ranks == 0 && job->resizing);
    akssl_job_free(job);
    ck_assert_int_eq(akssl_client_resize(client, 404, 2, NULL), AKSSL_ERR_NOT_FOUND);
    close_lab(&l, client);
}
END_TEST

static void saves_state(lab *l, akssl_client *client)
{
    char path[128], part[136];
    unsigned char bytes[LAB_BYTES + 1];
    akssl_saved saved = { .step = -2 };
    FILE *file;

    snprintf(path, sizeof path, "%s/kept", l->folder);
    snprintf(part, sizeof part, "%s.part", path);
    ck_assert_int_eq(akssl_client_save_state(client, 404, path, &saved), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(akssl_client_save_state(client, 1, "/nonesuch/x", &saved),
                     AKSSL_ERR_NOT_FOUND);
    l->end_early = true;
    ck_assert_int_eq(akssl_client_save_state(client, 1, path, &saved), AKSSL_ERR_CORRUPT);
    l->end_early = false;
    ck_assert(saved.step == -2 && access(path, F_OK) < 0 && access(part, F_OK) < 0);
    ck_assert_int_eq(akssl_client_save_state(client, 1, path, &saved), 0);
    ck_assert(saved.step == 195 && saved.size == LAB_BYTES && access(part, F_OK) < 0);
    ck_assert_str_eq(saved.digest, "00ff");
    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, file), LAB_BYTES);
    fclose(file);
    for (size_t i = 0; i < LAB_BYTES; i++)
        ck_assert_int_eq(bytes[i], (uint8_t)(i * 7));
    unlink(path);
}

START_TEST(gives_curves)
{
    akssl_curve_list *curves = NULL;
    lab l;
    akssl_client *client = open_lab(&l);

    lab_add(&l, "RUNNING");
    ck_assert_int_eq(akssl_client_curves(client, 404, 0, &curves), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(akssl_client_curves(client, 1, 100, &curves), 0);
    ck_assert_uint_eq(curves->count, 1); // what is torn is left out
    ck_assert_str_eq(curves->curves[0].name, "loss");
    ck_assert_uint_eq(curves->curves[0].count, 3);
    ck_assert_int_eq(curves->curves[0].step[2], 150);
    ck_assert_double_eq(curves->curves[0].mean[2], 4.5);
    ck_assert_double_eq(curves->curves[0].least[1], 5); // a point is a step
    ck_assert_double_eq(curves->curves[0].greatest[1], 5);
    akssl_curve_list_free(curves);
    akssl_curve_list_free(NULL);
    close_lab(&l, client);
}
END_TEST

START_TEST(describes_state_and_catalogue)
{
    akssl_tensor_list *tensors = NULL;
    char *json = NULL;
    lab l;
    akssl_client *client = open_lab(&l);

    lab_add(&l, "RUNNING");
    ck_assert_int_eq(akssl_client_state(client, 1, &tensors), 0);
    ck_assert_uint_eq(tensors->count, 1);
    ck_assert_str_eq(tensors->tensors[0].name, "moco.queue");
    ck_assert_uint_eq(tensors->tensors[0].axes, 2);
    ck_assert_int_eq(tensors->tensors[0].shape[1], 128);
    ck_assert_int_eq(tensors->tensors[0].position, 512);
    ck_assert_double_eq(tensors->tensors[0].insight[0].value, 0.5);
    akssl_tensor_list_free(tensors);
    ck_assert_int_eq(akssl_client_state(client, 404, &tensors), AKSSL_ERR_NOT_FOUND);
    saves_state(&l, client);
    ck_assert_int_eq(akssl_client_catalogue(client, &json), 0);
    ck_assert_str_eq(json, lab_catalogue());
    akssl_free(json);
    akssl_tensor_list_free(NULL);
    akssl_job_list_free(NULL);
    akssl_job_free(NULL);
    akssl_client_close(NULL);
    close_lab(&l, client);
}
END_TEST

START_TEST(gives_up_in_time)
{
    akssl_job *job = NULL;
    lab l;
    akssl_client *client = open_lab(&l);

    akssl_client_set_timeout(client, 200);
    ck_assert_int_eq(akssl_client_show(client, LAB_SILENT, &job), AKSSL_ERR_DEADLINE);
    ck_assert_int_eq(akssl_client_watch(client, LAB_SILENT, NULL, NULL, NULL), AKSSL_ERR_DEADLINE);
    ck_assert_ptr_nonnull(strstr(akssl_last_error(), l.path));
    close_lab(&l, client);
}
END_TEST

START_TEST(says_what_to_do_without_a_daemon)
{
    akssl_client *client = NULL;
    akssl_job *job = NULL;

    ck_assert_int_eq(akssl_client_open(&client, "/nonexistent/akssld.sock"), 0);
    ck_assert_str_eq(akssl_client_server(client), "unix:/nonexistent/akssld.sock");
    ck_assert_int_eq(akssl_client_show(client, 1, &job), AKSSL_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(akssl_last_error(), "/nonexistent/akssld.sock"));
    ck_assert_ptr_nonnull(strstr(akssl_last_error(), "akssld --state-dir"));
    ck_assert_ptr_nonnull(strstr(akssl_last_error(), "AKSSL_SERVER"));
    ck_assert_int_eq(akssl_client_watch(client, 1, NULL, NULL, NULL), AKSSL_ERR_UNAVAILABLE);
    ck_assert_int_eq(akssl_client_logs(client, 1, 1, NULL, NULL), AKSSL_ERR_UNAVAILABLE);
    akssl_client_close(client);
    client = NULL;
    ck_assert_int_eq(akssl_client_open(&client, "tcp:somewhere:1"), AKSSL_ERR_INVALID);
    ck_assert_ptr_null(client);
}
END_TEST

// What a living daemon says of itself is its judgement: no other one is to be started.
START_TEST(keeps_a_daemons_own_refusal)
{
    static const char late[] = "the check of the spec took over 20 s",
                      stops[] = "akssld is stopping: try again later";
    akssl_job_list *list = NULL;
    akssl_job *job = NULL;
    lab l;
    akssl_client *client = open_lab(&l);

    lab_add(&l, "RUNNING");
    lab_refuse(&l, AKSSL_ERR_UNAVAILABLE, stops);
    ck_assert_int_eq(akssl_client_show(client, 1, &job), AKSSL_ERR_STATE);
    ck_assert_str_eq(akssl_last_error(), stops);
    ck_assert_int_eq(akssl_client_watch(client, 1, NULL, NULL, NULL), AKSSL_ERR_STATE);
    ck_assert_str_eq(akssl_last_error(), stops);
    ck_assert_int_eq(akssl_client_save_state(client, 1, "/nonesuch/x", NULL), AKSSL_ERR_STATE);
    ck_assert_str_eq(akssl_last_error(), stops);
    lab_refuse(&l, AKSSL_ERR_DEADLINE, late);
    ck_assert_int_eq(akssl_client_show(client, 1, &job), AKSSL_ERR_LIMIT);
    ck_assert_str_eq(akssl_last_error(), late);
    lab_refuse(&l, AKSSL_ERR_LIMIT, "alice makes over 50 calls a second: slow down");
    ck_assert_int_eq(akssl_client_list(client, NULL, 0, 0, &list), AKSSL_ERR_LIMIT);
    ck_assert_str_eq(akssl_last_error(), "alice makes over 50 calls a second: slow down");
    lab_refuse(&l, AKSSL_OK, NULL);
    ck_assert_int_eq(akssl_client_show(client, 1, &job), 0);
    akssl_job_free(job);
    close_lab(&l, client);
}
END_TEST

START_TEST(finds_a_daemon_that_is_back)
{
    akssl_job *job = NULL;
    lab l;
    akssl_client *client = open_lab(&l);

    lab_add(&l, "RUNNING");
    ck_assert_int_eq(akssl_client_show(client, 1, NULL), 0);
    lab_stop(&l);
    for (int i = 0; i < 2; i++) // gRPC backs off
        ck_assert_int_eq(akssl_client_show(client, 1, &job), AKSSL_ERR_UNAVAILABLE);
    lab_start(&l);
    ck_assert_msg(akssl_client_show(client, 1, &job) == 0, "%s", akssl_last_error());
    akssl_job_free(job);
    close_lab(&l, client);
}
END_TEST

START_TEST(finds_the_default_server)
{
    char folder[128], path[300];
    akssl_client *client = NULL;
    lab l;

    lab_init(&l); // for its folder
    setenv("AKSSL_SERVER", "unix:/named/in/the/environment", 1);
    ck_assert_int_eq(akssl_client_open(&client, NULL), 0);
    ck_assert_str_eq(akssl_client_server(client), "unix:/named/in/the/environment");
    akssl_client_close(client);
    ck_assert_int_eq(akssl_client_open(&client, "/given"), 0);
    ck_assert_str_eq(akssl_client_server(client), "unix:/given");
    akssl_client_close(client);
    client = NULL;

    setenv("AKSSL_SERVER", "", 1);
    setenv("XDG_RUNTIME_DIR", l.folder, 1);
    snprintf(folder, sizeof folder, "%s/akssl", l.folder);
    snprintf(path, sizeof path, "%s/akssld.sock", folder);
    if (access("/run/akssl/akssld.sock", F_OK) != 0) {
        ck_assert_int_eq(akssl_client_open(&client, ""), AKSSL_ERR_UNAVAILABLE);
        ck_assert_ptr_nonnull(strstr(akssl_last_error(), path));
        ck_assert_ptr_nonnull(strstr(akssl_last_error(), "akssld --state-dir"));
    }
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    fclose(fopen(path, "w"));
    ck_assert_int_eq(akssl_client_open(&client, NULL), 0);
    ck_assert_str_eq(akssl_client_server(client) + 5, path);
    akssl_client_close(client);
    unlink(path);
    rmdir(folder);
    lab_fini(&l);
}
END_TEST

START_TEST(knows_states_and_version)
{
    char version[32];

#define ROUND_TRIP(name, number)                                                                   \
    ck_assert_int_eq(akssl_job_state_parse(akssl_job_state_text(AKSSL_JOB_##name)),                \
                     AKSSL_JOB_##name);
    AKSSL_JOB_STATE_MAP(ROUND_TRIP)
    ck_assert_int_eq(akssl_job_state_parse("running"), AKSSL_JOB_RUNNING);
    ck_assert_int_eq(akssl_job_state_parse("jogging"), AKSSL_JOB_UNKNOWN);
    ck_assert_int_eq(akssl_job_state_final(AKSSL_JOB_FAILED), 1);
    ck_assert_int_eq(akssl_job_state_final(AKSSL_JOB_PAUSED), 0);
    snprintf(version, sizeof version, "%d.%d.%d", AKSSL_VERSION_MAJOR, AKSSL_VERSION_MINOR,
             AKSSL_VERSION_PATCH);
    ck_assert_str_eq(akssl_version(), version);
}
END_TEST

AK_TEST_MAIN(AK_CASE(submits), AK_CASE(lists_shows_cancels), AK_CASE(gives_curves),
             AK_CASE(describes_state_and_catalogue), AK_CASE(gives_up_in_time),
             AK_CASE(says_what_to_do_without_a_daemon), AK_CASE(keeps_a_daemons_own_refusal),
             AK_CASE(finds_a_daemon_that_is_back), AK_CASE(finds_the_default_server),
             AK_CASE(knows_states_and_version))
