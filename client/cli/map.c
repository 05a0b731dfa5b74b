// client/cli/map.c -- map: where a job's backbone puts images, as points coloured by class.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/canvas.h"
#include "client/cli/cmd.h"
#include "client/cli/fetched.h"
#include "client/cli/gnuplot.h"
#include "client/cli/json.h"
#include "client/cli/line.h"
#include "client/cli/text.h"

enum { WIDTH = 80, ROWS = 24, FILE_SIDE = 800, LABEL = 96 };

static const int colours[] = { 39, 208, 34, 196, 135, 94, 205, 245, 142, 44, 21, 226 };
enum { COLOURS = sizeof colours / sizeof *colours };

typedef struct map {
    const char *out;
    const char *image;
    const char *by;
} map;

static const ak_flag flags[] = {
    AK_FLAG(map, out, "out", 'o', TEXT, "FILE", "draw to FILE.png or FILE.svg, by gnuplot"),
    AK_FLAG(map, image, "image", 0, TEXT, "N",
            "list the images nearest to image N instead, by the cosine of their embeddings"),
    AK_FLAG(map, by, "by", 0, TEXT, "PLANE",
            "pca: the two directions in which embeddings differ most (default); tsne: t-SNE,\n"
            "which keeps near images near, and means nothing by its axes"),
    AK_FLAG_END,
};

// What a job's map.json says; what it lists is borrowed from it.
typedef struct atlas {
    int64_t job;
    bool tsne;
    json_t *root, *index, *label, *x, *y, *classes;
    size_t count;
    double least[2], greatest[2];
} atlas;

// ---- reading

static json_t *list_of(const atlas *a, const char *name, size_t count)
{
    json_t *list = json_object_get(a->root, name);

    return json_is_array(list) && (!count || json_array_size(list) == count) ? list : NULL;
}

static double number(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

static int64_t whole(const json_t *list, size_t i)
{
    return json_integer_value(json_array_get(list, i));
}

static void find_range(atlas *a, int axis, const json_t *list)
{
    a->least[axis] = INFINITY;
    a->greatest[axis] = -INFINITY;
    for (size_t i = 0; i < a->count; i++) {
        a->least[axis] = fmin(a->least[axis], number(list, i));
        a->greatest[axis] = fmax(a->greatest[axis], number(list, i));
    }
    if (!(a->greatest[axis] > a->least[axis])) {
        a->least[axis] -= 1;
        a->greatest[axis] += 1;
    }
}

static int read_atlas(atlas *a, const char *path)
{
    json_error_t error;

    a->root = json_load_file(path, 0, &error);
    a->index = list_of(a, "index", 0);
    a->count = json_array_size(a->index);
    a->label = list_of(a, "label", a->count);
    a->x = list_of(a, a->tsne ? "tsne_x" : "x", a->count);
    a->y = list_of(a, a->tsne ? "tsne_y" : "y", a->count);
    a->classes = list_of(a, "classes", 0);
    if (a->tsne && a->count && !a->x && list_of(a, "x", a->count))
        return ak_cli_error(AK_EXIT_FAILED,
                            "map: job %" PRId64 " was made before there was t-SNE: leave out --by",
                            a->job);
    if (!a->count || !a->label || !a->x || !a->y || !a->classes)
        return ak_cli_error(AK_EXIT_FAILED,
                            "map: what the daemon sent is no map: is it of this version?");
    find_range(a, 0, a->x);
    find_range(a, 1, a->y);
    return AK_EXIT_DONE;
}

// The class's name, or its number; labels below 0 are none.
static void name_of(const atlas *a, int64_t label, char text[LABEL])
{
    size_t i;
    json_t *row;

    if (label < 0)
        snprintf(text, LABEL, "no label");
    else
        snprintf(text, LABEL, "%" PRId64, label);
    json_array_foreach(a->classes, i, row)
    {
        const char *name = json_string_value(json_array_get(row, 1));

        if (label >= 0 && name && whole(row, 0) == label)
            snprintf(text, LABEL, "%s", name);
    }
}

// ---- in the terminal

static int colour_of(int64_t label)
{
    return label < 0 ? 0 : (int)(label % COLOURS) + 1;
}

static char letter_of(int64_t label)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return label < 0 ? '*' : letters[(size_t)label % (sizeof letters - 1)];
}

static int place(double value, double least, double greatest, int places)
{
    double at = (value - least) / (greatest - least) * (places - 1);

    return at > 0 ? at < places - 1 ? (int)lround(at) : places - 1 : 0;
}

static void put_ink(int ink, FILE *out)
{
    if (ink > 1)
        fprintf(out, "\033[38;5;%dm", colours[ink - 2]);
    else
        fputs("\033[0m", out);
}

// Dots in colours: an ink is the colour's number and 1.
static int draw_dots(const atlas *a, int columns, FILE *out)
{
    int width = columns * AK_CANVAS_X, height = ROWS * AK_CANVAS_Y;
    ak_canvas *canvas = ak_canvas_new(columns, ROWS);

    if (!canvas)
        return ak_cli_error(AK_EXIT_FAILED, "map: out of memory");
    for (size_t i = 0; i < a->count; i++) {
        int x = place(number(a->x, i), a->least[0], a->greatest[0], width);
        int y = height - 1 - place(number(a->y, i), a->least[1], a->greatest[1], height);

        ak_canvas_line(canvas, x, y, x, y, colour_of(whole(a->label, i)) + 1);
    }
    for (int row = 0; row < ROWS; row++) {
        char text[AK_CANVAS_CELL];

        for (int column = 0; column < columns; column++) {
            int ink = ak_canvas_cell(canvas, column, row, 1, text);

            if (ink)
                put_ink(ink, out);
            fputs(text, out);
        }
        fputs("\033[0m\n", out);
    }
    ak_canvas_free(canvas);
    return AK_EXIT_DONE;
}

// Letters of the classes, where there are no colours.
static int draw_letters(const atlas *a, int columns, FILE *out)
{
    char *rows = malloc((size_t)columns * ROWS);

    if (!rows)
        return ak_cli_error(AK_EXIT_FAILED, "map: out of memory");
    memset(rows, ' ', (size_t)columns * ROWS);
    for (size_t i = 0; i < a->count; i++) {
        int x = place(number(a->x, i), a->least[0], a->greatest[0], columns);
        int y = ROWS - 1 - place(number(a->y, i), a->least[1], a->greatest[1], ROWS);

        rows[y * columns + x] = letter_of(whole(a->label, i));
    }
    for (int row = 0; row < ROWS; row++) {
        fwrite(rows + row * columns, 1, (size_t)columns, out);
        fputc('\n', out);
    }
    free(rows);
    return AK_EXIT_DONE;
}

static void put_title(const atlas *a, FILE *out)
{
    const json_t *share = json_object_get(a->root, "variance");

    if (a->tsne)
        fprintf(out, "job %" PRId64 ": %zu images by t-SNE\n", a->job, a->count);
    else
        fprintf(out,
                "job %" PRId64
                ": %zu images, two directions with %.0f and %.0f %% of the variance\n",
                a->job, a->count, 100 * number(share, 0), 100 * number(share, 1));
}

static void put_legend(const atlas *a, bool coloured, FILE *out)
{
    char name[LABEL];
    json_t *row;
    size_t i;

    json_array_foreach(a->classes, i, row)
    {
        int64_t label = whole(row, 0);

        name_of(a, label, name);
        fputs("  ", out);
        if (coloured) {
            put_ink(colour_of(label) + 1, out);
            fputs("\xe2\xa0\xbf\033[0m ", out);
        } else {
            fprintf(out, "%c ", letter_of(label));
        }
        ak_text_put(out, name);
        fputc('\n', out);
    }
}

static int draw_here(const atlas *a)
{
    ak_line_look look = ak_line_look_of(stdout);
    int columns = (look.width ? (int)look.width : WIDTH) - 1, code;
    bool coloured = look.width && look.colour && look.blocks;

    columns = columns > 0 ? columns : 1;
    put_title(a, stdout);
    code = coloured ? draw_dots(a, columns, stdout) : draw_letters(a, columns, stdout);
    put_legend(a, coloured, stdout);
    return code;
}

// ---- as a file

static void put_points(const atlas *a, int64_t label, size_t number_of, FILE *out)
{
    fprintf(out, "$class%zu << END\n", number_of);
    for (size_t i = 0; i < a->count; i++)
        if (whole(a->label, i) == label)
            fprintf(out, "%.6g %.6g\n", number(a->x, i), number(a->y, i));
    fputs("END\n", out);
}

static bool has_unlabelled(const atlas *a)
{
    for (size_t i = 0; i < a->count; i++)
        if (whole(a->label, i) < 0)
            return true;
    return false;
}

// The label of class i of the list; behind the last one those that have none.
static int64_t label_at(const atlas *a, size_t i)
{
    return i < json_array_size(a->classes) ? whole(json_array_get(a->classes, i), 0) : -1;
}

static void put_script(const void *ctx, const char *path, FILE *out)
{
    const atlas *a = ctx;
    size_t classes = json_array_size(a->classes) + has_unlabelled(a);
    const char *word = "plot ";
    char name[LABEL];

    ak_gnuplot_terminal(path, FILE_SIDE, FILE_SIDE, out);
    fprintf(out,
            "set size ratio -1\nunset tics\nset key outside below\nset title 'job %" PRId64 "%s'\n",
            a->job, a->tsne ? ", t-SNE" : "");
    for (size_t i = 0; i < classes; i++)
        put_points(a, label_at(a, i), i, out);
    for (size_t i = 0; i < classes; i++) {
        name_of(a, label_at(a, i), name);
        fprintf(out, "%s$class%zu using 1:2 with points pointtype 7 pointsize 0.6 title ", word, i);
        ak_gnuplot_text(name, out);
        word = ", ";
    }
    fputc('\n', out);
}

// ---- neighbours

static int list_nearest(const atlas *a, const char *word)
{
    const json_t *all = json_object_get(a->root, "neighbours");
    const json_t *cosines = json_object_get(a->root, "cosine"), *near;
    char *end, name[LABEL];
    long long asked = strtoll(word, &end, 10);
    size_t at = 0;

    while (at < a->count && whole(a->index, at) != asked)
        at++;
    if (*end || end == word || at == a->count)
        return ak_cli_error(AK_EXIT_USAGE,
                            "map: image '%.32s' is not on the map: of %" PRId64
                            " images it has %zu, from %" PRId64 " to %" PRId64
                            " (--json lists them as index)",
                            word, (int64_t)json_integer_value(json_object_get(a->root, "of")),
                            a->count, whole(a->index, 0), whole(a->index, a->count - 1));
    near = json_array_get(all, at);
    printf("%10s %8s  %s\n", "image", "cosine", "class");
    for (size_t i = 0; i < json_array_size(near); i++) {
        int64_t other = whole(near, i);

        if (other < 0 || (size_t)other >= a->count)
            continue;
        name_of(a, whole(a->label, (size_t)other), name);
        printf("%10" PRId64 " %8.4f  ", whole(a->index, (size_t)other),
               number(json_array_get(cosines, at), i));
        ak_text_put(stdout, name);
        putchar('\n');
    }
    return AK_EXIT_DONE;
}

// ----

static int show(const ak_cli *cli, atlas *a, const map *m)
{
    int code;

    if (m->image)
        return list_nearest(a, m->image);
    if (m->out) {
        code = ak_gnuplot_run(put_script, a, m->out);
        if (code == AK_EXIT_DONE && !cli->json)
            printf("%s\n", m->out);
        return code;
    }
    return cli->json ? AK_EXIT_DONE : draw_here(a);
}

static int fetch_and_show(const ak_cli *cli, akssl_client *client, atlas *a, const map *m)
{
    ak_fetched file = { 0 };
    int code = ak_fetched_get(&file, client, a->job, "map.json");

    if (code == AK_EXIT_DONE)
        code = read_atlas(a, file.path);
    ak_fetched_fini(&file);
    if (code == AK_EXIT_DONE)
        code = show(cli, a, m);
    if (code == AK_EXIT_DONE && cli->json && !m->image)
        ak_json_print(stdout, json_incref(a->root));
    json_decref(a->root);
    return code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const map *m = args->self;
    akssl_client *client = NULL;
    atlas a = { 0 };
    int code = ak_cli_id(args->words[0], &a.job);

    if (code == AK_EXIT_DONE && m->out && !ak_gnuplot_knows(m->out))
        code = ak_cli_error(AK_EXIT_USAGE, "map: --out '%.200s' ends neither in .png nor in .svg",
                            m->out);
    a.tsne = m->by && !strcmp(m->by, "tsne");
    if (code == AK_EXIT_DONE && m->by && !a.tsne && strcmp(m->by, "pca"))
        code = ak_cli_error(AK_EXIT_USAGE, "map: --by '%.32s' is neither pca nor tsne", m->by);
    if (code == AK_EXIT_DONE && cli->json && m->image)
        code = ak_cli_error(AK_EXIT_USAGE, "map: --json prints all neighbours: leave out --image");
    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    if (code == AK_EXIT_DONE)
        code = fetch_and_show(cli, client, &a, m);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_map = {
    .name = "map",
    .summary = "show where a job's backbone puts images",
    .synopsis = "ID",
    .details =
        "Up to 1000 training images, near each other where their embeddings are, coloured by\n"
        "class, or as letters where there are no colours.\n",
    .flags = flags,
    .self_size = sizeof(map),
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
