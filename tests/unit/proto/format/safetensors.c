// tests/unit/proto/format/safetensors.c -- tests the reader and the writer of safetensors.

#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"
#include "proto/format/safetensors.h"
#include "tests/check.h"

static char folder[256];
static char path[300], tmp[310];

static void setup(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.200s/akssl-safetensors-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
}

static void teardown(void)
{
    unlink(path);
    unlink(tmp);
    ck_assert_int_eq(rmdir(folder), 0); // nothing else was left there
}

static void put(const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

// Writes a file of this header and data_size bytes 0, 1, 2, ...
static void put_header(const char *header, size_t data_size)
{
    size_t length = strlen(header);
    unsigned char *bytes = malloc(8 + length + data_size);

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data_size; i++)
        bytes[8 + length + i] = (unsigned char)i;
    put(bytes, 8 + length + data_size);
    free(bytes);
}

static void refused(const char *what)
{
    ak_safetensors *file = NULL;
    akssl_status rc = ak_safetensors_open(&file, path);

    ck_assert_msg(rc == AKSSL_ERR_CORRUPT, "%s: got %d", what, rc);
    ck_assert_int_eq(ak_safetensors_load(&file, path, 1 << 28), rc);
    ck_assert_ptr_null(file);
    ck_assert_msg(strstr(ak_error_text(), path) != NULL, "%s: no path in '%s'", what,
                  ak_error_text());
}

START_TEST(round_trip)
{
    static const float weights[6] = { 1, -2, 3.5f, 0, 1e-30f, 7 };
    static const uint8_t bytes[3] = { 1, 2, 255 };
    static const int64_t step = 1234567890123;
    char digest[33], again[33];
    ak_safetensors_writer *w;
    ak_safetensors *file;
    const ak_safetensors_entry *e;
    float values[6];
    uint64_t size, read_size;

    setup();
    ck_assert_int_eq(ak_safetensors_create(&w, path), 0);
    ak_safetensors_set_meta(w, "format", "pt");
    ak_safetensors_set_meta(w, "note", "\"quoted\" \xc3\xa9");
    ak_safetensors_declare(w, "z.weight", AK_F32, 2, (const int64_t[]){ 2, 3 });
    ak_safetensors_declare(w, "bytes", AK_U8, 1, (const int64_t[]){ 3 });
    ak_safetensors_declare(w, "none", AK_F32, 2, (const int64_t[]){ 0, 5 });
    ak_safetensors_declare(w, "a.step", AK_I64, 0, NULL);
    ck_assert_int_eq(ak_safetensors_write(w, weights, 10), 0); // pieces need not match tensors
    ck_assert_int_eq(ak_safetensors_write(w, (const char *)weights + 10, 14), 0);
    ck_assert_int_eq(ak_safetensors_write(w, bytes, 3), 0);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(ak_safetensors_write(w, &step, 8), 0);
    ck_assert_int_eq(ak_safetensors_commit(w, &size, digest), 0);
    ak_safetensors_writer_free(w);
    ck_assert_int_ne(access(tmp, F_OK), 0);
    ck_assert_int_eq(ak_digest_file(path, &read_size, again), 0);
    ck_assert_str_eq(digest, again);
    ck_assert_uint_eq(size, read_size);

    ck_assert_int_eq(ak_safetensors_open(&file, path), 0);
    ck_assert_int_eq(ak_safetensors_count(file), 4);
    ck_assert_str_eq(ak_safetensors_at(file, 0)->name, "z.weight");
    ck_assert_str_eq(ak_safetensors_at(file, 3)->name, "a.step");
    ck_assert_ptr_null(ak_safetensors_at(file, 4));
    ck_assert_str_eq(ak_safetensors_meta(file, "note"), "\"quoted\" \xc3\xa9");
    ck_assert_ptr_null(ak_safetensors_meta(file, "absent"));
    e = ak_safetensors_find(file, "z.weight");
    ck_assert(e && e->dtype == AK_F32 && e->dims == 2 && e->shape[0] == 2 && e->shape[1] == 3);
    ck_assert_uint_eq((uintptr_t)ak_safetensors_data(file, e) % 64, 0);
    ck_assert_int_eq(ak_safetensors_read_f32(file, "z.weight", values, 6), 0);
    ck_assert_mem_eq(values, weights, sizeof weights);
    e = ak_safetensors_find(file, "a.step");
    ck_assert(e && e->dims == 0 && ak_safetensors_numel(e) == 1);
    ck_assert_mem_eq(ak_safetensors_data(file, e), &step, 8);
    ck_assert_int_eq(ak_safetensors_read_f32(file, "none", NULL, 0), 0);
    ck_assert_int_eq(ak_safetensors_read_f32(file, "absent", values, 6), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_safetensors_read_f32(file, "z.weight", values, 5), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_safetensors_read_f32(file, "bytes", values, 3), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "bytes"));
    ak_safetensors_close(file);
    ck_assert_int_eq(ak_safetensors_load(&file, path, 100), AKSSL_ERR_CORRUPT);
    ck_assert_int_eq(ak_safetensors_load(&file, path, 1 << 28), 0);
    ck_assert_int_eq(truncate(path, 20), 0); // what was loaded needs it no more
    ck_assert_int_eq(ak_safetensors_read_f32(file, "z.weight", values, 6), 0);
    ck_assert_mem_eq(values, weights, sizeof weights);
    ak_safetensors_close(file);
    ak_safetensors_close(NULL);
    teardown();
}
END_TEST

#define ENTRY(name, dtype, shape, offsets)                                                         \
    "\"" name "\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define ONE(dtype, shape, offsets) ("{" ENTRY("a", dtype, shape, offsets) "}")
#define TWO(first, second) ("{" first "," second "}")
#define BYTES(name, shape, offsets) ENTRY(name, "\"U8\"", shape, offsets)

START_TEST(legal_oddities)
{
    static const char *const headers[] = {
        "{}",
        "{}    ",
        "{\"__metadata__\":{}}",
        ONE("\"F32\"", "[0]", "[0,0]"),
        TWO(ENTRY("a", "\"F32\"", "[3,0]", "[0,0]"), BYTES("b", "[0]", "[0,0]")),
    };
    ak_safetensors *file;

    setup();
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        put_header(headers[i], 0);
        ck_assert_msg(ak_safetensors_open(&file, path) == 0, "%s: %s", headers[i], ak_error_text());
        ak_safetensors_close(file);
    }
    // Old writers listed tensors by name; places are what counts.
    put_header("{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]},"
               "\"c\":{\"dtype\":\"BF16\",\"shape\":[0],\"data_offsets\":[1,1]},"
               "\"a\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[0,1]}}",
               3);
    ck_assert_int_eq(ak_safetensors_open(&file, path), 0);
    ck_assert_str_eq(ak_safetensors_at(file, 0)->name, "a");
    ck_assert_str_eq(ak_safetensors_at(file, 2)->name, "b");
    ck_assert_int_eq(
        ((const uint8_t *)ak_safetensors_data(file, ak_safetensors_find(file, "b")))[1], 2);
    ak_safetensors_close(file);
    teardown();
}
END_TEST

START_TEST(abuse_is_refused)
{
    static const char *const headers[] = {
        // each with 8 bytes of data
        "not json",
        "[]",
        "[{}]",
        " {}",
        "{",
        "{} {}",
        "{\"a\":1}",
        "{\"a\":null}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":{\"a\":{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[8]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8],\"extra\":1}}",
        TWO("\"__metadata__\":{\"a\":1}", BYTES("a", "[8]", "[0,8]")),
        TWO("\"__metadata__\":[]", BYTES("a", "[8]", "[0,8]")),
        ONE("\"F31\"", "[2]", "[0,8]"),
        ONE("\"\"", "[8]", "[0,8]"),
        ONE("4", "[2]", "[0,8]"),
        ONE("null", "[2]", "[0,8]"),
        ONE("\"U8\"", "[-8]", "[0,8]"),
        ONE("\"U8\"", "[-2,-4]", "[0,8]"),
        ONE("\"U8\"", "[8.0]", "[0,8]"),
        ONE("\"U8\"", "[\"8\"]", "[0,8]"),
        ONE("\"U8\"", "8", "[0,8]"),
        ONE("\"U8\"", "[[8]]", "[0,8]"),
        ONE("\"U8\"", "[9]", "[0,8]"),
        ONE("\"U8\"", "[7]", "[0,8]"),
        ONE("\"U8\"", "[1,1,1,1,1,1,1,1,8]", "[0,8]"),
        ONE("\"U8\"", "[4294967296,4294967296,8]", "[0,8]"), // the product wraps to 0
        ONE("\"F32\"", "[4611686018427387906]", "[0,8]"),    // times 4 wraps to 8
        ONE("\"U8\"", "[99999999999999999999]", "[0,8]"),
        ONE("\"U8\"", "[8]", "[8,0]"),
        ONE("\"U8\"", "[8]", "[0,8,8]"),
        ONE("\"U8\"", "[8]", "[0]"),
        ONE("\"U8\"", "[8]", "[0.0,8.0]"),
        ONE("\"U8\"", "[8]", "{\"0\":0}"),
        ONE("\"U8\"", "[8]", "[-1,7]"),
        ONE("\"U8\"", "[8]", "[1,9]"),
        ONE("\"U8\"", "[16]", "[0,16]"),
        ONE("\"U8\"", "[7]", "[0,7]"), // a byte behind it
        ONE("\"U8\"", "[7]", "[1,8]"), // a hole before it
        TWO(BYTES("a", "[4]", "[0,4]"), BYTES("b", "[4]", "[3,7]")),
        TWO(BYTES("a", "[4]", "[0,4]"), BYTES("b", "[4]", "[0,4]")),
        TWO(BYTES("a", "[4]", "[4,8]"), BYTES("b", "[4]", "[2,6]")),
        TWO(BYTES("a", "[4]", "[0,4]"), BYTES("b", "[4]", "[8,4]")),
        TWO(BYTES("a", "[4]", "[0,4]"), BYTES("a", "[4]", "[4,8]")), // a name twice
        TWO(BYTES("a", "[3]", "[0,3]"), BYTES("b", "[4]", "[4,8]")), // a hole between
        "{\"\xff\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
        "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
    };

    setup();
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        put_header(headers[i], 8);
        refused(headers[i]);
    }
    put_header(ONE("\"U8\"", "[8]", "[0,8]"), 7);
    refused("truncated data");
    teardown();
}
END_TEST

START_TEST(abuse_of_the_length)
{
    static const uint64_t lengths[] = { 0,          1,          3,
                                        100,        100000001,  1ull << 40,
                                        1ull << 63, UINT64_MAX, UINT64_MAX - 7 };
    char bytes[10] = { 0, 0, 0, 0, 0, 0, 0, 0, '{', '}' };
    size_t nested = 300000;
    char *text = malloc(nested + 1);

    setup();
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int k = 0; k < 8; k++)
            bytes[k] = (char)(lengths[i] >> (8 * k));
        put(bytes, sizeof bytes);
        refused("length");
    }
    for (size_t size = 0; size < 10; size++) {
        put(bytes, size);
        refused("short file");
    }
    memcpy(text, "{\"a\":", 5); // nested far deeper than a parser's stack
    memset(text + 5, '[', nested - 5);
    text[nested] = '\0';
    put_header(text, 0);
    refused("nested");
    free(text);
    teardown();
}
END_TEST

START_TEST(missing_files)
{
    ak_safetensors_writer *w;
    ak_safetensors *file;

    setup();
    ck_assert_int_eq(ak_safetensors_open(&file, path), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_lt(ak_safetensors_open(&file, folder), 0);
    ck_assert_int_eq(ak_safetensors_load(&file, path, 1 << 28), AKSSL_ERR_NOT_FOUND);
    snprintf(path, sizeof path, "%s/no/x.safetensors", folder);
    ck_assert_int_eq(ak_safetensors_create(&w, path), AKSSL_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), path));
    teardown();
}
END_TEST

START_TEST(writer_needs_all_data)
{
    ak_safetensors_writer *w;

    setup();
    ck_assert_int_eq(ak_safetensors_create(&w, path), 0);
    ak_safetensors_declare(w, "a", AK_F32, 1, (const int64_t[]){ 2 });
    ck_assert_int_eq(ak_safetensors_write(w, "1234", 4), 0);
    ck_assert_int_eq(ak_safetensors_commit(w, NULL, NULL), AKSSL_ERR_STATE);
    ak_safetensors_writer_free(w);
    ck_assert_int_eq(ak_safetensors_create(&w, path), 0);
    ak_safetensors_declare(w, "a", AK_U8, 1, (const int64_t[]){ 2 });
    ck_assert_int_eq(ak_safetensors_write(w, "123", 3), AKSSL_ERR_STATE);
    ck_assert_int_eq(ak_safetensors_commit(w, NULL, NULL), AKSSL_ERR_STATE);
    ak_safetensors_writer_free(w);
    ak_safetensors_writer_free(NULL);
    ck_assert_int_ne(access(path, F_OK), 0);
    teardown();
}
END_TEST

START_TEST(writer_refuses_bad_declarations)
{
    static const int64_t negative[] = { -1 }, huge[] = { INT64_MAX, INT64_MAX };

    for (int i = 0; i < 6; i++) {
        ak_safetensors_writer *w;

        setup();
        ck_assert_int_eq(ak_safetensors_create(&w, path), 0);
        ak_safetensors_declare(w, "a", AK_U8, 0, NULL);
        if (i == 0)
            ak_safetensors_declare(w, "a", AK_U8, 0, NULL);
        if (i == 1)
            ak_safetensors_declare(w, "b", AK_U8, 1, negative);
        if (i == 2)
            ak_safetensors_declare(w, "b", AK_U8, 2, huge);
        if (i == 3)
            ak_safetensors_declare(w, "\xff", AK_U8, 0, NULL);
        if (i == 4)
            ak_safetensors_set_meta(w, "a", "\xff");
        if (i == 5)
            ak_safetensors_declare(w, "__metadata__", AK_U8, 0, NULL);
        ck_assert_int_eq(ak_safetensors_write(w, "1", 1), AKSSL_ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), path));
        ck_assert_int_eq(ak_safetensors_commit(w, NULL, NULL), AKSSL_ERR_INVALID);
        ak_safetensors_writer_free(w);
        teardown();
    }
}
END_TEST

START_TEST(full_disk)
{
    ak_safetensors_writer *w;
    char data[64] = { 0 };

    setup();
    ck_assert_int_eq(symlink("/dev/full", tmp), 0);
    ck_assert_int_eq(ak_safetensors_create(&w, path), 0);
    ak_safetensors_declare(w, "a", AK_U8, 1, (const int64_t[]){ sizeof data });
    ck_assert_int_eq(ak_safetensors_write(w, data, sizeof data), AKSSL_ERR_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), path));
    ck_assert_int_eq(ak_safetensors_write(w, data, sizeof data), AKSSL_ERR_NO_SPACE);
    ck_assert_int_eq(ak_safetensors_commit(w, NULL, NULL), AKSSL_ERR_NO_SPACE);
    ak_safetensors_writer_free(w);
    ck_assert_int_ne(access(tmp, F_OK), 0);
    ck_assert_int_ne(access(path, F_OK), 0);
    teardown();
}
END_TEST

// ---- gathered in a buffer

enum { VALUES = 100003 };

static akssl_status write_gathered(ak_safetensors_buffer *buffer, size_t most, int32_t count,
                                   uint64_t *size, char digest[33])
{
    ak_safetensors_writer *w;
    akssl_status rc = AKSSL_OK;

    ck_assert_int_eq(ak_safetensors_create(&w, path), 0);
    ak_safetensors_declare(w, "a", AK_I32, 1, (const int64_t[]){ count });
    if (buffer)
        ak_safetensors_gather(w, buffer, most);
    for (int32_t i = 0; i < count && rc == AKSSL_OK; i++)
        rc = ak_safetensors_write(w, &i, sizeof i);
    if (rc == AKSSL_OK)
        rc = ak_safetensors_commit(w, size, digest);
    ak_safetensors_writer_free(w);
    return rc;
}

// Through a buffer of any size, and one that a larger or smaller file has had, the file is the
// same.
START_TEST(gathering_changes_no_byte)
{
    static const struct {
        size_t most;
        int32_t count;
    } ways[] = { { AK_PAGE, VALUES }, { 3 * AK_PAGE + 17, VALUES },
                 { SIZE_MAX, 100 },   { SIZE_MAX, VALUES },
                 { 1 << 20, VALUES }, { SIZE_MAX, 5000 },
                 { SIZE_MAX, 0 },     { AK_PAGE, 1008 } };
    ak_safetensors_buffer buffer = { 0 };
    char digest[33], plain[33], read[33];
    uint64_t size, plain_size, read_size;

    setup();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        ck_assert_int_eq(write_gathered(NULL, 0, ways[i].count, &plain_size, plain), 0);
        ck_assert_int_eq(write_gathered(&buffer, ways[i].most, ways[i].count, &size, digest), 0);
        ck_assert_int_eq(ak_digest_file(path, &read_size, read), 0);
        ck_assert_str_eq(digest, plain);
        ck_assert_str_eq(read, plain);
        ck_assert(size == plain_size && read_size == plain_size);
        ck_assert_int_ne(access(tmp, F_OK), 0);
    }
    ak_safetensors_buffer_fini(&buffer);
    teardown();
}
END_TEST

// The disk that ends in the middle of a page: what was written is taken back, with a sentence.
START_TEST(gathered_data_that_does_not_fit)
{
    ak_safetensors_buffer buffer = { 0 };
    struct rlimit limit;

    setup();
    ck_assert_int_eq(ak_safetensors_buffer_reserve(&buffer, SIZE_MAX - 1), AKSSL_ERR_NO_MEMORY);
    ck_assert(!buffer.bytes && !buffer.room);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 2 * AK_PAGE + 1234;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_lt(write_gathered(&buffer, i ? SIZE_MAX : AK_PAGE, VALUES, NULL, NULL), 0);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), tmp));
        ck_assert_int_ne(access(path, F_OK), 0);
        ck_assert_int_ne(access(tmp, F_OK), 0);
    }
    ck_assert_int_eq(write_gathered(&buffer, SIZE_MAX, 100, NULL, NULL), 0);
    ak_safetensors_buffer_fini(&buffer);
    teardown();
}
END_TEST

AK_TEST_MAIN(AK_CASE(round_trip), AK_CASE(legal_oddities), AK_CASE(abuse_is_refused),
             AK_CASE(abuse_of_the_length), AK_CASE(missing_files), AK_CASE(writer_needs_all_data),
             AK_CASE(writer_refuses_bad_declarations), AK_CASE(full_disk),
             AK_CASE(gathering_changes_no_byte), AK_CASE(gathered_data_that_does_not_fit))
