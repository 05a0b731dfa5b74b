// tests/unit/daemon/store/cut_off.c -- an upgrade that cannot be made, or is cut off, loses
// nothing.

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/daemon/store/sample.h"

// ---- the disk, as it is told to be

enum { WHOLE, FULL, LAST };

static struct {
    int how, left, writes; // how writes end once `left` have been made; how many there were
    bool lies;             // flushes fail
    char flushed[512];     // what ak_files has flushed last
} disk;

static ssize_t write_at(int fd, const void *bytes, size_t size, off64_t at)
{
    disk.writes++;
    if (disk.how != WHOLE && disk.left-- <= 0) {
        if (disk.how == LAST) {
            (void)!pwrite64(fd, bytes, size / 2, at);
            _exit(9);
        }
        errno = ENOSPC;
        return -1;
    }
    return pwrite64(fd, bytes, size, at);
}

static void disk_is(int how, int left)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    bool set = vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)write_at) == SQLITE_OK;

    disk.how = how;
    disk.left = left;
    disk.writes = 0;
    ck_assert(set);
}

// Stands before libc's for our own files, not for SQLite's.
int fsync(int fd)
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, disk.flushed, sizeof disk.flushed - 1);
    disk.flushed[n > 0 ? n : 0] = '\0';
    if (disk.lies && strstr(disk.flushed, ".backup")) {
        errno = EIO;
        return -1;
    }
    return 0;
}

static void check_untouched(const sample *s)
{
    ak_str was = AK_STR_INIT, is = AK_STR_INIT;

    ck_assert_int_eq(ak_files_read(s->original, 1 << 20, &was), 0);
    ck_assert_int_eq(ak_files_read(s->path, 1 << 20, &is), 0);
    ck_assert(was.length == is.length && memcmp(was.text, is.text, is.length) == 0);
    ck_assert_int_ne(access(s->draft, F_OK), 0);
    ak_str_fini(&was);
    ak_str_fini(&is);
}

// refused opens what cannot be backed up, and says why.
static const char *refused(const sample *s)
{
    char *start = ak_path("database '%s' is left as it is, of version %d, since it cannot be "
                          "backed up to '%s': ",
                          s->path, s->version, s->backup);
    ak_store *store = NULL;

    ck_assert_int_lt(ak_store_open(&store, s->path), 0);
    ck_assert_ptr_null(store);
    ck_assert_msg(strncmp(ak_error_text(), start, strlen(start)) == 0, "%s", ak_error_text());
    ck_assert_ptr_nonnull(strstr(ak_error_text(), ": put that right and start akssld again"));
    free(start);
    return ak_error_text();
}

static void check_refused(const sample *s, const char *why)
{
    const char *said = refused(s);

    ck_assert_msg(strstr(said, why), "%s", said);
    check_untouched(s);
}

static void check_mended(const sample *s)
{
    ak_store_close(open_store(s->path));
    check_upgraded(s);
}

START_TEST(without_a_backup_nothing_is_changed)
{
    for (int version = 1; version < ak_store_versions(); version++) {
        sample s = sample_make("live_", version);

        ck_assert_int_eq(mkdir(s.backup, 0700), 0);
        check_refused(&s, "Is a directory");
        ck_assert_int_eq(rmdir(s.backup), 0);
        disk_is(FULL, 0);
        check_refused(&s, "disk is full");
        ck_assert_int_ne(access(s.backup, F_OK), 0);
        disk_is(WHOLE, 0);
        disk.lies = true;
        check_refused(&s, "Input/output error");
        ck_assert_int_ne(access(s.backup, F_OK), 0);
        disk.lies = false;
        check_mended(&s);
        sample_end(&s);
    }
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_to)
{
    sample s = sample_make("live_", 1);
    bool root = geteuid() == 0;

    ck_assert_int_eq(chmod(s.path, 0444), 0);
    ck_assert_int_eq(chmod(s.folder, 0555), 0);
    ck_assert(!root || seteuid(65534) == 0);
    if (faccessat(AT_FDCWD, s.path, R_OK, AT_EACCESS) == 0) // in a TMPDIR of root's it is not
        ck_assert_ptr_nonnull(strstr(refused(&s), "unable to open"));
    ck_assert(!root || seteuid(0) == 0);
    ck_assert_int_eq(chmod(s.folder, 0700), 0);
    ck_assert_int_eq(chmod(s.path, 0600), 0);
    check_untouched(&s);
    check_mended(&s);
    sample_end(&s);
}
END_TEST

START_TEST(a_backup_is_on_the_disk_before_it_has_its_name)
{
    sample s = sample_make("live_", 1);

    disk.lies = true; // the last flush that was tried is the draft's
    check_refused(&s, "Input/output error");
    ck_assert_str_eq(disk.flushed, s.draft);
    sample_end(&s);
}
END_TEST

// One that an earlier akssld upgraded by half, a step a transaction, has backups of both versions.
START_TEST(an_older_backup_stays)
{
    for (int version = 2; version < ak_store_versions(); version++) {
        sample s = sample_make("live_", version), older = sample_make("live_", version - 1);
        char *earlier = ak_path("%s.v%d.backup", s.path, version - 1);

        copy_file(older.original, earlier);
        ck_assert_int_eq(ak_files_write(s.draft, "half", 4), 0);
        ck_assert_int_eq(ak_files_write(s.backup, "half", 4), 0);
        ak_store_close(open_store(s.path));
        check_upgraded(&s);
        check_file(&older, earlier, version - 1, older.schema);
        free(earlier);
        sample_end(&older);
        sample_end(&s);
    }
}
END_TEST

static void check_cut_off(const sample *s)
{
    if (access(s->backup, F_OK) == 0)
        check_backup(s);
    if (version_of(s->path) < ak_store_versions())
        check_file(s, s->path, s->version, s->schema);
    else
        check_upgraded(s);
}

// fills lets the disk be full after so many writes; true when the upgrade needs no more.
static bool fills(int version, int writes)
{
    sample s = sample_make("live_", version);
    ak_store *store = NULL;
    akssl_status rc;
    bool enough;

    disk_is(FULL, writes);
    rc = ak_store_open(&store, s.path);
    ck_assert_msg(rc == AKSSL_OK || strstr(ak_error_text(), "disk is full") ||
                      strstr(ak_error_text(), "I/O error"),
                  "%s", ak_error_text());
    ak_store_close(store);
    enough = disk.writes <= writes;
    disk_is(WHOLE, 0);
    if (rc < 0)
        ck_assert_int_eq(version_of(s.path), version);
    check_cut_off(&s);
    check_mended(&s);
    sample_end(&s);
    return enough;
}

// dies lets akssld die in the midst of the write after so many; true when there was none.
static bool dies(int version, int writes)
{
    sample s = sample_make("live_", version);
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        ak_store *store = NULL;

        disk_is(LAST, writes);
        if (ak_store_open(&store, s.path) == AKSSL_OK)
            ak_store_close(store);
        _exit(0);
    }
    ck_assert(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    if (writes % 2) // else the next start is the first to see what is left
        check_cut_off(&s);
    check_mended(&s);
    sample_end(&s);
    return WEXITSTATUS(status) == 0;
}

static void at_each_write(bool (*happens)(int version, int writes), int version)
{
    int writes = 0;

    while (!happens(version, writes))
        writes++;
    ck_assert_int_gt(writes, 40); // of the backup, the log, the database
}

START_TEST(a_disk_that_fills_at_the_oldest)
{
    at_each_write(fills, 1);
}
END_TEST

START_TEST(a_disk_that_fills_at_the_newest)
{
    at_each_write(fills, ak_store_versions() - 1);
}
END_TEST

START_TEST(a_crash_at_the_oldest)
{
    at_each_write(dies, 1);
}
END_TEST

START_TEST(a_crash_at_the_newest)
{
    at_each_write(dies, ak_store_versions() - 1);
}
END_TEST

AK_TEST_MAIN(AK_CASE(without_a_backup_nothing_is_changed),
             AK_CASE(a_folder_that_cannot_be_written_to),
             AK_CASE(a_backup_is_on_the_disk_before_it_has_its_name),
             AK_CASE(an_older_backup_stays), AK_CASE(a_disk_that_fills_at_the_oldest),
             AK_CASE(a_disk_that_fills_at_the_newest), AK_CASE(a_crash_at_the_oldest),
             AK_CASE(a_crash_at_the_newest))
