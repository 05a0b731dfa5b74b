// tests/unit/daemon/auth/audit.c -- tests daemon/auth/audit.c: lines stay whole on a full disk.

#include "daemon/auth/audit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <jansson.h>

#include "daemon/files.h"
#include "proto/base/str.h"
#include "tests/unit/daemon/folder.h"

enum { MOST = 1 << 16 };

static const ak_log quiet = { .program = "test" };

static void tell(ak_audit *audit)
{
    ak_audit_refuse(audit, "10.0.0.5:41234", "/api/jobs", AKSSL_ERR_UNAUTHENTICATED);
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

// lines counts the lines of a file, and in *whole those that are JSON.
static int lines(const char *path, int *whole)
{
    ak_str text = AK_STR_INIT;
    char *rest = NULL;
    int count = 0;

    *whole = 0;
    ck_assert_int_eq(ak_files_read(path, MOST, &text), 0);
    ck_assert_int_eq(text.text[text.length - 1], '\n');
    for (char *at = strtok_r(text.text, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
        json_t *line = json_loads(at, 0, NULL);

        count++;
        *whole += line != NULL;
        json_decref(line);
    }
    ak_str_fini(&text);
    return count;
}

// A file that may not grow stands for a disk that is full: the first `room` bytes of a line fit.
static void tell_without_room(ak_audit *audit, const char *path, rlim_t room)
{
    struct rlimit most, before;
    int limited;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    most = before;
    most.rlim_cur = (rlim_t)size_of(path) + room;
    limited = setrlimit(RLIMIT_FSIZE, &most);
    tell(audit);
    setrlimit(RLIMIT_FSIZE, &before); // no assertion until here: check keeps a file of its own
    ck_assert_int_eq(limited, 0);
}

START_TEST(half_a_line_is_taken_back)
{
    char *folder = folder_make(), *path = ak_path("%s/audit.jsonl", folder);
    ak_audit *audit = ak_audit_new(folder, &quiet);
    int whole;
    off_t size;

    tell_without_room(audit, path, 30); // the very first
    ck_assert_int_eq(size_of(path), 0);
    tell(audit);
    size = size_of(path);
    ck_assert_int_gt(size, 30);
    tell_without_room(audit, path, 30);
    ck_assert_int_eq(size_of(path), size);
    tell_without_room(audit, path, 0);
    ck_assert_int_eq(size_of(path), size);
    tell(audit);
    ck_assert_int_eq(lines(path, &whole), 2);
    ck_assert_int_eq(whole, 2);
    ak_audit_free(audit);
    free(path);
    folder_remove(folder);
}
END_TEST

// What a crash has left is another's line: it stays, by itself.
START_TEST(a_torn_end_is_told_apart)
{
    static const char torn[] = "{\"who\":\"alice\"}\n{\"time\":\"2026-01-3";
    char *folder = folder_make(), *path = ak_path("%s/audit.jsonl", folder);
    ak_audit *audit = ak_audit_new(folder, &quiet);
    int whole;

    ck_assert_int_eq(ak_files_write(path, torn, sizeof torn - 1), 0);
    tell_without_room(audit, path, 1); // the newline alone
    ck_assert_int_eq(size_of(path), sizeof torn - 1);
    tell(audit);
    tell(audit);
    ck_assert_int_eq(lines(path, &whole), 4);
    ck_assert_int_eq(whole, 3);
    ak_audit_free(audit);
    free(path);
    folder_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(half_a_line_is_taken_back), AK_CASE(a_torn_end_is_told_apart))
