// client/cli/plot.c -- plot: what jobs have reported over their steps, as curves.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/chart.h"
#include "client/cli/cmd.h"
#include "client/cli/gnuplot.h"
#include "client/cli/json.h"
#include "client/cli/line.h"

enum { JOBS = 32, POINTS = 500, ROWS = 15, ROWS_OF_SEVERAL = 8, LABEL = 200, NAMES = 400 };

typedef struct plot {
    ak_texts metrics;
    const char *out;
} plot;

static const ak_flag flags[] = {
    AK_FLAG(plot, metrics, "metric", 'm', MANY, "NAME",
            "a figure, such as loss (default), lr or knn.top1; may be repeated"),
    AK_FLAG(plot, out, "out", 'o', TEXT, "FILE", "draw to FILE.png or FILE.svg, by gnuplot"),
    AK_FLAG_END,
};

// The jobs that are asked for.
typedef struct jobs {
    int count;
    int64_t id[JOBS];
    char label[JOBS][LABEL];
    akssl_curve_list *curves[JOBS];
} jobs;

static const akssl_curve *find(const akssl_curve_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->curves[i].name, name) == 0)
            return &list->curves[i];
    return NULL;
}

// ---- what to draw

// A job is called by its name or, if it has none, by what it trains.
static void label_of(const akssl_job *job, char *label)
{
    const char *name = job->spec ? akssl_job_spec_get(job->spec, "name") : NULL;

    label[0] = '\0';
    if (name && name[0]) {
        snprintf(label, LABEL, "%s", name);
        return;
    }
    for (int i = 0; i < 3 && job->spec; i++) {
        static const char *const keys[] = { "method", "backbone", "dataset" };
        const char *value = akssl_job_spec_get(job->spec, keys[i]);
        size_t length = strlen(label);

        snprintf(label + length, LABEL - length, "%s%s", i ? ", " : "", value ? value : "");
    }
}

static int read_job(akssl_client *client, jobs *all, int at)
{
    akssl_job *job = NULL;
    akssl_status rc = akssl_client_show(client, all->id[at], &job);

    if (rc == AKSSL_OK)
        rc = akssl_client_curves(client, all->id[at], POINTS, &all->curves[at]);
    if (rc == AKSSL_OK)
        label_of(job, all->label[at]);
    akssl_job_free(job);
    return rc < 0 ? ak_cli_failed(rc) : AK_EXIT_DONE;
}

// refuse says which figures there are instead, of the first job that has any.
static int refuse(const jobs *all, const char *metric)
{
    char names[NAMES] = "";

    for (int i = 0; i < all->count; i++) {
        for (size_t j = 0; j < all->curves[i]->count; j++) {
            size_t length = strlen(names);

            snprintf(names + length, NAMES - length, "%s%s", j ? ", " : "",
                     all->curves[i]->curves[j].name);
        }
        if (names[0])
            return ak_cli_error(AK_EXIT_USAGE,
                                "plot: no '%.64s' is reported; job %" PRId64 " has %s", metric,
                                all->id[i], names);
    }
    return ak_cli_error(AK_EXIT_FAILED, "plot: nothing is reported yet by job %" PRId64,
                        all->id[0]);
}

// ---- the ways to draw

static bool fill_chart(const jobs *all, const char *metric, ak_chart_line *lines, ak_chart *chart)
{
    bool any = false;

    *chart = (ak_chart){ .title = metric, .lines = lines, .count = (size_t)all->count };
    for (int i = 0; i < all->count; i++) {
        const akssl_curve *curve = find(all->curves[i], metric);

        lines[i] = (ak_chart_line){ .mark = all->id[i], .label = all->label[i] };
        if (!curve)
            continue;
        lines[i].count = curve->count;
        lines[i].step = curve->step;
        lines[i].value = curve->mean;
        any = true;
    }
    return any;
}

static int draw_here(ak_chart *charts, size_t count)
{
    ak_line_look look = ak_line_look_of(stdout);

    for (size_t i = 0; i < count; i++) {
        charts[i].rows = count > 1 ? ROWS_OF_SEVERAL : ROWS;
        if (ak_chart_draw(&charts[i], &look, stdout) < 0)
            return ak_cli_error(AK_EXIT_FAILED, "plot: out of memory");
    }
    ak_chart_legend(&charts[0], &look, stdout);
    return AK_EXIT_DONE;
}

static int draw(const ak_cli *cli, const jobs *all, const plot *p)
{
    static const char *const usual[] = { "loss" };
    const char *const *metrics = p->metrics.count ? p->metrics.at : usual;
    size_t count = p->metrics.count ? (size_t)p->metrics.count : 1;
    ak_chart_line lines[AK_TEXTS_MAX][JOBS];
    ak_chart charts[AK_TEXTS_MAX];
    int code;

    for (size_t i = 0; i < count; i++)
        if (!fill_chart(all, metrics[i], lines[i], &charts[i]))
            return refuse(all, metrics[i]);
    if (!p->out)
        return draw_here(charts, count);
    code = ak_gnuplot_draw(charts, count, p->out);
    if (code == AK_EXIT_DONE && !cli->json)
        printf("%s\n", p->out);
    return code;
}

static json_t *reals(const double *values, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, ak_json_real(values[i]));
    return list;
}

static json_t *describe(const akssl_curve *curve)
{
    json_t *object = json_object(), *step = json_array();

    for (size_t i = 0; i < curve->count; i++)
        json_array_append_new(step, json_integer(curve->step[i]));
    json_object_set_new(object, "step", step);
    json_object_set_new(object, "mean", reals(curve->mean, curve->count));
    json_object_set_new(object, "min", reals(curve->least, curve->count));
    json_object_set_new(object, "max", reals(curve->greatest, curve->count));
    return object;
}

// print_json prints the figures that were asked for, or all of them.
static void print_json(const jobs *all, const ak_texts *metrics)
{
    json_t *root = json_object(), *list = json_array();

    for (int i = 0; i < all->count; i++) {
        json_t *job = json_object(), *curves = json_object();

        for (size_t j = 0; j < all->curves[i]->count; j++) {
            const akssl_curve *curve = &all->curves[i]->curves[j];
            bool wanted = metrics->count == 0;

            for (int m = 0; m < metrics->count; m++)
                wanted |= strcmp(metrics->at[m], curve->name) == 0;
            if (wanted)
                json_object_set_new(curves, curve->name, describe(curve));
        }
        json_object_set_new(job, "id", json_integer(all->id[i]));
        json_object_set_new(job, "curves", curves);
        json_array_append_new(list, job);
    }
    json_object_set_new(root, "jobs", list);
    ak_json_print(stdout, root);
}

static int run(ak_cli *cli, const ak_args *args)
{
    const plot *p = args->self;
    jobs *all = calloc(1, sizeof *all);
    akssl_client *client = NULL;
    int code = AK_EXIT_DONE;

    if (!all)
        return ak_cli_error(AK_EXIT_FAILED, "plot: out of memory");
    all->count = args->word_count;
    if (p->out && !ak_gnuplot_knows(p->out))
        code = ak_cli_error(AK_EXIT_USAGE, "plot: --out '%.200s' ends neither in .png nor in .svg",
                            p->out);
    for (int i = 0; i < all->count && code == AK_EXIT_DONE; i++)
        code = ak_cli_id(args->words[i], &all->id[i]);
    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    for (int i = 0; i < all->count && code == AK_EXIT_DONE; i++)
        code = read_job(client, all, i);
    if (code == AK_EXIT_DONE && (!cli->json || p->out))
        code = draw(cli, all, p);
    if (code == AK_EXIT_DONE && cli->json)
        print_json(all, &p->metrics);
    for (int i = 0; i < all->count; i++)
        akssl_curve_list_free(all->curves[i]);
    free(all);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_plot = {
    .name = "plot",
    .summary = "draw what jobs have reported over their steps",
    .synopsis = "ID...",
    .details = "Several jobs share the axes, to be compared; each curve ends in its job's number.\n"
               "Figures are those of a job's metrics.jsonl and evaluations.jsonl; one that no job\n"
               "has gets the list of those that are there.\n",
    .flags = flags,
    .self_size = sizeof(plot),
    .min_words = 1,
    .max_words = JOBS,
    .run = run,
};
