// client/cli/line.h -- a job's progress as one line of text.

#ifndef AK_CLI_LINE_H
#define AK_CLI_LINE_H

#include <akssl/akssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { AK_LINE_MAX = 2048 }; // bytes that a line with colours may take

// ak_line_look is what the terminal can show.
typedef struct ak_line_look {
    size_t width; // columns
    bool colour;  // ANSI colours
    bool blocks;  // characters of UTF-8
} ak_line_look;

// ak_line_look_of finds out: NO_COLOR, TERM=dumb and a locale that is not UTF-8 take away.
ak_line_look ak_line_look_of(FILE *terminal);

// ak_line_bar draws state, bar, step, loss, time to go, speed and epoch into text, dropping what
// does not fit from the end of that list.  It takes fewer columns than look->width.
void ak_line_bar(const akssl_job *job, const ak_line_look *look, char *text, size_t size);

// ak_line_plain is the same without bar, colours or a width.
void ak_line_plain(const akssl_job *job, char *text, size_t size);

// ak_line_final writes how a job ended: "job 7 SUCCEEDED after 3m20s: knn.top1 76.3, ...".
void ak_line_final(const akssl_job *job, FILE *out);

#endif
