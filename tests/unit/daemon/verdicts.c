// tests/unit/daemon/verdicts.c -- tests which answers of a check are given again.

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/verdicts.h"
#include "proto/base/clock.h"
#include "tests/check.h"
#include "tests/unit/daemon/folder.h"

typedef struct place {
    char *folder, *worker, *data, *absent;
    ak_verdicts *verdicts;
} place;

// find gives the answer that is kept, if it holds.
static const char *find(ak_verdicts *verdicts, const char *question)
{
    int64_t made_ns;
    const char *answer = ak_verdicts_find(verdicts, question, &made_ns);

    return answer && ak_verdicts_holds(answer) ? answer : NULL;
}

// put writes a file as of so many seconds ago.
static void put(const char *path, const char *text, int age_s)
{
    struct timespec times[2] = { { 0 } };

    unlink(path);
    ck_assert_int_eq(ak_files_create(path, text, strlen(text)), 0);
    times[0].tv_sec = times[1].tv_sec = ak_clock_wall_ms() / 1000 - age_s;
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

// answer_now is what a check would print of the files as they are.
static char *answer_now(const place *p)
{
    struct stat s;

    ck_assert_int_eq(stat(p->data, &s), 0);
    return ak_path(
        "# estimate: little\n# missing %s\n# opened %ld %ld %ld%09ld %ld%09ld %s\nkind: x\n",
        p->absent, (long)s.st_ino, (long)s.st_size, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec,
        (long)s.st_ctim.tv_sec, s.st_ctim.tv_nsec, p->data);
}

static void open_place(place *p)
{
    p->folder = folder_make();
    p->worker = ak_path("%s/worker", p->folder);
    p->data = ak_path("%s/data set", p->folder);
    p->absent = ak_path("%s/absent", p->folder);
    put(p->worker, "worker", 100);
    put(p->data, "images", 100);
    p->verdicts = ak_verdicts_new(p->worker);
    usleep((AK_VERDICT_SETTLED_MS + 200) * 1000);
}

static void close_place(place *p)
{
    ak_verdicts_free(p->verdicts);
    folder_remove(p->folder);
    free(p->worker);
    free(p->data);
    free(p->absent);
}

START_TEST(an_answer_holds_until_a_file_changes)
{
    char *answer;
    place p;

    open_place(&p);
    answer = answer_now(&p);
    ck_assert_ptr_null(find(p.verdicts, "q"));
    ak_verdicts_keep(p.verdicts, "q", answer);
    ck_assert_str_eq(find(p.verdicts, "q"), answer);
    ck_assert_ptr_null(find(p.verdicts, "another"));

    put(p.data, "imagez", 100); // of the same size and time
    ck_assert_ptr_null(find(p.verdicts, "q"));
    ak_verdicts_keep(p.verdicts, "q", answer);
    ck_assert_ptr_null(find(p.verdicts, "q"));
    free(answer);
    close_place(&p);
}
END_TEST

START_TEST(a_missing_file_that_comes_and_another_worker_end_it)
{
    char *answer;
    place p;

    open_place(&p);
    answer = answer_now(&p);
    ak_verdicts_keep(p.verdicts, "q", answer);
    put(p.worker, "worker", 100);
    ck_assert_ptr_null(find(p.verdicts, "q"));
    ak_verdicts_keep(p.verdicts, "q", answer);
    ck_assert_ptr_nonnull(find(p.verdicts, "q"));
    put(p.absent, "images", 100);
    ck_assert_ptr_null(find(p.verdicts, "q"));
    free(answer);
    close_place(&p);
}
END_TEST

START_TEST(what_cannot_be_relied_on_is_not_kept)
{
    static const char *const answers[] = {
        "",
        "# estimate: little",
        "# estimate: little\nkind: x\n",
        "# estimate: little\n# opened 1 2\nkind: x\n",
        "# estimate: little\n# opened 1 2 3 4 \n",
    };
    char *answer;
    place p;

    open_place(&p);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        ak_verdicts_keep(p.verdicts, "q", answers[i]);
        ck_assert_ptr_null(find(p.verdicts, "q"));
    }
    put(p.data, "images", 0); // just now
    answer = answer_now(&p);
    ak_verdicts_keep(p.verdicts, "q", answer);
    ck_assert_ptr_null(find(p.verdicts, "q"));
    free(answer);
    close_place(&p);
}
END_TEST

START_TEST(the_oldest_goes_first)
{
    char question[16], *answer;
    place p;

    open_place(&p);
    answer = answer_now(&p);
    for (int i = 0; i <= AK_VERDICTS; i++) {
        snprintf(question, sizeof question, "q%d", i);
        ak_verdicts_keep(p.verdicts, question, answer);
    }
    ck_assert_ptr_null(find(p.verdicts, "q0"));
    ck_assert_ptr_nonnull(find(p.verdicts, "q1"));
    ck_assert_ptr_nonnull(find(p.verdicts, question));
    free(answer);
    close_place(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(an_answer_holds_until_a_file_changes),
             AK_CASE(a_missing_file_that_comes_and_another_worker_end_it),
             AK_CASE(what_cannot_be_relied_on_is_not_kept), AK_CASE(the_oldest_goes_first))
