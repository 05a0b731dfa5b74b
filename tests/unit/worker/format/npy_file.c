// tests/unit/worker/format/npy_file.c -- tests worker/format/npy_file.c by the format's definition.

#include "tests/unit/worker/rig.h"
#include "worker/format/npy_file.h"

static char *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = ak_alloc(1, 4096);

    ck_assert_msg(file != NULL, "%s is not there", path);
    *size = fread(bytes, 1, 4096, file);
    ck_assert(*size < 4096);
    fclose(file);
    return bytes;
}

// Checks the frame and gives where the data starts.
static const char *check_header(const char *bytes, size_t size, const char *dict)
{
    size_t length;

    ck_assert(size > 10 && memcmp(bytes, "\x93NUMPY\x01\x00", 8) == 0);
    length = (size_t)(unsigned char)bytes[8] + 256 * (size_t)(unsigned char)bytes[9];
    ck_assert_uint_eq((10 + length) % 64, 0);
    ck_assert(10 + length <= size);
    ck_assert_msg(strncmp(bytes + 10, dict, strlen(dict)) == 0, "header '%.*s'", (int)length,
                  bytes + 10);
    for (size_t i = 10 + strlen(dict); i < 10 + length - 1; i++)
        ck_assert(bytes[i] == ' ');
    ck_assert(bytes[10 + length - 1] == '\n');
    return bytes + 10 + length;
}

START_TEST(floats_in_rows)
{
    static const float values[2 * 3] = { 1, -2, 3.5f, 0, 1e-30f, 7 };
    char *folder = ak_rig_folder(), path[600], draft[620], *bytes;
    const char *data;
    size_t size;
    ak_npy *npy = NULL;

    snprintf(path, sizeof path, "%s/x.npy", folder);
    snprintf(draft, sizeof draft, "%s.tmp", path);
    ak_rig_ok(ak_npy_create(&npy, path, AK_NPY_F32, 2, (int64_t[]){ 2, 3 }));
    ak_rig_ok(ak_npy_write(npy, values, 2));
    ak_rig_refused(ak_npy_commit(npy), AKSSL_ERR_STATE, "2 values instead of 6");
    ck_assert(access(path, F_OK) < 0);
    ak_rig_ok(ak_npy_write(npy, values + 2, 4));
    ak_rig_ok(ak_npy_commit(npy));
    ak_npy_free(npy);
    bytes = read_all(path, &size);
    data = check_header(bytes, size, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    ck_assert_uint_eq(size - (size_t)(data - bytes), sizeof values);
    ck_assert_mem_eq(data, values, sizeof values);
    ck_assert(access(draft, F_OK) < 0);
    free(bytes);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(whole_numbers)
{
    static const int64_t values[3] = { 0, -1, INT64_MAX };
    char *folder = ak_rig_folder(), path[600], *bytes;
    const char *data;
    size_t size;
    ak_npy *npy = NULL;

    snprintf(path, sizeof path, "%s/y.npy", folder);
    ak_rig_ok(ak_npy_create(&npy, path, AK_NPY_I64, 1, (int64_t[]){ 3 }));
    ak_rig_ok(ak_npy_write(npy, values, 3));
    ak_rig_ok(ak_npy_commit(npy));
    ak_npy_free(npy);
    bytes = read_all(path, &size);
    data = check_header(bytes, size, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }");
    ck_assert_uint_eq(size - (size_t)(data - bytes), sizeof values);
    ck_assert_mem_eq(data, values, sizeof values);
    free(bytes);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(what_is_not_committed_is_gone)
{
    char *folder = ak_rig_folder(), path[600];
    ak_npy *npy = NULL;

    snprintf(path, sizeof path, "%s/z.npy", folder);
    ak_rig_ok(ak_npy_create(&npy, path, AK_NPY_F32, 1, (int64_t[]){ 9 }));
    ak_npy_free(npy);
    ak_npy_free(NULL);
    ck_assert_int_eq(rmdir(folder), 0); // nothing is left in it
    npy = NULL;
    ak_rig_refused(ak_npy_create(&npy, path, AK_NPY_F32, 1, (int64_t[]){ 9 }), AKSSL_ERR_NOT_FOUND,
                   "z.npy");
    ck_assert_ptr_null(npy);
    free(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(floats_in_rows), AK_CASE(whole_numbers),
             AK_CASE(what_is_not_committed_is_gone))
