// tests/unit/daemon/store/sample.h -- a database that an older akssld has made, and a copy of it to
// open.
//
// The files are those of the fuzzer (tests/fuzz/corpus/database), made with the schema of their
// day: vN has one job with its commits, live_vN a run, what waits for it, and all that the version
// knew.  Whoever adds a step of the schema adds such files of the version that it leads to.

#ifndef AK_TESTS_DAEMON_STORE_SAMPLE_H
#define AK_TESTS_DAEMON_STORE_SAMPLE_H

#include <unistd.h>

#include "daemon/store/sqlite.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "tests/unit/daemon/folder.h"

// ---- databases, as SQLite sees them

static inline void add_row(ak_str *out, sqlite3_stmt *s)
{
    for (int i = 0; i < sqlite3_column_count(s); i++) {
        const char *text = (const char *)sqlite3_column_text(s, i);

        ak_str_format(out, "%s%s", i ? "|" : "", text ? text : "NULL");
    }
    ak_str_format(out, "\n");
}

// ask appends what a query answers, a line a row.
static inline void ask(sqlite3 *db, const char *sql, ak_str *out)
{
    sqlite3_stmt *s;
    int step;

    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%.200s: %s", sql,
                  sqlite3_errmsg(db));
    while ((step = sqlite3_step(s)) == SQLITE_ROW)
        add_row(out, s);
    ck_assert_msg(step == SQLITE_DONE, "%.200s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(s);
}

static inline char *answer(sqlite3 *db, const char *sql)
{
    ak_str out = AK_STR_INIT;

    ask(db, sql, &out);
    return ak_str_take(&out);
}

static inline char *schema_of(sqlite3 *db)
{
    return answer(db, "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name");
}

// rows_of gives all rows of a database, of each table of `like` the columns that it has there.
static inline char *rows_of(sqlite3 *db, sqlite3 *like)
{
    char *queries =
        answer(like, "SELECT 'SELECT ''' || t.name || ''', ' || group_concat('quote(' || c.name "
                     "|| ')', ', ') || ' FROM ' || t.name || ' ORDER BY rowid' "
                     "FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' "
                     "GROUP BY t.name ORDER BY t.name");
    ak_str out = AK_STR_INIT;
    char *rest = NULL;

    for (char *sql = strtok_r(queries, "\n", &rest); sql; sql = strtok_r(NULL, "\n", &rest))
        ask(db, sql, &out);
    free(queries);
    ck_assert_ptr_nonnull(strstr(out.text, "jobs|"));
    return ak_str_take(&out);
}

// check_same frees both; what is shown is where they begin to differ.
static inline void check_same(char *one, char *two, const char *what)
{
    size_t at = 0;

    while (one[at] && one[at] == two[at])
        at++;
    ck_assert_msg(one[at] == two[at], "%s: '%.200s' is not '%.200s'", what, one + at, two + at);
    free(one);
    free(two);
}

static inline sqlite3 *look_into(const char *path)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    return db;
}

static inline int version_of(const char *path)
{
    sqlite3 *db = look_into(path);
    char *text = answer(db, "PRAGMA user_version");
    int version = atoi(text);

    free(text);
    sqlite3_close(db);
    return version;
}

static inline void check_sound(sqlite3 *db, int version)
{
    char *text = answer(db, "SELECT * FROM pragma_integrity_check "
                            "UNION ALL SELECT 'foreign key' FROM pragma_foreign_key_check "
                            "UNION ALL SELECT * FROM pragma_user_version");

    check_same(text, ak_path("ok\n%d\n", version), "what SQLite finds");
}

// ---- a file of a version, and a copy of it that is opened

typedef struct sample {
    char *folder, *original, *path, *backup, *draft, *rows, *schema;
    int version;
} sample;

static inline void copy_file(const char *from, const char *to)
{
    ak_str bytes = AK_STR_INIT;

    ck_assert_msg(ak_files_read(from, 1 << 20, &bytes) == 0,
                  "%s: each version has its file: tests/fuzz/README.md", ak_error_text());
    ck_assert_int_eq(ak_files_write(to, bytes.text, bytes.length), 0);
    ak_str_fini(&bytes);
}

static inline sample sample_make(const char *kind, int version)
{
    char *file = ak_path("%s/fuzz/corpus/database/%sv%d", TEST_SOURCE_DIR, kind, version);
    sample s = { .folder = folder_make(), .version = version };
    sqlite3 *db;

    s.path = ak_path("%s/db", s.folder);
    s.original = ak_path("%s/original", s.folder);
    s.backup = ak_path("%s.v%d.backup", s.path, version);
    s.draft = ak_path("%s.tmp", s.backup);
    copy_file(file, s.original);
    copy_file(file, s.path);
    db = look_into(s.original);
    check_sound(db, version);
    s.rows = rows_of(db, db);
    s.schema = schema_of(db);
    sqlite3_close(db);
    free(file);
    return s;
}

static inline void sample_end(sample *s)
{
    free(s->original);
    free(s->path);
    free(s->backup);
    free(s->draft);
    free(s->rows);
    free(s->schema);
    folder_remove(s->folder);
}

static inline ak_store *open_store(const char *path)
{
    ak_store *store = NULL;

    ck_assert_msg(ak_store_open(&store, path) == 0, "%s", ak_error_text());
    return store;
}

// check_file: path is a sound database of that version and schema, and has the sample's rows.
static inline void check_file(const sample *s, const char *path, int version, const char *schema)
{
    sqlite3 *db = look_into(path), *original = look_into(s->original);

    check_sound(db, version);
    check_same(rows_of(db, original), ak_strdup(s->rows), "rows");
    check_same(schema_of(db), ak_strdup(schema), "the schema");
    sqlite3_close(original);
    sqlite3_close(db);
}

static inline void check_backup(const sample *s)
{
    check_file(s, s->backup, s->version, s->schema);
}

// check_upgraded: what was there is there, in the tables of a new database, and beside it as it
// was.
static inline void check_upgraded(const sample *s)
{
    ak_store *new = open_store(":memory:");
    char *schema = schema_of(new->db);

    check_file(s, s->path, ak_store_versions(), schema);
    ck_assert_int_ne(access(s->draft, F_OK), 0);
    if (s->version < ak_store_versions())
        check_backup(s);
    else
        ck_assert_int_ne(access(s->backup, F_OK), 0);
    free(schema);
    ak_store_close(new);
}

#endif
