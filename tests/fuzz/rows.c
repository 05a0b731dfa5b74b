// tests/fuzz/rows.c -- a database of any released version with any rows: opened, brought up to
// date, taken up by a starting daemon, and asked about.
//
// An input: the version, then rows.  A row: its table, then a value for each column: its kind, and
// what the kind asks for.

#include <math.h>
#include <sqlite3.h>

#include "daemon/files.h"
#include "daemon/store/sqlite.h"
#include "proto/base/error.h"
#include "tests/fuzz/lab.h"

enum { APPLICATION_ID = 0x616b7373, ROWS = 16 };

static const char *const tables[] = { "jobs",           "commits", "commit_files",
                                      "commit_tensors", "tokens",  "usage" };

enum { TABLES = sizeof tables / sizeof *tables };

static void execute(sqlite3 *db, const char *sql)
{
    FUZZ_CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

// What a value of that column looks like in real use.
static void bind_usual(sqlite3_stmt *s, int at, const char *column)
{
    static const char spec[] =
        "name: old\nmethod: moco_v2\ndataset: fashion-mnist\noption: {K: 64}\n";
    static const struct {
        const char *column, *text;
    } texts[] = {
        { "spec", spec },
        { "reason", "" },
        { "weights", "" },
        { "run_id", "0123456789abcdef0123456789abcdef" },
        { "kind", "pretrain" },
        { "name", "state.safetensors" },
        { "method", "moco_v2" },
        { "backbone", "resnet18" },
        { "dataset", "fashion-mnist" },
        { "digest", "00112233445566778899aabbccddeeff" },
        { "owner", "alice" },
        { "user", "alice" },
        { "access", "submit" },
        { "hash", "a hash has thirty-two bytes, as " },
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i].column, column) == 0) {
            sqlite3_bind_text(s, at, texts[i].text, -1, SQLITE_STATIC);
            return;
        }
    if (strcmp(column, "figures") == 0 || strcmp(column, "id") == 0)
        sqlite3_bind_null(s, at);
    else
        sqlite3_bind_int64(s, at,
                           strcmp(column, "ended_ms") != 0 && strcmp(column, "revoked_ms") != 0);
}

static void bind_value(sqlite3_stmt *s, int at, const char *column, fuzz_bytes *input)
{
    uint8_t kind = (uint8_t)fuzz_number(input, 1);
    fuzz_bytes part;
    double real;
    uint64_t bits;

    switch (kind % 8) {
    case 1:
        sqlite3_bind_int64(s, at, (int8_t)fuzz_number(input, 1));
        break;
    case 2:
        sqlite3_bind_int64(s, at, (int64_t)fuzz_number(input, 8));
        break;
    case 3:
        bits = fuzz_number(input, 8);
        memcpy(&real, &bits, sizeof real);
        sqlite3_bind_double(s, at, real);
        break;
    case 4:
        part = fuzz_part(input);
        sqlite3_bind_text(s, at, (const char *)part.at, (int)part.left, SQLITE_TRANSIENT);
        break;
    case 5:
        part = fuzz_part(input);
        sqlite3_bind_blob(s, at, part.at, (int)part.left, SQLITE_TRANSIENT);
        break;
    case 6:
        sqlite3_bind_null(s, at);
        break;
    default:
        bind_usual(s, at, column);
    }
}

// A row that a constraint refuses is left out.
static void insert(sqlite3 *db, const char *table, fuzz_bytes *input)
{
    char sql[512];
    sqlite3_stmt *columns, *s;
    int count, used;

    snprintf(sql, sizeof sql, "SELECT * FROM %s", table);
    if (sqlite3_prepare_v2(db, sql, -1, &columns, NULL) != SQLITE_OK)
        return; // a table that this version does not have
    count = sqlite3_column_count(columns);
    used = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES (", table);
    for (int i = 0; i < count; i++)
        used += snprintf(sql + used, sizeof sql - (size_t)used, "%s?", i ? "," : "");
    snprintf(sql + used, sizeof sql - (size_t)used, ")");
    FUZZ_CHECK(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK);
    for (int i = 0; i < count; i++)
        bind_value(s, i + 1, sqlite3_column_name(columns, i), input);
    sqlite3_step(s);
    sqlite3_finalize(s);
    sqlite3_finalize(columns);
}

// The file that each version starts with, made once.
static void start_version(int version)
{
    static struct {
        void *bytes;
        size_t size;
    } files[64];
    char path[340];
    ak_str text = AK_STR_INIT;
    sqlite3 *db;

    FUZZ_CHECK(version < 64);
    if (!files[version].bytes) {
        snprintf(path, sizeof path, "%s", lab_database());
        FUZZ_CHECK(sqlite3_open(path, &db) == SQLITE_OK);
        for (int v = 1; v <= version; v++)
            execute(db, ak_store_step_sql(v));
        ak_str_format(&text, "PRAGMA user_version = %d; PRAGMA application_id = %d", version,
                      APPLICATION_ID);
        execute(db, text.text);
        sqlite3_close(db);
        ak_str_clear(&text);
        FUZZ_CHECK(ak_files_read(path, 1 << 20, &text) == AKSSL_OK);
        files[version].bytes = text.text;
        files[version].size = text.length;
    }
    fuzz_write(lab_database(), files[version].bytes, files[version].size);
}

static void make(fuzz_bytes *input)
{
    int version = 1 + (int)fuzz_number(input, 1) % ak_store_versions();
    sqlite3 *db;

    start_version(version);
    FUZZ_CHECK(sqlite3_open(lab_database(), &db) == SQLITE_OK);
    execute(db, "PRAGMA synchronous = OFF; BEGIN");
    for (int i = 0; input->left && i < ROWS; i++)
        insert(db, tables[fuzz_number(input, 1) % TABLES], input);
    execute(db, "COMMIT");
    sqlite3_close(db);
}

static void ask_job(lab *l, ak_rpc_id rpc, int64_t id)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;
    Akssl__V1__ResumeRequest resume = AKSSL__V1__RESUME_REQUEST__INIT;

    request.has_id = resume.has_id = 1;
    request.id = resume.id = id;
    lab_call(l, rpc, &request.base, "");
    lab_settle(l);
    if (rpc == AK_RPC_pause) {
        lab_call(l, AK_RPC_resume, &resume.base, "");
        lab_settle(l);
    }
}

// People, whom nothing that is stored may make more than they are.
static void ask_people(lab *l)
{
    static const unsigned char hash[] = "a hash has thirty-two bytes, as ";
    Akssl__V1__ListTokensRequest tokens = AKSSL__V1__LIST_TOKENS_REQUEST__INIT;
    Akssl__V1__RevokeTokenRequest revoke = AKSSL__V1__REVOKE_TOKEN_REQUEST__INIT;
    ak_token token;

    for (size_t i = 0; i < l->d.usage.count; i++)
        FUZZ_CHECK(isfinite(l->d.usage.rows[i].core_s) && l->d.usage.rows[i].core_s >= 0);
    lab_call(l, AK_RPC_list_tokens, &tokens.base, "");
    if (ak_store_find_token(l->d.store, hash, &token) == AKSSL_OK)
        FUZZ_CHECK(ak_access_text(token.access)[0] && ak_token_check_user(token.user) == AKSSL_OK);
    for (revoke.id = 1, revoke.has_id = 1; revoke.id <= 2; revoke.id++)
        lab_call(l, AK_RPC_revoke_token, &revoke.base, "");
    lab_settle(l);
}

static void ask(lab *l)
{
    static const ak_rpc_id calls[] = { AK_RPC_show, AK_RPC_pause, AK_RPC_cancel };
    Akssl__V1__ListRequest list = AKSSL__V1__LIST_REQUEST__INIT;
    Akssl__V1__StateRequest state = AKSSL__V1__STATE_REQUEST__INIT;
    Akssl__V1__ResizeRequest resize = AKSSL__V1__RESIZE_REQUEST__INIT;
    Akssl__V1__WatchRequest watch = AKSSL__V1__WATCH_REQUEST__INIT;
    Akssl__V1__Metric metric = AKSSL__V1__METRIC__INIT, *metrics[] = { &metric };

    lab_call(l, AK_RPC_list, &list.base, "");
    metric.name = (char *)"after.knn.top1";
    for (int64_t id = 1; id <= 3; id++) {
        ak_job *job = ak_jobs_find(&l->d.jobs, id);

        state.id = resize.id = watch.id = id;
        state.has_id = resize.has_id = watch.has_id = resize.has_ranks = 1;
        resize.ranks = 2;
        lab_call(l, AK_RPC_state, &state.base, "");
        lab_call(l, AK_RPC_watch, &watch.base, "");
        if (job && ak_figures_merge(&job->figures, NULL, 1, metrics) < 0)
            FUZZ_CHECK(ak_error_text()[0]);
        lab_call(l, AK_RPC_resize, &resize.base, "");
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
            ask_job(l, calls[i], id);
        lab_time_passes(l);
        lab_settle(l);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size };
    lab l;

    lab_clear();
    make(&input);
    if (!lab_start(&l))
        return 0;
    lab_settle(&l);
    ask_people(&l);
    ask(&l);
    lab_stop(&l);
    return 0;
}
