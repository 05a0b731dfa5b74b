// daemon/auth/audit.c -- lines of JSON, appended.

#include "daemon/auth/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "daemon/files.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { SECOND = 1000000000 };

struct ak_audit {
    char *path;
    const ak_log *log;
    bool failing;
    int64_t second_ns; // since when strangers are counted
    int strangers, untold;
};

ak_audit *ak_audit_new(const char *state_dir, const ak_log *log)
{
    ak_audit *a = ak_alloc(1, sizeof *a);

    a->path = ak_path("%s/audit.jsonl", state_dir);
    a->log = log;
    return a;
}

void ak_audit_free(ak_audit *audit)
{
    if (!audit)
        return;
    free(audit->path);
    free(audit);
}

// is_torn: the file ends within a line, after a crash or a write whose half could not be taken
// back.
static bool is_torn(int fd, off_t size)
{
    char last;

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

// One write to the end of the file: lines do not mix.  Half of one is taken back.
static akssl_status put(int fd, const char *path, const char *line)
{
    size_t length = strlen(line);
    struct stat st;
    ssize_t n;
    akssl_status rc;

    if (fstat(fd, &st) < 0)
        return ak_fail_errno(errno, "audit log '%s' cannot be looked at", path);
    if (!is_torn(fd, st.st_size)) { // else it begins with the newline that is missing
        line++;
        length--;
    }
    n = write(fd, line, length);
    if (n == (ssize_t)length)
        return AKSSL_OK;
    rc = ak_fail_errno(n < 0 ? errno : ENOSPC, "audit log '%s' cannot be written", path);
    if (n > 0)
        (void)!ftruncate(fd, st.st_size); // what stays is torn, and the next line is told apart
    return rc;
}

static akssl_status append(const char *path, const char *line)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    akssl_status rc;

    if (fd < 0)
        return ak_fail_errno(errno, "audit log '%s' cannot be opened", path);
    rc = put(fd, path, line);
    close(fd);
    return rc;
}

static void write_line(ak_audit *a, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    char *line = text ? ak_path("\n%s\n", text) : NULL;
    akssl_status rc = line ? append(a->path, line) : AKSSL_OK;

    if (rc < 0 && !a->failing)
        ak_log_write(a->log, AK_LOG_ERROR, "%s; calls go on without it", ak_error_text());
    a->failing = rc < 0;
    json_decref(object);
    free(line);
    free(text);
}

static void set_time(json_t *object)
{
    int64_t now = ak_clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    char text[40], all[48];
    struct tm at;

    gmtime_r(&seconds, &at);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &at);
    snprintf(all, sizeof all, "%s.%03dZ", text, (int)(now % 1000));
    json_object_set_new(object, "time", json_string(all));
}

// is_told counts refusals of those whom nobody knows, which anybody may cause.
static bool is_told(ak_audit *a)
{
    int64_t now = ak_clock_ns();

    if (now - a->second_ns > SECOND) {
        a->second_ns = now;
        a->strangers = 0;
    }
    if (a->strangers++ < AK_AUDIT_STRANGERS)
        return true;
    a->untold++;
    return false;
}

static void tell_untold(ak_audit *a)
{
    json_t *object;

    if (!a->untold)
        return;
    object = json_object();
    set_time(object);
    json_object_set_new(object, "refused_without_a_line", json_integer(a->untold));
    a->untold = 0;
    write_line(a, object);
}

void ak_audit_call(ak_audit *audit, const ak_caller *caller, bool changes, akssl_status outcome)
{
    bool refused = outcome == AKSSL_ERR_UNAUTHENTICATED || outcome == AKSSL_ERR_PERMISSION;
    json_t *object;

    if (!changes && !refused)
        return;
    if (!caller->person && refused && !is_told(audit))
        return;
    tell_untold(audit);
    object = json_object();
    set_time(object);
    json_object_set_new(object, "who", json_string(ak_caller_name(caller)));
    json_object_set_new(object, "token", json_integer(caller->token));
    json_object_set_new(object, "from", json_string(ak_call_peer(caller->call)));
    json_object_set_new(object, "certificate", json_string(ak_call_peer_name(caller->call)));
    json_object_set_new(object, "call", json_string(ak_rpc_find(ak_call_rpc(caller->call))->path));
    json_object_set_new(object, "job", json_integer(caller->job));
    json_object_set_new(object, "outcome",
                        json_string(outcome < 0 ? akssl_strstatus(outcome) : "ok"));
    write_line(audit, object);
}

void ak_audit_refuse(ak_audit *audit, const char *from, const char *path, akssl_status outcome)
{
    json_t *object;

    if (!is_told(audit))
        return;
    tell_untold(audit);
    object = json_object();
    set_time(object);
    json_object_set_new(object, "from", json_string(from));
    json_object_set_new(object, "call", json_string(path));
    json_object_set_new(object, "outcome", json_string(akssl_strstatus(outcome)));
    write_line(audit, object);
}
