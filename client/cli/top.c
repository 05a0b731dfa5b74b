// client/cli/top.c -- top: the jobs that have not ended, live.
//
// On a terminal the table is drawn again every second, in place, until q or Ctrl-C; elsewhere it is
// printed once.  The terminal's modes are put back, whatever ends it but SIGKILL.

#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/signals.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

enum { SECOND_MS = 1000, PATIENCE_MS = 60000, MOST_ROWS = 1000 };

static const akssl_job_state states[] = { AKSSL_JOB_RUNNING, AKSSL_JOB_STARTING, AKSSL_JOB_PAUSED,
                                          AKSSL_JOB_QUEUED };

enum { STATES = sizeof states / sizeof *states };

static void add_number(ak_table *table, double value, const char *format)
{
    char text[32] = "-";

    if (isfinite(value))
        snprintf(text, sizeof text, format, value);
    ak_table_add(table, text);
}

static void add_job(ak_table *table, const akssl_job *job)
{
    const akssl_progress *p = job->progress;
    const char *name = job->spec ? akssl_job_spec_get(job->spec, "name") : "-";
    bool runs = job->state == AKSSL_JOB_RUNNING;
    char text[64];

    snprintf(text, sizeof text, "%" PRId64, job->id);
    ak_table_add(table, text);
    ak_table_add(table, job->owner[0] ? job->owner : "-");
    if (!name[0])
        name = akssl_job_spec_get(job->spec, "method");
    ak_table_add(table, name);
    ak_table_add(table, akssl_job_state_text(job->state));
    add_number(table, (double)job->ranks, runs ? "%.0f" : "-");
    add_number(table,
               p && p->total_steps > 0 ? 100.0 * (double)p->step / (double)p->total_steps
                                       : (double)NAN,
               "%.0f%%");
    add_number(table, p ? p->loss : (double)NAN, "%.4g");
    add_number(table, runs && p ? p->images_per_s : (double)NAN, "%.0f");
    ak_text_duration(runs && p ? p->eta_s : (double)NAN, text, sizeof text);
    ak_table_add(table, text);
    ak_table_add(table, job->reason);
}

// print shows as many rows as fit; the states come in the order above, newest first in each.
static void print(akssl_job_list *const lists[STATES], size_t rows)
{
    static const char *const headings[] = { ">ID",    "OWNER",  "NAME",  "STATE",
                                            ">RANKS", ">DONE",  ">LOSS", ">IMAGES/S",
                                            ">ETA",   "REASON", NULL };
    ak_table *table = ak_table_new(headings);
    static const char *const words[] = { "running", "starting", "paused", "queued" };
    size_t shown = 0;

    for (size_t s = 0; s < STATES; s++) {
        printf("%s%zu%s %s", s ? ", " : "", lists[s]->count,
               lists[s]->count == MOST_ROWS ? "+" : "", words[s]);
        for (size_t i = 0; i < lists[s]->count && shown < rows; i++, shown++)
            add_job(table, lists[s]->jobs[i]);
    }
    putchar('\n');
    ak_table_print(table, stdout);
    ak_table_free(table);
}

static void print_json(akssl_job_list *const lists[STATES])
{
    json_t *object = json_object(), *array = json_array();

    for (size_t s = 0; s < STATES; s++)
        for (size_t i = 0; i < lists[s]->count; i++)
            json_array_append_new(array, ak_json_job(lists[s]->jobs[i]));
    json_object_set_new(object, "jobs", array);
    ak_json_print(stdout, object);
}

// show asks for each state by itself, so that many jobs of one hide none of another.
static akssl_status show(const ak_cli *cli, akssl_client *client, size_t rows, const char *before)
{
    akssl_job_list *lists[STATES] = { NULL };
    akssl_status rc = AKSSL_OK;

    for (size_t s = 0; s < STATES && rc == AKSSL_OK; s++) {
        const akssl_query query = { .states = &states[s], .state_count = 1, .limit = MOST_ROWS };

        rc = akssl_client_find(client, &query, &lists[s]);
    }
    if (rc == AKSSL_OK) {
        fputs(before, stdout);
        if (cli->json)
            print_json(lists);
        else
            print(lists, rows);
        fflush(stdout);
    }
    for (size_t s = 0; s < STATES; s++)
        akssl_job_list_free(lists[s]);
    return rc;
}

static size_t screen_rows(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 4)
        return 20;
    return (size_t)size.ws_row - 3;
}

// quits waits a second for q, and says whether it came, or a signal (its number in *signal), or
// whether the terminal is gone.
static bool quits(const ak_cli *cli, int *signal)
{
    struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                             { .fd = cli->signals, .events = POLLIN } };
    char key;

    if (poll(fds, 2, SECOND_MS) > 0) {
        *signal = ak_signals_seen(cli);
        if (*signal)
            return true;
        if (fds[0].revents)
            return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
    }
    return false;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// draw goes on until it is told to end, or the daemon that it has shown is away for too long.
static int draw(const ak_cli *cli, akssl_client *client, int *signal)
{
    int code = AK_EXIT_DONE;
    bool shown = false;
    int64_t shown_ms = 0;

    do {
        akssl_status rc = show(cli, client, screen_rows(), "\033[H\033[2J");

        if (rc == AKSSL_OK) {
            code = AK_EXIT_DONE;
            shown = true;
            shown_ms = now_ms();
            continue;
        }
        if (code == AK_EXIT_DONE) { // said once, below the table
            code = ak_cli_failed(rc);
            if (shown)
                ak_cli_error(code, "top: trying again for a minute");
        }
        if (!shown || now_ms() - shown_ms > PATIENCE_MS)
            break;
    } while (!quits(cli, signal));
    return code;
}

static int live(ak_cli *cli, akssl_client *client)
{
    struct termios before, raw;
    int signal = 0, code = ak_signals_start(cli);

    if (code != AK_EXIT_DONE)
        return code;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return ak_cli_error(AK_EXIT_FAILED, "top: the terminal does not answer");
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    code = draw(cli, client, &signal);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return signal ? 128 + signal : code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_client *client = NULL;
    akssl_status rc = AKSSL_OK;
    int code = ak_cli_open(cli, &client);

    (void)args;
    if (code != AK_EXIT_DONE)
        return code;
    if (!cli->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        code = live(cli, client);
    else
        rc = show(cli, client, SIZE_MAX, "");
    if (rc < 0)
        code = ak_cli_failed(rc);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_top = {
    .name = "top",
    .summary = "show the jobs that have not ended, live",
    .synopsis = "",
    .details = "Drawn again every second; q or Ctrl-C ends it.  In a pipe it is printed once.\n"
               "A restart of the daemon is sat out for up to a minute.\n",
    .run = run,
};
