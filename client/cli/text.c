// client/cli/text.c -- text for people: what the daemon says, made safe and short for a terminal.

#include "client/cli/text.h"

#include <math.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

// C1 controls are U+0080 to U+009F: C2 80 to C2 9F in UTF-8.
static bool is_control(const unsigned char *at)
{
    return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f);
}

void ak_text_put(FILE *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (!is_control(at)) {
            fputc(*at, out);
            continue;
        }
        fputc(*at == '\n' || *at == '\t' ? ' ' : '?', out);
        if (*at == 0xc2)
            at++;
    }
}

static bool starts_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t ak_text_cells(const char *text)
{
    size_t cells = 0;

    for (; *text; text++)
        cells += starts_character(*text);
    return cells;
}

size_t ak_text_fit(const char *text, size_t cells)
{
    size_t at = 0;

    for (; text[at]; at++) {
        if (!starts_character(text[at]))
            continue;
        if (cells == 0)
            return at;
        cells--;
    }
    return at;
}

void ak_text_duration(double seconds, char *text, size_t size)
{
    long long s;

    if (!isfinite(seconds) || seconds < 0 || seconds > 1e12) {
        snprintf(text, size, "-");
        return;
    }
    s = (long long)(seconds + 0.5);
    if (s < 60)
        snprintf(text, size, "%llds", s);
    else if (s < 3600)
        snprintf(text, size, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, size, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(text, size, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

void ak_text_number(double value, int digits, char *text, size_t size)
{
    if (isnan(value))
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%.*g", digits, value);
}

void ak_text_age(int64_t since_ms, char *text, size_t size)
{
    struct timespec now;
    double seconds;

    if (since_ms < 0) {
        snprintf(text, size, "-");
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)since_ms / 1e3;
    ak_text_duration(seconds < 0 ? 0 : seconds, text, size);
}

void ak_text_time(int64_t at_ms, char *text, size_t size)
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;

    if (at_ms < 0 || !localtime_r(&seconds, &local) ||
        strftime(text, size, "%Y-%m-%d %H:%M:%S", &local) == 0)
        snprintf(text, size, "-");
}

size_t ak_text_width(FILE *file)
{
    struct winsize size;

    if (!isatty(fileno(file)))
        return 0;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}
