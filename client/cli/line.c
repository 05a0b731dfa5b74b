// client/cli/line.c -- a job's progress as one line of text.

#include "client/cli/line.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/cli/text.h"

enum { PART = 96, LEAST_BAR = 8, MOST_BAR = 40, SMALLEST = 20 };

static bool is_utf8(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);

        if (value && value[0])
            return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
    }
    return false;
}

ak_line_look ak_line_look_of(FILE *terminal)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool dumb = !term || !term[0] || strcmp(term, "dumb") == 0;

    return (ak_line_look){
        .width = ak_text_width(terminal),
        .colour = !dumb && !(no_colour && no_colour[0]),
        .blocks = !dumb && is_utf8(),
    };
}

// ---- the parts

static double share(const akssl_job *job)
{
    const akssl_progress *p = job->progress;

    if (!p || p->total_steps <= 0 || p->step < 0)
        return -1;
    return p->step >= p->total_steps ? 1 : (double)p->step / (double)p->total_steps;
}

static void put_number(char *part, const char *format, double value, int digits)
{
    char number[32];

    part[0] = '\0';
    if (isnan(value))
        return;
    ak_text_number(value, digits, number, sizeof number);
    snprintf(part, PART, format, number);
}

static void put_speed(char *part, double speed)
{
    part[0] = '\0';
    if (!isnan(speed))
        snprintf(part, PART, speed < 100 ? "  %.1f images/s" : "  %.0f images/s", speed);
}

static void put_eta(char *part, double seconds)
{
    char time[32];

    part[0] = '\0';
    if (isnan(seconds))
        return;
    ak_text_duration(seconds, time, sizeof time);
    snprintf(part, PART, "  ETA %s", time);
}

enum { STEP, LOSS, ETA, SPEED, EPOCH, PARTS };

// Each part brings the gap before it; "" when it is not known.
static void make_parts(const akssl_job *job, char parts[PARTS][PART])
{
    const akssl_progress *p = job->progress;

    memset(parts, 0, PARTS * (size_t)PART);
    if (!p)
        return;
    if (p->total_steps > 0)
        snprintf(parts[STEP], PART, "  step %" PRId64 "/%" PRId64, p->step, p->total_steps);
    else
        snprintf(parts[STEP], PART, "  step %" PRId64, p->step);
    if (p->step == 0)
        return; // nothing has been measured
    put_number(parts[LOSS], "  loss %s", p->loss, 4);
    put_number(parts[EPOCH], "  epoch %s", isnan(p->epoch) ? p->epoch : round(p->epoch * 100) / 100,
               4);
    put_speed(parts[SPEED], p->images_per_s);
    if (!akssl_job_state_final(job->state))
        put_eta(parts[ETA], p->eta_s);
}

// ---- the line

typedef struct line {
    char *text;
    size_t size, used, cells, width; // width: columns it may take
    bool colour;
} line;

static void append(line *l, const char *colour, const char *text)
{
    size_t bytes = ak_text_fit(text, l->width - l->cells);
    int n;

    if (bytes == 0)
        return;
    n = snprintf(l->text + l->used, l->size - l->used, "%s%.*s%s", l->colour ? colour : "",
                 (int)bytes, text, l->colour && colour[0] ? "\033[0m" : "");
    if (n < 0 || (size_t)n >= l->size - l->used) {
        l->text[l->used] = '\0';
        return;
    }
    l->used += (size_t)n;
    l->cells +=
        ak_text_cells(text) < l->width - l->cells ? ak_text_cells(text) : l->width - l->cells;
}

static const char *colour_of(akssl_job_state state)
{
    switch (state) {
    case AKSSL_JOB_SUCCEEDED:
        return "\033[32m";
    case AKSSL_JOB_FAILED:
        return "\033[31m";
    case AKSSL_JOB_CANCELLED:
    case AKSSL_JOB_TIMEOUT:
    case AKSSL_JOB_PAUSED:
        return "\033[33m";
    case AKSSL_JOB_RUNNING:
        return "\033[36m";
    case AKSSL_JOB_QUEUED:
    case AKSSL_JOB_STARTING:
    case AKSSL_JOB_UNKNOWN:
        break;
    }
    return "\033[1m";
}

static void append_head(line *l, const akssl_job *job)
{
    char text[64];

    snprintf(text, sizeof text, "job %" PRId64 " ", job->id);
    append(l, "", text);
    append(l, colour_of(job->state), akssl_job_state_text(job->state));
}

static void append_reason(line *l, const akssl_job *job)
{
    char *clean = NULL;
    size_t length;
    FILE *out;

    if (!job->reason[0])
        return;
    out = open_memstream(&clean, &length);
    if (!out)
        return;
    ak_text_put(out, job->reason);
    if (fclose(out) == 0) {
        append(l, "", ": ");
        append(l, "", clean);
    }
    free(clean);
}

static void append_bar(line *l, double done, size_t length, bool blocks)
{
    const char *full = blocks ? "\xe2\x96\x88" : "#", *empty = blocks ? "\xe2\x96\x91" : ".";
    size_t filled = (size_t)(done * (double)length + 0.5);
    char bar[MOST_BAR * 3 + 1] = "";

    append(l, "", " [");
    for (size_t i = 0; i < filled; i++)
        strcat(bar, full);
    append(l, "\033[32m", bar);
    bar[0] = '\0';
    for (size_t i = filled; i < length; i++)
        strcat(bar, empty);
    append(l, "", bar);
    append(l, "", "]");
}

void ak_line_bar(const akssl_job *job, const ak_line_look *look, char *text, size_t size)
{
    line l = { .text = text, .size = size, .width = SMALLEST, .colour = look->colour };
    char parts[PARTS][PART], percent[16];
    double done = share(job);
    size_t need, shown = 0, bar;

    text[0] = '\0';
    if (look->width > SMALLEST)
        l.width = look->width - 1; // the last column would wrap on some terminals
    append_head(&l, job);
    if (done < 0) {
        append_reason(&l, job);
        return;
    }
    make_parts(job, parts);
    snprintf(percent, sizeof percent, " %3.0f%%", floor(done * 100));
    need = l.cells + strlen(percent) + LEAST_BAR + strlen(" []");
    while (shown < PARTS && need + strlen(parts[shown]) <= l.width)
        need += strlen(parts[shown++]);
    if (need <= l.width) {
        bar = LEAST_BAR + (l.width - need);
        append_bar(&l, done, bar < MOST_BAR ? bar : MOST_BAR, look->blocks);
    }
    append(&l, "", percent);
    for (size_t i = 0; i < shown; i++)
        append(&l, "", parts[i]);
}

void ak_line_plain(const akssl_job *job, char *text, size_t size)
{
    line l = { .text = text, .size = size, .width = size - 1 };
    char parts[PARTS][PART], percent[16];
    double done = share(job);

    text[0] = '\0';
    append_head(&l, job);
    append_reason(&l, job);
    if (done >= 0) {
        snprintf(percent, sizeof percent, "  %.0f%%", floor(done * 100));
        append(&l, "", percent);
    }
    make_parts(job, parts);
    for (size_t i = 0; i < PARTS; i++)
        append(&l, "", parts[i]);
}

void ak_line_final(const akssl_job *job, FILE *out)
{
    const akssl_progress *p = job->progress;
    const char *gap = ": ";
    char text[64];

    fprintf(out, "job %" PRId64 " %s", job->id, akssl_job_state_text(job->state));
    if (job->started_ms >= 0 && job->ended_ms >= job->started_ms) {
        ak_text_duration((double)(job->ended_ms - job->started_ms) / 1e3, text, sizeof text);
        fprintf(out, " after %s", text);
    }
    if (job->reason[0]) {
        fputs(gap, out);
        ak_text_put(out, job->reason);
        gap = ", ";
    }
    if (p && p->step >= 0) {
        fprintf(out, "%sstep %" PRId64, gap, p->step);
        if (p->total_steps > 0)
            fprintf(out, "/%" PRId64, p->total_steps);
        gap = ", ";
    }
    if (p && !isnan(p->loss)) {
        ak_text_number(p->loss, 4, text, sizeof text);
        fprintf(out, "%sloss %s", gap, text);
        gap = ", ";
    }
    for (size_t i = 0; i < job->result_count; i++, gap = ", ") {
        ak_text_number(job->results[i].value, 5, text, sizeof text);
        fputs(gap, out);
        ak_text_put(out, job->results[i].name);
        fprintf(out, " %s", text);
    }
    if (job->weights[0]) {
        fprintf(out, "%sweights ", gap);
        ak_text_put(out, job->weights);
    }
    fputc('\n', out);
}
