// tests/unit/proto/base/mapped.c -- tests proto/base/mapped.c: a mapped file that is cut.

#define _DEFAULT_SOURCE

#include "proto/base/mapped.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"

enum { PAGE = 4096, ROOM = 4096 };

// The child: with the guard it maps a file (or gets a SIGBUS from elsewhere), cuts and reads it.
static void read_what_is_cut(int said, int file)
{
    const volatile char *map = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, file, 0);

    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    dup2(said, STDERR_FILENO);
    ak_mapped_guard();
    if (file < 0)
        raise(SIGBUS);
    if (file < 0 || ftruncate(file, PAGE) < 0 || map[0] != 'a')
        _exit(42);
    _exit(map[PAGE] ? 43 : 44);
}

static int end_of_child(int file, char *said)
{
    int ends[2], status;
    size_t held = 0;
    ssize_t got;
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        read_what_is_cut(ends[1], file);
    close(ends[1]);
    while ((got = read(ends[0], said + held, ROOM - 1 - held)) > 0)
        held += (size_t)got;
    said[held] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(a_cut_file_is_named)
{
    char path[] = "/tmp/akssl.mapped.XXXXXX", bytes[2 * PAGE], said[ROOM], want[ROOM];
    int file = mkstemp(path), status;

    ck_assert_int_ge(file, 0);
    memset(bytes, 'a', sizeof bytes);
    ck_assert_int_eq(write(file, bytes, sizeof bytes), sizeof bytes);
    status = end_of_child(file, said);
    close(file);
    unlink(path);
    snprintf(want, sizeof want, "%s: a part of '%s' cannot be read: the file was cut", TEST_NAME,
             path);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE, "%d: %s", status, said);
    ck_assert_msg(strncmp(said, want, strlen(want)) == 0, "%s", said);
}
END_TEST

// A SIGBUS that no file's page has sent does what it does else.
START_TEST(another_bus_error_stays)
{
    char said[ROOM];
    int status = end_of_child(-1, said);

    ck_assert_msg(WIFEXITED(status) ? WEXITSTATUS(status) == 42 : WTERMSIG(status) == SIGBUS, "%d",
                  status);
    ck_assert_str_eq(said, "");
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_cut_file_is_named), AK_CASE(another_bus_error_stays))
