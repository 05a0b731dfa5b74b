// tests/unit/daemon/tables.c -- tests the tables of handlers and launchers, and figures.c.

#include "daemon/figures.h"
#include "daemon/handler/handler.h"
#include "daemon/launcher/launcher.h"
#include "proto/base/error.h"
#include "tests/check.h"

START_TEST(every_call_has_its_handler)
{
    for (int rpc = 0; rpc < AK_RPC_COUNT; rpc++) {
        const ak_handler *handler = ak_handler_find((ak_rpc_id)rpc);

        ck_assert_msg(handler && handler->started, "%s", ak_rpc_find((ak_rpc_id)rpc)->path);
        if (ak_rpc_find((ak_rpc_id)rpc)->kind == AK_RPC_BIDI)
            ck_assert(handler->received != NULL);
    }
}
END_TEST

static bool has(const ak_args *args, const char *text)
{
    for (size_t i = 0; i < args->count; i++)
        if (strcmp(args->at[i], text) == 0)
            return true;
    return false;
}

START_TEST(every_launcher_names_run_and_secret)
{
    char worker[] = "/opt/akssl-worker", uplink[] = "unix:/run/s.sock", agent[] = "ssh",
         self[] = "/bin/true", root[] = "/data";
    ak_config config = {
        .worker = worker, .uplink = uplink, .host_agent = agent, .self = self, .data_root = root
    };
    const ak_launcher *l;
    ak_spec spec;
    ak_job *job;

    ak_spec_init(&spec);
    spec.threads_per_shard = 3;
    job = ak_job_new(&spec, "");
    job->id = 12;
    setenv("AKSSL_MPIRUN", "/bin/true", 1);
    for (int i = 0; (l = ak_launcher_at(i)) != NULL; i++) {
        const ak_launch launch = { .config = &config,
                                   .job = job,
                                   .run = "runid",
                                   .folder = "/j",
                                   .secret_file = "/j/secret",
                                   .ranks = 4 };
        ak_args argv = { 0 }, env = { 0 };

        ck_assert_ptr_eq(ak_launcher_find(l->name), l);
        ck_assert(l->title && l->title[0]);
        ak_args_add(&env, "OMP_NUM_THREADS=99");
        ak_args_add(&env, "HOME=/h");
        ck_assert_int_eq(l->command(&launch, &argv, &env), 0);
        ck_assert_str_eq(argv.at[0], "/bin/true");
        ck_assert(has(&argv, "4") && has(&argv, worker) && has(&argv, "unix:/run/s.sock") &&
                  has(&argv, "12") && has(&argv, "runid") && has(&argv, "/j/secret"));
        ck_assert(has(&env, "OMP_NUM_THREADS=3") && has(&env, "OPENBLAS_NUM_THREADS=3") &&
                  has(&env, "AKSSL_RUN=runid") && has(&env, "HOME=/h"));
        ck_assert(!has(&env, "OMP_NUM_THREADS=99"));
        if (strcmp(l->name, "hosts") == 0) // ssh takes no environment along
            ck_assert(has(&argv, "AKSSL_DATA_ROOTS"));
        ck_assert_ptr_null(argv.at[argv.count]);
        ak_args_fini(&argv);
        ak_args_fini(&env);
    }
    ck_assert_ptr_null(ak_launcher_find("nonesuch"));
    ak_job_free(job);
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(arguments)
{
    ak_str text = AK_STR_INIT;
    ak_args args = { 0 };

    ak_args_quote(&text, "it's $(reboot)\n`x` \"");
    ck_assert_str_eq(text.text, "'it'\\''s $(reboot)\n`x` \"'");
    ak_str_fini(&text);
    ak_args_add_words(&args, "  a\t-b  c=d ");
    ck_assert_uint_eq(args.count, 3);
    ck_assert(has(&args, "a") && has(&args, "-b") && has(&args, "c=d"));
    ck_assert_ptr_null(args.at[3]);
    ak_args_fini(&args);
}
END_TEST

// A job names a launcher that there is; those without cores are none.
START_TEST(a_launcher_is_settled)
{
    char name[] = "slurm";
    ak_config config = { .slots = 2, .slurm_slots = 0 };
    ak_daemon d = { .config = &config };
    ak_spec spec;

    ak_spec_init(&spec);
    ck_assert_int_eq(ak_launcher_settle(&d, &spec), 0);
    ck_assert_str_eq(spec.launcher, "");
    ck_assert_int_eq(ak_spec_set(&spec, "launcher", "pbs"), 0);
    ck_assert_int_eq(ak_launcher_settle(&d, &spec), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "'pbs': no such name: give one of local"));
    ck_assert_int_eq(ak_spec_set(&spec, "launcher", "slurm"), 0);
    ck_assert_int_eq(ak_launcher_settle(&d, &spec), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "was started without"));
    config.slurm_slots = 8;
    ck_assert_int_eq(ak_launcher_settle(&d, &spec), 0);
    config.launcher = name;
    ck_assert_int_eq(ak_spec_set(&spec, "launcher", ""), 0);
    ck_assert_int_eq(ak_launcher_settle(&d, &spec), 0);
    ck_assert_str_eq(spec.launcher, "slurm");
    ak_spec_fini(&spec);
}
END_TEST

// A row without access would let nobody in; what changes a job says which.
START_TEST(every_call_says_who_may)
{
    static const ak_rpc_id of_a_job[] = { AK_RPC_cancel,  AK_RPC_pause, AK_RPC_resume,
                                          AK_RPC_resize,  AK_RPC_hold,  AK_RPC_release,
                                          AK_RPC_requeue, AK_RPC_edit };

    for (int rpc = 0; rpc < AK_RPC_COUNT; rpc++) {
        const ak_handler *h = ak_handler_find((ak_rpc_id)rpc);
        bool of_run = strncmp(ak_rpc_find((ak_rpc_id)rpc)->path, "/akssl.v1.Run/", 14) == 0;

        ck_assert_msg(h->access != 0, "%s", ak_rpc_find((ak_rpc_id)rpc)->path);
        ck_assert_int_eq(h->access == AK_ACCESS_RUN, of_run);
    }
    for (size_t i = 0; i < sizeof of_a_job / sizeof *of_a_job; i++) {
        const ak_handler *h = ak_handler_find(of_a_job[i]);

        ck_assert_msg(h->access == AK_ACCESS_SUBMIT && h->job_at > 0, "%s",
                      ak_rpc_find(of_a_job[i])->path);
    }
    ck_assert_int_eq(ak_handler_find(AK_RPC_create_token)->access, AK_ACCESS_ADMIN);
    ck_assert_int_eq(ak_handler_find(AK_RPC_list_tokens)->access, AK_ACCESS_ADMIN);
    ck_assert_int_eq(ak_handler_find(AK_RPC_revoke_token)->access, AK_ACCESS_ADMIN);
}
END_TEST

START_TEST(no_mpirun_is_told)
{
    char worker[] = "/w", uplink[] = "unix:/s", agent[] = "ssh", self[] = "/bin/true";
    ak_config config = { .worker = worker, .uplink = uplink, .host_agent = agent, .self = self };
    ak_args argv = { 0 }, env = { 0 };
    ak_job job = { .id = 1 };
    const ak_launch launch = {
        .config = &config, .job = &job, .run = "r", .folder = "/", .secret_file = "/s", .ranks = 1
    };

    setenv("AKSSL_MPIRUN", "no-such-mpirun", 1);
    ck_assert_int_eq(ak_launcher_find("local")->command(&launch, &argv, &env), AKSSL_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "openmpi-bin"));
    ak_args_fini(&argv);
    ak_args_fini(&env);
}
END_TEST

START_TEST(figures_merge)
{
    Akssl__V1__Metric a = AKSSL__V1__METRIC__INIT, b = AKSSL__V1__METRIC__INIT;
    Akssl__V1__Metric *first[] = { &a }, *both[] = { &b, &a }, *many[300];
    Akssl__V1__Progress progress = AKSSL__V1__PROGRESS__INIT;
    ak_figures f = { NULL }, copy = { NULL };
    char long_name[AK_FIGURES_MAX_NAME + 2];
    size_t size;
    void *bytes;

    a.name = (char *)"a";
    b.name = (char *)"b";
    a.has_value = b.has_value = progress.has_step = 1;
    a.value = 1;
    progress.step = 5;
    ck_assert_int_eq(ak_figures_step(&f), 0);
    ck_assert_int_eq(ak_figures_merge(&f, &progress, 1, first), 0);
    a.value = 2;
    b.value = 3;
    ck_assert_int_eq(ak_figures_merge(&f, NULL, 2, both), 0);
    ck_assert_int_eq(ak_figures_step(&f), 5);
    ck_assert(f.report->n_results == 2 && f.report->results[0]->value == 2 &&
              f.report->results[1]->value == 3);
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    b.name = long_name;
    ck_assert_int_eq(ak_figures_merge(&f, NULL, 2, both), AKSSL_ERR_INVALID);
    b.name = NULL;
    ck_assert_int_eq(ak_figures_merge(&f, NULL, 2, both), AKSSL_ERR_INVALID);
    for (int i = 0; i < 300; i++)
        many[i] = &a;
    ck_assert_int_eq(ak_figures_merge(&f, NULL, 300, many), AKSSL_ERR_LIMIT);
    ck_assert(f.report->n_results == 2); // unchanged
    bytes = ak_figures_pack(&f, &size);
    ck_assert_int_eq(ak_figures_unpack(&copy, bytes, size), 0);
    ck_assert(copy.report->n_results == 2 && ak_figures_step(&copy) == 5);
    ck_assert_int_eq(ak_figures_unpack(&copy, "\xff\xff", 2), AKSSL_ERR_CORRUPT);
    ck_assert_int_eq(ak_figures_step(&copy), 5);
    free(bytes);
    ak_figures_fini(&f);
    ak_figures_fini(&copy);
}
END_TEST

// Bytes that a damaged or foreign database holds: a message, but not one that was stored.
START_TEST(stored_figures_keep_the_limits)
{
    Akssl__V1__ReportRequest report = AKSSL__V1__REPORT_REQUEST__INIT;
    Akssl__V1__Metric metric = AKSSL__V1__METRIC__INIT;
    Akssl__V1__Metric *many[AK_FIGURES_MAX_RESULTS + 1];
    ak_figures f = { NULL }, bad = { &report };
    size_t size;
    void *bytes;

    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        many[i] = &metric;
    report.results = many;
    report.n_results = 1; // without a name
    bytes = ak_figures_pack(&bad, &size);
    ck_assert_int_eq(ak_figures_unpack(&f, bytes, size), AKSSL_ERR_CORRUPT);
    free(bytes);
    metric.name = (char *)"a";
    report.n_results = sizeof many / sizeof *many; // too many
    bytes = ak_figures_pack(&bad, &size);
    ck_assert_int_eq(ak_figures_unpack(&f, bytes, size), AKSSL_ERR_CORRUPT);
    ck_assert_ptr_null(f.report);
    free(bytes);
}
END_TEST

START_TEST(figures_hold_warnings)
{
    Akssl__V1__Progress progress = AKSSL__V1__PROGRESS__INIT;
    char text[AK_FIGURES_MAX_WARNING + 2], *list[AK_FIGURES_MAX_WARNINGS + 1];
    ak_figures f = { NULL };

    ck_assert(!ak_figures_warns(&f, "collapse"));
    memset(text, 'x', sizeof text);
    text[AK_FIGURES_MAX_WARNING] = '\0';
    for (int i = 0; i <= AK_FIGURES_MAX_WARNINGS; i++)
        list[i] = text;
    progress.warnings = list;
    progress.n_warnings = AK_FIGURES_MAX_WARNINGS;
    ck_assert_int_eq(ak_figures_merge(&f, &progress, 0, NULL), 0);
    ck_assert(ak_figures_warns(&f, text) && !ak_figures_warns(&f, "collapse"));
    progress.n_warnings++;
    ck_assert_int_eq(ak_figures_merge(&f, &progress, 0, NULL), AKSSL_ERR_LIMIT);
    progress.n_warnings = 1;
    text[AK_FIGURES_MAX_WARNING] = 'x';
    text[AK_FIGURES_MAX_WARNING + 1] = '\0';
    ck_assert_int_eq(ak_figures_merge(&f, &progress, 0, NULL), AKSSL_ERR_LIMIT);
    ck_assert_uint_eq(f.report->progress->n_warnings, AK_FIGURES_MAX_WARNINGS); // unchanged
    progress.n_warnings = 0;
    ck_assert_int_eq(ak_figures_merge(&f, &progress, 0, NULL), 0);
    ck_assert_uint_eq(f.report->progress->n_warnings, 0); // what is over is gone
    ak_figures_fini(&f);
}
END_TEST

AK_TEST_MAIN(AK_CASE(every_call_has_its_handler), AK_CASE(every_launcher_names_run_and_secret),
             AK_CASE(arguments), AK_CASE(a_launcher_is_settled), AK_CASE(every_call_says_who_may),
             AK_CASE(no_mpirun_is_told), AK_CASE(figures_merge),
             AK_CASE(stored_figures_keep_the_limits), AK_CASE(figures_hold_warnings))
