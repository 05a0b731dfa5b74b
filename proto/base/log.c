// proto/base/log.c -- one line per event on stderr, or in a file.

#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"

static const char *const names[] = { "", "error", "warn", "info", "debug" };

int ak_log_level_parse(const char *text)
{
    for (int level = AK_LOG_ERROR; level <= AK_LOG_DEBUG; level++)
        if (text && strcmp(text, names[level]) == 0)
            return level;
    return 0;
}

__attribute__((format(printf, 4, 0))) static void
write_line(const char *program, int fd, ak_log_level level, const char *format, va_list args)
{
    char line[2048];
    struct tm t;
    int64_t now = ak_clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    size_t used, end;
    int n;

    gmtime_r(&seconds, &t);
    used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &t);
    n = snprintf(line + used, sizeof line - used, ".%03dZ %s %s: ", (int)(now % 1000), names[level],
                 program);
    used += (size_t)n;
    n = vsnprintf(line + used, sizeof line - used - 1, format, args);
    end = used + (n > 0 ? (size_t)n : 0);
    if (end > sizeof line - 2)
        end = sizeof line - 2;
    for (size_t i = used; i < end; i++)
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[end++] = '\n';
    if (write(fd, line, end) < 0)
        return; // nowhere left to say it
}

void ak_log_write(const ak_log *log, ak_log_level level, const char *format, ...)
{
    va_list args;

    if (!log || level > log->level)
        return;
    va_start(args, format);
    write_line(log->program, STDERR_FILENO, level, format, args);
    va_end(args);
}

void ak_log_write_to(const ak_log *log, int fd, ak_log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(log->program, fd, level, format, args);
    va_end(args);
}
