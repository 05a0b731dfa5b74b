// daemon/checker.c -- is this spec one that a worker will run?

#include "daemon/checker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/job.h"
#include "daemon/tool.h"
#include "daemon/verdicts.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum {
    TIMEOUT_MS = 20000,
    AT_ONCE = 8,
    NOT_PERMITTED = 77
}; // 77: as worker/command/command.h has it

struct ak_check {
    ak_checker *checker;
    ak_check *next; // in the list that it is in
    ak_check_done done;
    void *ctx;
    ak_spec spec;
    char *question; // its YAML without what only scheduling looks at; NULL: with a state
    char *path;     // of the spec as a file, once it is asked
    char *state;    // of the state that it starts from; NULL: none
    ak_tool *tool;  // NULL: waits
};

struct ak_checker {
    uv_loop_t *loop;
    const ak_config *config;
    char *folder;
    int64_t number;
    ak_check *running, *waiting; // waiting: oldest first
    int running_count, waiting_count;
    ak_verdicts *verdicts;
    uv_timer_t *turn; // runs when a check that waits can go on; closes by itself after free
};

static void on_turn(uv_timer_t *timer);

akssl_status ak_checker_new(ak_checker **out, uv_loop_t *loop, const ak_config *config)
{
    ak_checker *c = ak_alloc(1, sizeof *c);
    akssl_status rc;

    c->loop = loop;
    c->config = config;
    c->verdicts = ak_verdicts_new(config->worker);
    c->turn = ak_alloc(1, sizeof *c->turn);
    uv_timer_init(loop, c->turn);
    c->turn->data = c;
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

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void ak_checker_free(ak_checker *c)
{
    if (!c)
        return;
    while (c->waiting)
        ak_check_cancel(c->waiting);
    while (c->running)
        ak_check_cancel(c->running);
    uv_close((uv_handle_t *)c->turn, on_closed);
    ak_verdicts_free(c->verdicts);
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
    if (check->path)
        unlink(check->path);
    ak_spec_fini(&check->spec);
    free(check->question);
    free(check->path);
    free(check->state);
    free(check);
}

// ---- the verdict

static akssl_status judge(ak_tool_result *r)
{
    const char *complaint = ak_tool_complaint(r);

    if (r->timed_out)
        return ak_fail(
            AKSSL_ERR_DEADLINE,
            "the check of the spec, which lists the data set and builds the network, "
            "took over %d s: submit it again when the machine and its disks are less busy",
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

// read_answer makes the resolved spec of what was printed.
static akssl_status read_answer(const ak_check *check, const char *text, size_t length,
                                ak_spec *spec, ak_str *yaml)
{
    akssl_status rc = ak_spec_read_yaml(spec, text, length, "akssl-worker check's answer");

    if (rc == AKSSL_OK) { // it may be the answer to the same question with another name
        ak_text_set(&spec->name, check->spec.name);
        ak_text_set(&spec->time, check->spec.time);
        ak_text_set(&spec->after, check->spec.after);
        spec->priority = check->spec.priority;
        rc = ak_spec_write_yaml(spec, yaml);
    }
    return rc < 0 ? ak_wrap(AKSSL_ERR_INTERNAL, "is akssl-worker of akssld's version?") : rc;
}

// report gives text, which is an answer if rc is OK.
static void report(ak_check *check, akssl_status rc, const char *text, size_t length)
{
    char *estimate = estimate_of(text);
    ak_str yaml = AK_STR_INIT;
    ak_check_result result = { .rc = rc };
    ak_spec spec;

    ak_spec_init(&spec);
    if (rc == AKSSL_OK)
        result.rc = read_answer(check, text, length, &spec, &yaml);
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

static void advance(ak_checker *c);

static void on_done(void *ctx, ak_tool_result *r)
{
    ak_check *check = ctx;
    ak_checker *c = check->checker;
    const char *text = r->out.text ? r->out.text : "";
    akssl_status rc = judge(r);

    if (rc == AKSSL_OK && check->question)
        ak_verdicts_keep(c->verdicts, check->question, text);
    report(check, rc, text, r->out.length);
    check_free(check);
    advance(c);
}

static akssl_status write_spec(ak_check *check)
{
    ak_checker *c = check->checker;
    char *path = ak_path("%s/check-%" PRId64 ".yaml", c->folder, ++c->number);
    ak_str yaml = AK_STR_INIT;
    akssl_status rc = ak_spec_write_yaml(&check->spec, &yaml);

    if (rc == AKSSL_OK)
        rc = ak_files_write(path, yaml.text, yaml.length);
    ak_str_fini(&yaml);
    if (rc == AKSSL_OK)
        check->path = path;
    else
        free(path);
    return rc;
}

static akssl_status run(ak_check *check)
{
    ak_checker *c = check->checker;
    akssl_status rc = write_spec(check);
    char *argv[] = {
        c->config->worker, (char *)"check", (char *)"--spec", check->path, NULL, NULL, NULL
    };
    ak_tool *tool;

    if (rc == AKSSL_OK && check->state) {
        argv[4] = (char *)"--state";
        argv[5] = check->state;
    }
    if (rc == AKSSL_OK)
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

// may_run says whether there is room, and nobody asks the same already.
static bool may_run(const ak_check *check)
{
    const ak_checker *c = check->checker;

    if (c->running_count == AK_CHECKER_RUNNING)
        return false;
    for (const ak_check *other = c->running; other; other = other->next)
        if (check->question && other->question && strcmp(check->question, other->question) == 0)
            return false;
    return true;
}

static const char *known(const ak_check *check)
{
    return check->question ? ak_verdicts_find(check->checker->verdicts, check->question) : NULL;
}

// go_on answers a check that waits, or has it asked; false: it waits on.
static bool go_on(ak_check *check)
{
    const char *answer = known(check);
    akssl_status rc = AKSSL_OK;

    if (answer) {
        report(check, AKSSL_OK, answer, strlen(answer));
    } else if (!may_run(check)) {
        return false;
    } else {
        rc = run(check);
        if (rc < 0)
            report(check, rc, "", 0);
    }
    if (answer || rc < 0)
        check_free(check);
    return true;
}

// advance gives checks that wait their turn, oldest first; a few at once, since a submission that
// is answered is written to disk before the next.
static void advance(ak_checker *c)
{
    ak_check *check = c->waiting;
    int moved = 0;

    while (check && moved < AT_ONCE)
        if (go_on(check)) {
            check = c->waiting; // from the start: the list has changed
            moved++;
        } else {
            check = check->next;
        }
    if (check)
        uv_timer_start(c->turn, on_turn, 0, 0);
}

static void on_turn(uv_timer_t *timer)
{
    advance(timer->data);
}

static char *question_of(const ak_spec *spec)
{
    ak_str yaml = AK_STR_INIT;
    ak_spec plain;

    ak_spec_copy(&plain, spec);
    ak_text_set(&plain.name, "");
    ak_text_set(&plain.time, "");
    ak_text_set(&plain.after, "");
    plain.priority = 0;
    if (ak_spec_write_yaml(&plain, &yaml) < 0)
        ak_str_fini(&yaml);
    ak_spec_fini(&plain);
    return yaml.text;
}

static ak_check *check_new(ak_checker *c, const ak_spec *spec, const char *state)
{
    ak_check *check = ak_alloc(1, sizeof *check), **last = &c->waiting;

    check->checker = c;
    ak_spec_copy(&check->spec, spec);
    if (state)
        check->state = ak_strdup(state);
    else
        check->question = question_of(spec);
    while (*last)
        last = &(*last)->next;
    *last = check;
    c->waiting_count++;
    return check;
}

akssl_status ak_checker_start(ak_check **out, ak_checker *c, const ak_spec *spec, const char *state,
                              ak_check_done done, void *ctx)
{
    ak_check *check;
    akssl_status rc;

    if (c->waiting_count == AK_CHECKER_WAITING)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "%d submissions wait to be checked already: try again later",
                       AK_CHECKER_WAITING);
    check = check_new(c, spec, state);
    check->done = done;
    check->ctx = ctx;
    if (known(check)) {
        uv_timer_start(c->turn, on_turn, 0, 0);
    } else if (may_run(check)) {
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
    uv_timer_start(c->turn, on_turn, 0, 0);
}
