// tests/unit/daemon/config.c -- tests daemon/config.c, lock.c and files.c.

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/lock.h"
#include "proto/base/error.h"
#include "tests/unit/daemon/folder.h"

static akssl_status parse(ak_config *config, const char *a, const char *b)
{
    char *argv[] = { (char *)"akssld", (char *)a, (char *)b, NULL };

    return ak_config_parse(config, a ? b ? 3 : 2 : 1, argv);
}

START_TEST(flags)
{
    static const char *const bad[][3] = {
        { NULL, NULL, "--state-dir DIR is missing" }, { "--slots", "-1", "out of range" },
        { "--slots", NULL, "needs a value" },         { "--colour", "red", "no flag '--colour'" },
        { "--log-level", "loud", "is not one of" },   { "state", NULL, "'state' is no flag" },
        { "--on-term", "die", "is not one of" },      { "--orphan-timeout", "0", "out of range" },
    };
    ak_config c;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_lt(parse(&c, bad[i][0], bad[i][1]), 0);
        ck_assert_msg(strstr(ak_error_text(), bad[i][2]) != NULL, "%s", ak_error_text());
        ak_config_fini(&c);
    }
    ck_assert_int_eq(parse(&c, "--state-dir", "/x"), 0);
    ck_assert_str_eq(c.state_dir, "/x");
    ck_assert_str_eq(c.on_term, "leave");
    ck_assert(c.adopt_timeout == 60 && c.orphan_timeout == 3600);
    ak_config_fini(&c);
    ck_assert_int_eq(parse(&c, "--state-dir=/y", "--slots=3"), 0);
    ck_assert(strcmp(c.state_dir, "/y") == 0 && c.slots == 3);
    ak_config_fini(&c);
    ck_assert_int_eq(parse(&c, "--help", NULL), 0);
    ck_assert(c.help);
    ak_config_fini(&c);
}
END_TEST

START_TEST(settles)
{
    char *folder = folder_make();
    char *state = ak_path("%s/a/b", folder), *socket = ak_path("%s/a/b/akssld.sock", folder);
    char *flag = ak_path("--state-dir=%s", state);
    char *file = ak_path("%s/file", folder), *below = ak_path("--state-dir=%s/file/x", folder);
    struct stat st;
    ak_config c;

    ck_assert_int_eq(parse(&c, flag, "--worker=/bin/true"), 0);
    ck_assert_int_eq(ak_config_settle(&c), 0);
    ck_assert_str_eq(c.socket, socket);
    ck_assert_int_ge(c.slots, 1);
    ck_assert_int_eq(stat(state, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    ak_config_fini(&c);
    ck_assert_int_eq(parse(&c, flag, "--worker=/nonexistent/worker"), 0);
    ck_assert_int_eq(ak_config_settle(&c), AKSSL_ERR_NOT_FOUND);
    ak_config_fini(&c);
    ck_assert_int_eq(ak_files_write(file, "x", 1), 0);
    ck_assert_int_eq(parse(&c, below, "--worker=/bin/true"), 0);
    ck_assert_int_lt(ak_config_settle(&c), 0);
    ak_config_fini(&c);
    free(file);
    free(below);
    free(flag);
    free(socket);
    free(state);
    folder_remove(folder);
}
END_TEST

START_TEST(a_long_socket_path_is_refused)
{
    char *folder = folder_make();
    char *flag = ak_path("--state-dir=%s", folder);
    char *socket = ak_path("--socket=/tmp/%0120d", 1);
    ak_config c;

    ck_assert_int_eq(parse(&c, flag, socket), 0);
    ck_assert_int_eq(ak_config_settle(&c), AKSSL_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "--socket"));
    ak_config_fini(&c);
    free(socket);
    free(flag);
    folder_remove(folder);
}
END_TEST

START_TEST(locks)
{
    char *folder = folder_make();
    char *path = ak_path("%s/lock", folder), *socket_path = ak_path("%s/s", folder);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int first, second, listener;

    ck_assert_int_eq(ak_lock_take(&first, path, "state folder 'x'"), 0);
    ck_assert_int_eq(ak_lock_take(&second, path, "state folder 'x'"), AKSSL_ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "state folder 'x' is held by another akssld"));
    close(first);
    ck_assert_int_eq(ak_lock_take(&second, path, "x"), 0);
    close(second);

    ck_assert_int_eq(ak_lock_socket(socket_path), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(ak_lock_socket(socket_path), AKSSL_ERR_EXISTS);
    close(listener); // the file stays: a dead socket
    ck_assert_int_eq(ak_lock_socket(socket_path), 0);
    ck_assert_int_eq(ak_lock_socket(path), AKSSL_ERR_EXISTS); // a plain file
    free(socket_path);
    free(path);
    folder_remove(folder);
}
END_TEST

START_TEST(files)
{
    char *folder = folder_make();
    char *path = ak_path("%s/f", folder), *link = ak_path("%s/link", folder);
    char *inner = ak_path("%s/d/e", folder), *deep = ak_path("%s/d/e/f", folder);
    ak_str text = AK_STR_INIT;
    uint64_t size;

    ck_assert_int_eq(ak_files_write(path, "hello", 5), 0);
    ck_assert_int_eq(ak_files_read(path, 5, &text), 0);
    ck_assert_str_eq(text.text, "hello");
    ck_assert_int_eq(ak_files_read(path, 4, &text), AKSSL_ERR_LIMIT);
    ck_assert_int_eq(ak_files_size(path, &size), 0);
    ck_assert_uint_eq(size, 5);
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert_int_eq(ak_files_size(link, &size), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_files_make(inner), 0);
    ck_assert_int_eq(ak_files_make(inner), 0);
    ck_assert_int_lt(ak_files_make(path), 0);
    ck_assert_int_eq(ak_files_write(deep, "x", 1), 0);
    ck_assert_int_eq(ak_files_remove(link), 0);
    ck_assert_int_eq(access(path, F_OK), 0); // the link went, not what it points to
    free(link);
    link = ak_path("%s/d", folder);
    ck_assert_int_eq(ak_files_remove(link), 0);
    ck_assert_int_eq(ak_files_remove(link), 0);
    ck_assert_int_lt(access(link, F_OK), 0);
    free(link);
    link = ak_files_program("sh");
    ck_assert_ptr_nonnull(link);
    ck_assert_ptr_null(ak_files_program("no-such-program-anywhere"));
    ck_assert_ptr_null(ak_files_program("/no/such/program"));
    ak_str_fini(&text);
    free(inner);
    free(deep);
    free(link);
    free(path);
    folder_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(flags), AK_CASE(settles), AK_CASE(a_long_socket_path_is_refused),
             AK_CASE(locks), AK_CASE(files))
