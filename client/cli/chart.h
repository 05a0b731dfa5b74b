// client/cli/chart.h -- curves over steps with their axes, as text.
//
//     loss
//      5.52 |**
//           |  ***                  *** 8      each curve ends in its mark: colours are not needed
//      4.31 |     ******************    7
//            1                       45

#ifndef AK_CLI_CHART_H
#define AK_CLI_CHART_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/cli/line.h"

enum { AK_CHART_COLOURS = 6 };

// ak_chart_line is one curve; what it points to is borrowed.
typedef struct ak_chart_line {
    int64_t mark;        // the job's number
    const char *label;   // what the job is
    size_t count;        // of points; may be 0
    const int64_t *step; // rising
    const double *value; // what is not finite leaves a gap
} ak_chart_line;

// ak_chart is curves in one pair of axes.
typedef struct ak_chart {
    const char *title; // the figure's name
    const ak_chart_line *lines;
    size_t count;
    int rows; // of the drawing, without title and axis; 3 or more
} ak_chart;

// ak_chart_draw writes the chart in lines that fit look->width, or 80 columns where that is 0.
// Returns 0, or -1 when memory is out.
int ak_chart_draw(const ak_chart *chart, const ak_line_look *look, FILE *out);

// ak_chart_legend writes a line for each curve: its mark in its colour, and its label.
void ak_chart_legend(const ak_chart *chart, const ak_line_look *look, FILE *out);

#endif
