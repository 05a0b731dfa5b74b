// client/cli/gnuplot.c -- charts as a file, drawn by gnuplot.
//
// Script, picture and complaints are files, not pipes: nobody waits for anybody but for the end.

#include "client/cli/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WIDTH = 900, HEIGHT = 420, FEW = 40, LIMIT_MS = 60000, COMPLAINT = 200, SENTENCE = 512 };

extern char **environ;

// ---- the script

static bool ends_in(const char *path, const char *end)
{
    size_t length = strlen(path), tail = strlen(end);

    return length > tail && strcmp(path + length - tail, end) == 0;
}

bool ak_gnuplot_knows(const char *path)
{
    return ends_in(path, ".png") || ends_in(path, ".svg");
}

// In single quotes gnuplot takes all but a quote and a line's end as it is.
void ak_gnuplot_text(const char *text, FILE *out)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'')
            fputc('\'', out);
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text, out);
    }
    fputc('\'', out);
}

// A gap is an empty line.
static void put_points(const ak_chart_line *line, FILE *out)
{
    for (size_t i = 0; i < line->count; i++) {
        if (isfinite(line->value[i]))
            fprintf(out, "%" PRId64 " %.9g\n", line->step[i], line->value[i]);
        else
            fputc('\n', out);
    }
}

static bool has_points(const ak_chart_line *line)
{
    for (size_t i = 0; i < line->count; i++)
        if (isfinite(line->value[i]))
            return true;
    return false;
}

static void put_chart(const ak_chart *chart, FILE *out)
{
    const char *word = "plot ";

    for (size_t i = 0; i < chart->count; i++) {
        if (!has_points(&chart->lines[i]))
            continue;
        fprintf(out, "$curve%zu << END\n", i);
        put_points(&chart->lines[i], out);
        fputs("END\n", out);
    }
    fputs("set title ", out);
    ak_gnuplot_text(chart->title, out);
    fputc('\n', out);
    for (size_t i = 0; i < chart->count; i++) {
        char label[SENTENCE];

        if (!has_points(&chart->lines[i]))
            continue;
        snprintf(label, sizeof label, "%" PRId64 ": %s", chart->lines[i].mark,
                 chart->lines[i].label);
        fprintf(out, "%s$curve%zu using 1:2 with %s linewidth 2 title ", word, i,
                chart->lines[i].count < FEW ? "linespoints" : "lines");
        ak_gnuplot_text(label, out);
        word = ", ";
    }
    fputc('\n', out);
}

void ak_gnuplot_terminal(const char *path, int width, int height, FILE *out)
{
    const char *terminal = ends_in(path, ".svg") ? "svg background rgb 'white'" : "pngcairo";

    fprintf(out, "set encoding utf8\nset terminal %s noenhanced size %d,%d\n", terminal, width,
            height);
}

void ak_gnuplot_script(const ak_chart *charts, size_t count, const char *path, FILE *out)
{
    ak_gnuplot_terminal(path, WIDTH, HEIGHT * (int)count, out);
    fprintf(out, "set grid\nset xlabel 'step'\nset key below\nset multiplot layout %zu,1\n", count);
    for (size_t i = 0; i < count; i++)
        put_chart(&charts[i], out);
    fputs("unset multiplot\n", out);
}

// ---- running it

static int spawn(pid_t *pid, FILE *script, int picture, FILE *complaints)
{
    char *const argv[] = { (char *)"gnuplot", (char *)"-d", NULL };
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    rc = posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, picture, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, fileno(complaints), STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

// await returns whether it ended with 0, and in time.
static bool await(pid_t pid)
{
    struct pollfd end = { .fd = pidfd_open(pid, 0), .events = POLLIN };
    int status = -1;

    if (end.fd < 0 || poll(&end, 1, LIMIT_MS) != 1)
        kill(pid, SIGKILL);
    if (end.fd >= 0)
        close(end.fd);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int complain(FILE *complaints)
{
    char line[COMPLAINT] = "";

    rewind(complaints);
    while (fgets(line, sizeof line, complaints) && strspn(line, " \n^") == strlen(line))
        ;
    line[strcspn(line, "\n")] = '\0';
    return ak_cli_error(AK_EXIT_FAILED, "gnuplot could not draw this: %s",
                        line[0] ? line : "it did not end by itself");
}

static int draw(FILE *script, int picture, FILE *complaints)
{
    pid_t pid;
    int rc = spawn(&pid, script, picture, complaints);

    if (rc == ENOENT)
        return ak_cli_error(AK_EXIT_FAILED, "gnuplot, which draws files, is not installed: "
                                            "`apt-get install gnuplot-nox`, or leave out --out");
    if (rc != 0)
        return ak_cli_error(AK_EXIT_FAILED, "gnuplot cannot be run: %s", strerror(rc));
    return await(pid) ? AK_EXIT_DONE : complain(complaints);
}

static int draw_to(FILE *script, FILE *complaints, const char *path, const char *part)
{
    int picture = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int code;

    if (picture < 0)
        return ak_cli_error(AK_EXIT_FAILED, "file '%s' cannot be written: %s", part,
                            strerror(errno));
    code = draw(script, picture, complaints);
    if (close(picture) != 0 || (code == AK_EXIT_DONE && rename(part, path) != 0))
        code =
            ak_cli_error(AK_EXIT_FAILED, "file '%s' cannot be written: %s", path, strerror(errno));
    if (code != AK_EXIT_DONE)
        unlink(part);
    return code;
}

int ak_gnuplot_run(void (*put)(const void *ctx, const char *path, FILE *out), const void *ctx,
                   const char *path)
{
    FILE *script = tmpfile(), *complaints = tmpfile();
    size_t size = strlen(path) + sizeof ".part";
    char *part = malloc(size);
    int code;

    if (script && complaints && part) {
        snprintf(part, size, "%s.part", path);
        put(ctx, path, script);
        rewind(script);
        code = draw_to(script, complaints, path, part);
    } else {
        code = ak_cli_error(AK_EXIT_FAILED, "no temporary file: %s", strerror(errno));
    }
    free(part);
    if (script)
        fclose(script);
    if (complaints)
        fclose(complaints);
    return code;
}

typedef struct page {
    const ak_chart *charts;
    size_t count;
} page;

static void put_page(const void *ctx, const char *path, FILE *out)
{
    const page *p = ctx;

    ak_gnuplot_script(p->charts, p->count, path, out);
}

int ak_gnuplot_draw(const ak_chart *charts, size_t count, const char *path)
{
    const page p = { charts, count };

    return ak_gnuplot_run(put_page, &p, path);
}
