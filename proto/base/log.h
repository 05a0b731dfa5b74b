// proto/base/log.h -- one line per event on stderr, for programs only: libraries return.
//
//     2026-01-31T12:00:00.123Z info akssld: job 7 started ranks=2

#ifndef AK_BASE_LOG_H
#define AK_BASE_LOG_H

typedef enum ak_log_level {
    AK_LOG_ERROR = 1,
    AK_LOG_WARN,
    AK_LOG_INFO,
    AK_LOG_DEBUG,
} ak_log_level;

// A program owns one, made in main and handed down; it is only read afterwards.  Any thread.
typedef struct ak_log {
    const char *program;
    ak_log_level level;
} ak_log;

// ak_log_level_parse reads error, warn, info or debug; 0 when it is none of them.
int ak_log_level_parse(const char *text);

// ak_log_write writes one line; newlines inside the text become spaces.
void ak_log_write(const ak_log *log, ak_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// ak_log_write_to writes it to an open file instead, whatever the level of log.
void ak_log_write_to(const ak_log *log, int fd, ak_log_level level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
