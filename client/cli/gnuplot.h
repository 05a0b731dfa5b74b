// client/cli/gnuplot.h -- charts as a file, drawn by gnuplot.

#ifndef AK_CLI_GNUPLOT_H
#define AK_CLI_GNUPLOT_H

#include "client/cli/chart.h"
#include "client/cli/cmd.h"

// ak_gnuplot_knows says whether path ends in what can be drawn: ".png" or ".svg".
bool ak_gnuplot_knows(const char *path);

// ak_gnuplot_script writes the commands that draw the charts, one under the other, to standard
// output, as the kind of file that path names.  No text of a chart can be a command.
void ak_gnuplot_script(const ak_chart *charts, size_t count, const char *path, FILE *out);

// ak_gnuplot_draw has gnuplot draw them to the file at path: beside it as path.part, which takes
// its place once it is whole.  Returns an exit code, having said what is wrong.
int ak_gnuplot_draw(const ak_chart *charts, size_t count, const char *path);

// ak_gnuplot_run does the same with the script that `put` writes: ak_gnuplot_terminal first, and
// texts by ak_gnuplot_text alone.
int ak_gnuplot_run(void (*put)(const void *ctx, const char *path, FILE *out), const void *ctx,
                   const char *path);
void ak_gnuplot_terminal(const char *path, int width, int height, FILE *out);
void ak_gnuplot_text(const char *text, FILE *out);

#endif
