// daemon/checker.c -- is this spec one that a worker will run?

#include "daemon/checker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/tool.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { TIMEOUT_MS = 20000, NOT_PERMITTED = 77 }; // 77: as worker/command/command.h has it

struct ak_check {
    ak_checker *checker;
    ak_check *next; // in the list that it is in
    ak_check_done done;
    void *ctx;
    char *path;    // of the spec as a file
    char *state;   // of the state that it starts from; NULL: none
    ak_tool *tool; // NULL: waits
};

struct ak_checker {
    uv_loop_t *loop;
    const ak_config *config;
    char *folder;
    int64_t number;
    ak_check *running, *waiting; // waiting: oldest first
    int running_count, waiting_count;
};

akssl_status ak_checker_new(ak_checker **out, uv_loop_t *loop, const ak_config *config)
{
    ak_checker *c = ak_alloc(1, sizeof *c);
    akssl_status rc;

    c->loop = loop;
    c->config = config;
    c->folder = ak_path("%s/tmp", config->state_dir);
    rc = ak_files_remove(c->folder);
    if (rc == AKSSL_OK)
        rc = ak_files_make(c->folder);
    if (rc < 0) {
        ak_checker_free(c);
        return rc;
    }
    *out = c;
    return AKSSL_OK;
}

void ak_checker_free(ak_checker *c)
{
    if (!c)
        return;
    while (c->waiting)
        ak_check_cancel(c->waiting);
    while (c->running)
        ak_check_cancel(c->running);
    free(c->folder);
    free(c);
}

static void unlink_from(ak_check **list, ak_check *check)
{
    while (*list && *list != check)
        list = &(*list)->next;
    if (*list)
        *list = check->next;
}

static void check_free(ak_check *check)
{
    ak_checker *c = check->checker;

    if (check->tool) {
        unlink_from(&c->running, check);
        c->running_count--;
    } else {
        unlink_from(&c->waiting, check);
        c->waiting_count--;
    }
    unlink(check->path);
    free(check->path);
    free(check->state);
    free(check);
}

// ---- the verdict

static akssl_status judge(ak_tool_result *r)
{
    const char *complaint = ak_tool_complaint(r);

    if (r->timed_out)
        return ak_fail(AKSSL_ERR_DEADLINE,
                       "the check of the spec took over %d s: is the data set's "
                       "disk slow?",
                       TIMEOUT_MS / 1000);
    if (r->overflowed)
        return ak_fail(AKSSL_ERR_INTERNAL, "akssl-worker check printed too much");
    if (r->signal)
        return ak_fail(AKSSL_ERR_INTERNAL, "akssl-worker check was ended by signal %d%s%s",
                       r->signal, complaint[0] ? ": " : "", complaint);
    if (r->exit_code)
        return ak_fail(r->exit_code == NOT_PERMITTED ? AKSSL_ERR_PERMISSION : AKSSL_ERR_INVALID,
                       "%s",
                       complaint[0] ? complaint : "akssl-worker check refused it without a word");
    return AKSSL_OK;
}

static char *estimate_of(const char *text)
{
    static const char mark[] = "# estimate:";

    if (strncmp(text, mark, sizeof mark - 1) != 0)
        return ak_strdup("");
    text += sizeof mark - 1;
    text += strspn(text, " ");
    return ak_path("%.*s", (int)strcspn(text, "\r\n"), text);
}

static void report(ak_check *check, ak_tool_result *r)
{
    const char *text = r->out.text ? r->out.text : "";
    char *estimate = estimate_of(text);
    ak_str yaml = AK_STR_INIT;
    ak_check_result result = { 0 };
    ak_spec spec;

    ak_spec_init(&spec);
    result.rc = judge(r);
    if (result.rc == AKSSL_OK) {
        result.rc = ak_spec_read_yaml(&spec, text, r->out.length, "akssl-worker check's answer");
        if (result.rc == AKSSL_OK)
            result.rc = ak_spec_write_yaml(&spec, &yaml);
        if (result.rc < 0)
            result.rc = ak_wrap(AKSSL_ERR_INTERNAL, "is akssl-worker of akssld's version?");
    }
    result.sentence = result.rc < 0 ? ak_error_text() : "";
    result.spec = &spec;
    result.yaml = yaml.text;
    result.estimate = estimate;
    check->done(check->ctx, &result);
    free(estimate);
    ak_str_fini(&yaml);
    ak_spec_fini(&spec);
}

// ---- running

static void start_waiting(ak_checker *c);

static void on_done(void *ctx, ak_tool_result *r)
{
    ak_check *check = ctx;
    ak_checker *c = check->checker;

    report(check, r);
    check_free(check);
    start_waiting(c);
}

static akssl_status run(ak_check *check)
{
    ak_checker *c = check->checker;
    char *argv[] = {
        c->config->worker, (char *)"check", (char *)"--spec", check->path, NULL, NULL, NULL
    };
    ak_tool *tool;
    akssl_status rc;

    if (check->state) {
        argv[4] = (char *)"--state";
        argv[5] = check->state;
    }
    rc = ak_tool_start(&tool, c->loop, argv, TIMEOUT_MS, on_done, check);
    if (rc < 0)
        return rc;
    unlink_from(&c->waiting, check);
    c->waiting_count--;
    check->tool = tool;
    check->next = c->running;
    c->running = check;
    c->running_count++;
    return AKSSL_OK;
}

static void start_waiting(ak_checker *c)
{
    while (c->waiting && c->running_count < AK_CHECKER_RUNNING) {
        ak_check *check = c->waiting;
        akssl_status rc = run(check);

        if (rc < 0) {
            check->done(check->ctx, &(ak_check_result){ .rc = rc, .sentence = ak_error_text() });
            check_free(check);
        }
    }
}

static akssl_status write_spec(ak_checker *c, const ak_spec *spec, char **path)
{
    ak_str yaml = AK_STR_INIT;
    akssl_status rc;

    *path = ak_path("%s/check-%" PRId64 ".yaml", c->folder, ++c->number);
    rc = ak_spec_write_yaml(spec, &yaml);
    if (rc == AKSSL_OK)
        rc = ak_files_write(*path, yaml.text, yaml.length);
    ak_str_fini(&yaml);
    if (rc < 0)
        free(*path);
    return rc;
}

akssl_status ak_checker_start(ak_check **out, ak_checker *c, const ak_spec *spec, const char *state,
                              ak_check_done done, void *ctx)
{
    ak_check *check, **last = &c->waiting;
    akssl_status rc;
    char *path;

    if (c->waiting_count == AK_CHECKER_WAITING)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "%d submissions wait to be checked already: try again later",
                       AK_CHECKER_WAITING);
    rc = write_spec(c, spec, &path);
    if (rc < 0)
        return rc;
    check = ak_alloc(1, sizeof *check);
    *check = (ak_check){ .checker = c, .done = done, .ctx = ctx, .path = path };
    check->state = state ? ak_strdup(state) : NULL;
    while (*last)
        last = &(*last)->next;
    *last = check;
    c->waiting_count++;
    if (c->running_count < AK_CHECKER_RUNNING) {
        rc = run(check);
        if (rc < 0) {
            check_free(check);
            return rc;
        }
    }
    *out = check;
    return AKSSL_OK;
}

void ak_check_cancel(ak_check *check)
{
    ak_checker *c;

    if (!check)
        return;
    c = check->checker;
    ak_tool_cancel(check->tool);
    check_free(check);
    start_waiting(c);
}
