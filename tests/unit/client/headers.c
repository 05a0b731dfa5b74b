// tests/unit/client/headers.c -- tests include/akssl: each header alone, as C99 and as C++, and
// that the library gives away what they name, and nothing else.

#include <stdio.h>

#include "tests/check.h"

static const char *const headers[] = { "akssl",  "backup", "client", "job",
                                       "status", "token",  "version" };

enum { HEADERS = sizeof headers / sizeof *headers };

static int compile(const char *compiler, const char *header)
{
    char command[2048];

    snprintf(command, sizeof command,
             "echo '#include <akssl/%s.h>' | %s -pedantic-errors -Wall -Wextra -Werror "
             "-fsyntax-only -I '%s/../include' -",
             header, compiler, TEST_SOURCE_DIR);
    return system(command);
}

START_TEST(compile_alone_as_c99)
{
    for (int i = 0; i < HEADERS; i++)
        ck_assert_int_eq(compile("cc -std=c99 -x c", headers[i]), 0);
}
END_TEST

START_TEST(compile_alone_as_cxx)
{
    if (system("command -v c++ >/dev/null") != 0) {
        fprintf(stderr, "skipped: no c++\n");
        return;
    }
    for (int i = 0; i < HEADERS; i++)
        ck_assert_int_eq(compile("c++ -std=c++11 -x c++", headers[i]), 0);
}
END_TEST

// The words akssl_... of the headers that a "(" follows, one a line, sorted.
static void declared(char *list, size_t size)
{
    char command[1024];
    FILE *pipe;

    snprintf(command, sizeof command,
             "sed 's,//.*,,' '%s'/../include/akssl/*.h | tr '\\n' ' ' | "
             "grep -oE '\\bakssl_[a-z_]+ *\\(' | grep -oE 'akssl_[a-z_]+' | sort -u",
             TEST_SOURCE_DIR);
    pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    list[fread(list, 1, size - 1, pipe)] = '\0';
    ck_assert_int_eq(pclose(pipe), 0);
}

START_TEST(library_exports_what_they_declare)
{
    char wanted[8192], given[8192], command[1024];
    FILE *pipe;

    declared(wanted, sizeof wanted);
    snprintf(command, sizeof command,
             "nm -D --defined-only '%s/../lib/libakssl-client.so' | "
             "grep -v ' A ' | sed 's/.* //; s/@.*//' | grep -vE '^(__asan|__odr|__ubsan|__tsan)' | "
             "sort -u",
             TEST_BIN_DIR);
    pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    given[fread(given, 1, sizeof given - 1, pipe)] = '\0';
    ck_assert_int_eq(pclose(pipe), 0);
    ck_assert(strlen(wanted) > 500);
    ck_assert_str_eq(given, wanted);
}
END_TEST

AK_TEST_MAIN(AK_CASE(compile_alone_as_c99), AK_CASE(compile_alone_as_cxx),
             AK_CASE(library_exports_what_they_declare))
