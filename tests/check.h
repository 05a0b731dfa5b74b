// tests/check.h -- the harness: check's cases, chosen on the command line.
//
//     START_TEST(rejects_text) { ... } END_TEST
//     AK_TEST_MAIN(AK_CASE(rejects_text), ...)
//
// `PROGRAM` runs all cases, `PROGRAM CASE` one of them.  CK_FORK=no keeps it in one process.

#ifndef AK_TESTS_CHECK_H
#define AK_TESTS_CHECK_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct ak_test_row {
    const char *name;
    const TTest *test;
} ak_test_row;

static inline int ak_test_run(const char *suite_name, const ak_test_row *rows, int argc,
                              char **argv)
{
    Suite *suite = suite_create(suite_name);
    SRunner *runner = srunner_create(suite);
    int chosen = 0, failed;

    for (const ak_test_row *row = rows; row->name; row++) {
        TCase *tcase;

        if (argc > 1 && strcmp(argv[1], row->name) != 0)
            continue;
        tcase = tcase_create(row->name);
        tcase_set_timeout(tcase, 120);
        _tcase_add_test(tcase, row->test, 0, 0, 0, 1);
        suite_add_tcase(suite, tcase);
        chosen++;
    }
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed || !chosen ? EXIT_FAILURE : EXIT_SUCCESS;
}

// AK_CASE makes a row of a START_TEST name.
#define AK_CASE(name_)                                                                             \
    {                                                                                              \
#name_, name_                                                                              \
    }

#define AK_TEST_MAIN(...)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const ak_test_row rows[] = { __VA_ARGS__, { NULL, NULL } };                                \
        return ak_test_run(TEST_NAME, rows, argc, argv);                                           \
    }

#endif
