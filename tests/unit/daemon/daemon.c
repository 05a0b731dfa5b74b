// tests/unit/daemon/daemon.c -- jobs of the real akssld, from submit to their end (lab.h).

#include "tests/unit/daemon/lab.h"

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
    ak_str text = AK_STR_INIT, again = AK_STR_INIT;
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
              queue->position == 9 * FAKE_PUSH % FAKE_ROWS && queue->n_insight == 8);
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
    murder(&l); // as if before it was written
    ck_assert_int_eq(unlink(path), 0);
    start(&l);
    ck_assert_int_eq(ak_files_read(path, 65536, &again), 0);
    ck_assert_str_eq(again.text, text.text);
    ak_str_fini(&again);
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

START_TEST(what_was_refused_does_not_turn_up)
{
    lab l;
    int64_t running, older, refused_one;
    char *folder;

    open_lab(&l);
    running = submit(&l, "slow", 0, 2);
    older = submit(&l, "plain", 0, 2);
    refused_one = submit(&l, "plain", 0, 2);
    akssl__v1__job__free_unpacked(wait_for(&l, running, "RUNNING", 1), NULL);
    murder(&l);
    for (int64_t id = older; id <= refused_one; id++) { // as if the database had them alone
        folder = job_file(&l, id, "");
        ck_assert_int_eq(ak_files_remove(folder), 0);
        free(folder);
    }
    start(&l);
    expect(&l, refused_one, "CANCELLED", "could not be written then: submit it again");
    akssl__v1__job__free_unpacked(cancel(&l, running), NULL);
    akssl__v1__job__free_unpacked(wait_for(&l, older, "SUCCEEDED", 0), NULL); // it was accepted
    close_lab(&l);
}
END_TEST

START_TEST(every_kind_starts_from_a_job)
{
    static const char *const kinds[] = { "linear", "finetune", "knn", "probe", "embed" };
    lab l;
    Akssl__V1__Pair pair = AKSSL__V1__PAIR__INIT, crop = pair, seen = pair;
    Akssl__V1__Pair *pairs[] = { &pair, &crop, &seen };
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
    pair.key = (char *)"normalize";
    pair.value = (char *)"imagenet";
    crop.key = (char *)"min_scale";
    crop.value = (char *)"0.3";
    seen.key = (char *)"crop_pct";
    seen.value = (char *)"0.9";
    source.augment = pairs;
    source.n_augment = 3;
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
        ck_assert(reply->spec->image_size == 64);
        // a classifier's views are its own; how pixels are prepared is the weights'
        ck_assert_uint_eq(reply->spec->n_augment, i < 2 ? 2 : 3);
        ck_assert_str_eq(reply->spec->augment[0]->value, "imagenet");
        ck_assert_str_eq(reply->spec->augment[i < 2 ? 1 : 2]->value, "0.9");
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
    ck_assert_str_eq(checked->estimate,
                     "11 steps; no recorded run to tell its speed by; would start at once");
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
        AK_CASE(what_was_refused_does_not_turn_up),
        AK_CASE(every_kind_starts_from_a_job),
        AK_CASE(ways_to_fail),
        AK_CASE(cancelled_in_every_state),
        AK_CASE(a_stopped_daemon_goes_on),
        AK_CASE(bad_requests_leave_nothing),
        AK_CASE(strangers_are_kept_out),
        AK_CASE(watched_and_read),
        { NULL, NULL },
    };

    return lab_main(rows, argc, argv);
}
