// daemon/checker.c -- is this spec one that a worker will run?

#include "daemon/checker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/auth/roots.h"
#include "daemon/files.h"
#include "daemon/job.h"
#include "daemon/look.h"
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
    char *question;  // its YAML without what only scheduling looks at; NULL: with a state
    char *path;      // of the spec as a file, once it is asked
    char *state;     // of the state that it starts from; NULL: none
    int64_t seen_ns; // when the kept answer was made that was looked at last; 0: none was
    ak_look *look;   // its paths, or a kept answer's files, are looked at
    ak_tool *tool;   // NULL: waits, or is looked at
};

struct ak_checker {
    uv_loop_t *loop;
    const ak_config *config;
    char *folder;
    int64_t number;
    ak_check *running, *waiting; // waiting: oldest first
    int running_count, waiting_count;
    ak_verdicts *verdicts;
    ak_looks *looks;
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
    c->looks = ak_looks_new(loop, AK_LOOK_MS, AK_LOOKS_ALIKE);
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
    ak_looks_free(c->looks);
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
    ak_look_cancel(check->look);
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
        return ak_fail(AKSSL_ERR_DEADLINE,
                       "the check of the spec, which lists the data set and builds the network, "
                       "took over %d s: submit it again when the machine, its disks and file "
                       "servers are less busy",
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

// ---- looking

static void advance(ak_checker *c);

typedef struct sight {
    char *state_dir, *data_root; // the thread may outlive the config
    bool admin;
    ak_spec *named; // whose paths are held against the roots; NULL: none
    char *answer;   // that was kept, and whose files are looked at; NULL: none
    bool holds;
} sight;

static akssl_status look(void *ctx)
{
    sight *s = ctx;
    const ak_roots roots = { s->state_dir, s->data_root, s->admin };
    akssl_status rc = s->named ? ak_roots_check(&roots, s->named) : AKSSL_OK;

    s->holds = rc == AKSSL_OK && s->answer && ak_verdicts_holds(s->answer);
    return rc;
}

static void sight_free(void *ctx)
{
    sight *s = ctx;

    if (s->named)
        ak_spec_fini(s->named);
    free(s->named);
    free(s->state_dir);
    free(s->data_root);
    free(s->answer);
    free(s);
}

static void on_looked(void *asker, void *seen, akssl_status rc, const char *error)
{
    ak_check *check = asker;
    ak_checker *c = check->checker;
    sight *s = seen;

    check->look = NULL;
    if (rc == AKSSL_ERR_DEADLINE && !s)
        rc = ak_fail(rc,
                     "dataset '%s', or another file that the spec names, did not answer within %d "
                     "s: is its file server up? Submit again once it is",
                     check->spec.dataset, AK_LOOK_MS / 1000);
    else if (rc < 0)
        rc = ak_fail(rc, "%s", error);
    if (rc < 0)
        report(check, rc, "", 0);
    else if (s->holds)
        report(check, rc, s->answer, strlen(s->answer));
    if (rc < 0 || s->holds)
        check_free(check);
    advance(c);
}

static const ak_look_kind looked = { .run = look, .release = sight_free, .done = on_looked };

// start_look looks at the paths of named (NULL: none), and at the files of answer (NULL: none),
// which was made then.
static void start_look(ak_check *check, const ak_spec *named, bool admin, const char *answer,
                       int64_t made_ns)
{
    ak_checker *c = check->checker;
    sight *s = ak_alloc(1, sizeof *s);

    s->state_dir = ak_strdup(c->config->state_dir);
    s->data_root = ak_strdup(c->config->data_root);
    s->admin = admin;
    if (named) {
        s->named = ak_alloc(1, sizeof *s->named);
        ak_spec_copy(s->named, named);
    }
    if (answer)
        s->answer = ak_strdup(answer);
    check->seen_ns = made_ns;
    check->look = ak_look_start(c->looks, &looked, check->spec.dataset, s, check);
}

// known gives a kept answer to the question that was not looked at yet, or NULL.
static const char *known(const ak_check *check, int64_t *made_ns)
{
    const char *answer = check->question
                             ? ak_verdicts_find(check->checker->verdicts, check->question, made_ns)
                             : NULL;

    return answer && *made_ns > check->seen_ns ? answer : NULL;
}

// ---- running

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

// go_on has a check that waits looked at or asked; false: it waits on.
static bool go_on(ak_check *check)
{
    const char *answer;
    int64_t made_ns;
    akssl_status rc;

    if (check->look)
        return false;
    answer = known(check, &made_ns);
    if (answer) {
        start_look(check, NULL, false, answer, made_ns);
        return true;
    }
    if (!may_run(check))
        return false;
    rc = run(check);
    if (rc < 0) {
        report(check, rc, "", 0);
        check_free(check);
    }
    return true;
}

// advance gives checks that wait their turn, oldest first; a few at once, for others' sake.
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

static ak_check *check_new(ak_checker *c, const ak_check_ask *ask)
{
    ak_check *check = ak_alloc(1, sizeof *check), **last = &c->waiting;

    check->checker = c;
    ak_spec_copy(&check->spec, ask->spec);
    if (ask->state)
        check->state = ak_strdup(ask->state);
    else
        check->question = question_of(ask->spec);
    while (*last)
        last = &(*last)->next;
    *last = check;
    c->waiting_count++;
    return check;
}

akssl_status ak_checker_start(ak_check **out, ak_checker *c, const ak_check_ask *ask,
                              ak_check_done done, void *ctx)
{
    const ak_roots roots = { c->config->state_dir, c->config->data_root, ask->admin };
    const char *answer;
    int64_t made_ns = 0;
    ak_check *check;
    akssl_status rc;

    if (c->waiting_count == AK_CHECKER_WAITING)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "%d submissions wait to be checked already: try again later",
                       AK_CHECKER_WAITING);
    check = check_new(c, ask);
    check->done = done;
    check->ctx = ctx;
    answer = known(check, &made_ns);
    if (answer || ak_roots_asks(&roots, ask->named)) {
        start_look(check, ask->named, ask->admin, answer, made_ns);
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
