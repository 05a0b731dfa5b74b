// client/cli/text.h -- text for people: what the daemon says, made safe and short for a terminal.

#ifndef AK_CLI_TEXT_H
#define AK_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// ak_text_put writes text with '?' for each control character, so that a job's name or reason
// cannot drive the terminal; line ends become spaces.
void ak_text_put(FILE *out, const char *text);

// ak_text_cells counts the columns that text takes: one for each character of UTF-8.
size_t ak_text_cells(const char *text);

// ak_text_fit gives the bytes of text that take at most cells columns.
size_t ak_text_fit(const char *text, size_t cells);

// ak_text_duration writes seconds as "5s", "3m20s", "2h05m" or "4d03h"; "-" when unknown.
void ak_text_duration(double seconds, char *text, size_t size);

// ak_text_number writes a figure with the given significant digits; "-" when it is not a number.
void ak_text_number(double value, int digits, char *text, size_t size);

// ak_text_age writes how long ago a time (milliseconds since 1970) was; "-" when it is negative.
void ak_text_age(int64_t since_ms, char *text, size_t size);

// ak_text_time writes a time as "2026-01-31 12:00:00", local; "-" when it is negative.
void ak_text_time(int64_t at_ms, char *text, size_t size);

// ak_text_width gives the columns of the terminal behind file; 0 when it is none.
size_t ak_text_width(FILE *file);

#endif
