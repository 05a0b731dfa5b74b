// client/cli/monitor.c -- follow a job to its end: what watch, wait and submit share.

#include "client/cli/monitor.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "client/cli/json.h"
#include "client/cli/line.h"
#include "client/cli/signals.h"
#include "client/cli/spark.h"
#include "client/cli/text.h"

enum { LINE_EVERY_MS = 1000, DRAW_EVERY_MS = 100, WARNINGS = 8, WARNING = 257 };

typedef struct monitor {
    const ak_cli *cli;
    ak_monitor_style style;
    FILE *out;
    bool terminal;         // out is one: a bar is redrawn in place
    bool drawn;            // the bar is on the screen
    size_t drawn_cells;    // its columns, for terminals that cannot erase a line
    akssl_job_state state; // as last shown
    int64_t step;          // the same
    int64_t shown_ms;      // when
    int signal;            // that stopped it
    ak_spark losses;       // that were shown
    size_t warning_count;  // of the last progress, and their texts
    char warnings[WARNINGS][WARNING];
} monitor;

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// ---- the bar

static void erase(monitor *m)
{
    if (!m->drawn)
        return;
    fprintf(m->out, "\r%*s\r", (int)m->drawn_cells, "");
    fflush(m->out);
    m->drawn = false;
}

// The loss's course goes behind the bar where there is room for it.
static size_t draw_losses(const monitor *m, const ak_line_look *look, size_t cells)
{
    char text[AK_SPARK_BYTES];

    ak_spark_text(&m->losses, text);
    if (!look->blocks || !text[0] || cells + AK_SPARK_CELLS + 3 > look->width)
        return 0;
    fprintf(m->out, "  %s", text);
    return 2 + ak_text_cells(text);
}

static void draw(monitor *m, const akssl_job *job)
{
    ak_line_look look = ak_line_look_of(m->out), plain = look;
    char text[AK_LINE_MAX];
    size_t cells;

    plain.colour = false;
    ak_line_bar(job, &plain, text, sizeof text);
    cells = ak_text_cells(text);
    ak_line_bar(job, &look, text, sizeof text);
    fprintf(m->out, "\r%s", text);
    cells += draw_losses(m, &look, cells);
    fprintf(m->out, "%*s", m->drawn && m->drawn_cells > cells ? (int)(m->drawn_cells - cells) : 0,
            "");
    fflush(m->out);
    m->drawn = true;
    m->drawn_cells = cells;
}

// ---- events

static void show_text(monitor *m, const akssl_job *job)
{
    int64_t step = job->progress ? job->progress->step : -1;
    int64_t quiet_ms = now_ms() - m->shown_ms;
    bool moved = job->state != m->state;
    char text[AK_LINE_MAX];

    if (akssl_job_state_final(job->state))
        return; // the final line says it
    if (!moved && (step == m->step || quiet_ms < (m->terminal ? DRAW_EVERY_MS : LINE_EVERY_MS)))
        return;
    if (step != m->step && job->progress)
        ak_spark_add(&m->losses, job->progress->loss);
    m->state = job->state;
    m->step = step;
    m->shown_ms = now_ms();
    if (m->terminal) {
        draw(m, job);
        return;
    }
    ak_line_plain(job, text, sizeof text);
    fprintf(m->out, "%s\n", text);
    fflush(m->out);
}

static bool is_known(const monitor *m, const char *warning)
{
    for (size_t i = 0; i < m->warning_count; i++)
        if (strncmp(m->warnings[i], warning, WARNING - 1) == 0)
            return true;
    return false;
}

// show_warnings prints those that the last progress did not have, above the bar.
static void show_warnings(monitor *m, const akssl_progress *p)
{
    size_t count = p->warning_count < WARNINGS ? p->warning_count : WARNINGS;

    for (size_t i = 0; i < count; i++) {
        if (is_known(m, p->warnings[i]))
            continue;
        erase(m);
        fputs("warning: ", m->out);
        ak_text_put(m->out, p->warnings[i]);
        fputc('\n', m->out);
        m->shown_ms = 0; // and the bar again
        m->step = -1;
    }
    for (size_t i = 0; i < count; i++)
        snprintf(m->warnings[i], WARNING, "%s", p->warnings[i]);
    m->warning_count = count;
    fflush(m->out);
}

static void show_json(monitor *m, const akssl_event *event)
{
    static const char *const names[] = {
        [AKSSL_EVENT_JOB] = "job",
        [AKSSL_EVENT_LOST] = "lost",
        [AKSSL_EVENT_BACK] = "back",
    };
    json_t *object = json_object();

    json_object_set_new(object, "event", json_string(names[event->kind]));
    if (event->kind == AKSSL_EVENT_JOB)
        json_object_set_new(object, "job", ak_json_job(event->job));
    if (event->kind == AKSSL_EVENT_LOST)
        json_object_set_new(object, "reason", ak_json_text(event->reason, strlen(event->reason)));
    ak_json_print(m->out, object);
}

static void say_lost(monitor *m, const akssl_event *event)
{
    erase(m);
    if (event->kind == AKSSL_EVENT_LOST)
        ak_cli_error(0, "lost the daemon (%s): trying to reach it again", event->reason);
    else
        ak_cli_error(0, "the daemon is back");
    m->state = AKSSL_JOB_UNKNOWN; // show the job again, whatever it does
}

// say_paused is for who waits without looking: the job goes on only when somebody resumes it.
static void say_paused(monitor *m, const akssl_job *job)
{
    if (job->state == AKSSL_JOB_PAUSED && m->state != AKSSL_JOB_PAUSED)
        ak_cli_error(0,
                     "job %" PRId64 " is paused: `akssl-client resume %" PRId64 "` lets it go on",
                     job->id, job->id);
    m->state = job->state;
}

static int on_event(void *ctx, const akssl_event *event)
{
    monitor *m = ctx;

    m->signal = ak_signals_seen(m->cli);
    if (m->signal || ferror(m->out))
        return 1;
    if (event->kind == AKSSL_EVENT_LOST || event->kind == AKSSL_EVENT_BACK)
        say_lost(m, event);
    if (m->style == AK_MONITOR_QUIET && event->kind == AKSSL_EVENT_JOB)
        say_paused(m, event->job);
    if (m->style == AK_MONITOR_JSON && event->kind != AKSSL_EVENT_TICK)
        show_json(m, event);
    if (m->style == AK_MONITOR_TEXT && event->kind == AKSSL_EVENT_JOB && event->job->progress)
        show_warnings(m, event->job->progress);
    if (m->style == AK_MONITOR_TEXT && event->job &&
        (event->kind == AKSSL_EVENT_JOB || event->kind == AKSSL_EVENT_TICK))
        show_text(m, event->job);
    return 0;
}

int ak_monitor_run(const ak_cli *cli, akssl_client *client, int64_t id, ak_monitor_style style,
                   FILE *out, akssl_job **last)
{
    monitor m = { .cli = cli, .style = style, .out = out, .step = -1 };
    akssl_job *job = NULL;
    akssl_status rc;
    int code;

    m.terminal = style == AK_MONITOR_TEXT && ak_text_width(out) > 0;
    rc = akssl_client_watch(client, id, on_event, &m, &job);
    erase(&m);
    if (m.signal)
        return ak_cli_error(128 + m.signal,
                            "stopped; job %" PRId64 " goes on: `akssl-client watch %" PRId64
                            "` follows it again, `akssl-client cancel %" PRId64 "` ends it",
                            id, id, id);
    if (rc == AKSSL_ERR_CANCELLED && ferror(out))
        return AK_EXIT_FAILED; // main says why
    if (rc < 0)
        return ak_cli_failed(rc);
    if (style == AK_MONITOR_TEXT)
        ak_line_final(job, out);
    fflush(out);
    code = job->state == AKSSL_JOB_SUCCEEDED ? AK_EXIT_DONE : AK_EXIT_FAILED;
    if (last)
        *last = job;
    else
        akssl_job_free(job);
    return code;
}
