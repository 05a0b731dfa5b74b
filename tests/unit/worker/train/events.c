// tests/unit/worker/train/events.c -- tests event files, by TensorFlow's record format as it is
// published: what is written byte by byte, and what a resumed run keeps.

#include "worker/train/events.h"

#include <sys/stat.h>

#include "tests/unit/worker/rig.h"

static char *folder;
static char path[600];

static void setup(void)
{
    folder = ak_rig_folder();
    snprintf(path, sizeof path, "%s/tensorboard/train/events.out.tfevents.akssl", folder);
}

static void write_step(ak_events *e, int64_t step)
{
    ak_events_begin(e, step);
    ak_events_scalar(e, "loss", 0.5 * (double)step);
    ak_rig_ok(ak_events_end(e));
}

static void write_steps(int64_t resume_step, int64_t first, int64_t last)
{
    ak_events *e;

    ak_rig_ok(ak_events_open(&e, folder, "train", resume_step));
    for (int64_t step = first; step <= last; step++)
        write_step(e, step);
    ak_rig_ok(ak_events_sync(e));
    ak_events_close(e);
}

static size_t read_file(unsigned char bytes[8192])
{
    FILE *file = fopen(path, "rb");
    size_t size;

    ck_assert_ptr_nonnull(file);
    size = fread(bytes, 1, 8192, file);
    fclose(file);
    return size;
}

static void put_file(const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

// ---- a reader that follows the format's description, by tables of its own

static uint32_t crc_of(const unsigned char *data, size_t size)
{
    uint32_t table[256], crc = 0xffffffff;

    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0x82f63b78 : table[i] >> 1;
    }
    for (size_t i = 0; i < size; i++)
        crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return crc ^ 0xffffffff;
}

static uint32_t masked_of(const unsigned char *data, size_t size)
{
    uint32_t crc = crc_of(data, size);

    return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

static uint64_t little(const unsigned char *at, int bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | at[bytes];
    return value;
}

// The steps of the file's records, the file's version first as -1; every checksum is looked at.
static int steps_of(int64_t steps[64])
{
    unsigned char bytes[8192];
    size_t size = read_file(bytes), at = 0;
    int count = 0;

    while (at < size) {
        size_t length = (size_t)little(bytes + at, 8);
        const unsigned char *event = bytes + at + 12;

        ck_assert_uint_le(at + 16 + length, size);
        ck_assert_uint_eq(little(bytes + at + 8, 4), masked_of(bytes + at, 8));
        ck_assert_uint_eq(little(event + length, 4), masked_of(event, length));
        ck_assert_uint_eq(event[0], 0x09); // wall_time
        steps[count++] = event[9] == 0x10 ? event[10] : -1;
        at += 16 + length;
    }
    return count;
}

static void holds(int64_t last)
{
    int64_t steps[64];
    int count = steps_of(steps);

    ck_assert_int_eq(count, last + 1);
    ck_assert_int_eq(steps[0], -1);
    for (int64_t step = 1; step <= last; step++)
        ck_assert_int_eq(steps[step], step);
}

START_TEST(bytes_are_those_of_the_format)
{
    static const unsigned char summary[] = { 0x10, 3,   0x2a, 13,   0x0a, 11, 0x0a, 4,   'l',
                                             'o',  's', 's',  0x15, 0,    0,  0xc0, 0x3f };
    unsigned char bytes[8192];
    size_t size;

    ck_assert_uint_eq(crc_of((const unsigned char *)"123456789", 9), 0xe3069283); // RFC 3720's
    setup();
    write_steps(0, 3, 3);
    size = read_file(bytes);
    ck_assert_uint_eq(little(bytes, 8), 9 + 2 + 13);
    ck_assert_mem_eq(bytes + 12 + 9,
                     "\x1a\x0d"
                     "brain.Event:2",
                     15);
    ck_assert_uint_eq(size, 16 + 24 + 16 + 9 + sizeof summary);
    ck_assert_mem_eq(bytes + 16 + 24 + 12 + 9, summary, sizeof summary); // step 3, loss 1.5
    ak_rig_remove(folder);
}
END_TEST

START_TEST(a_resumed_run_has_each_step_once)
{
    setup();
    write_steps(0, 1, 9);
    holds(9);
    write_steps(5, 6, 12);
    holds(12);
    write_steps(12, 13, 13);
    holds(13);
    write_steps(0, 1, 2); // from the start
    holds(2);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(what_is_torn_or_damaged_is_cut_off)
{
    unsigned char whole[8192], bytes[8192];
    size_t size;

    setup();
    write_steps(0, 1, 4);
    size = read_file(whole);
    for (size_t cut = 0; cut < size; cut++) {
        put_file(whole, cut);
        write_steps(4, 5, 4); // opens and closes
        ck_assert_uint_le(read_file(bytes), cut < 40 ? 40 : cut);
        holds((int64_t)((cut < 40 ? 0 : cut - 40) / ((size - 40) / 4)));
    }
    for (size_t at = 0; at < size; at++) {
        memcpy(bytes, whole, size);
        bytes[at] ^= 0x10;
        put_file(bytes, size);
        write_steps(4, 5, 4);
        holds(at < 40 ? 0 : (int64_t)((at - 40) / ((size - 40) / 4)));
    }
    ak_rig_remove(folder);
}
END_TEST

// ---- values other than numbers, read back by protobuf's rules

typedef struct field {
    unsigned number, kind; // 0: a varint, 1: 8 bytes, 2: bytes, 5: 4 bytes
    uint64_t value;        // or the bytes' length
    const unsigned char *bytes;
} field;

static uint64_t varint(const unsigned char **at)
{
    uint64_t value = 0;
    int shift = 0;

    do
        value |= (uint64_t)(**at & 0x7f) << shift, shift += 7;
    while (*(*at)++ & 0x80);
    return value;
}

// The nth field called number of a message; the test fails without it.
static field find(field in, unsigned number, int nth)
{
    const unsigned char *at = in.bytes, *end = at + in.value;

    while (at < end) {
        unsigned key = (unsigned)varint(&at);
        field f = { .number = key >> 3, .kind = key & 7, .bytes = at };

        if (f.kind == 0 || f.kind == 2)
            f.value = varint(&at);
        if (f.kind == 2)
            f.bytes = at;
        if (f.kind == 1)
            f.value = little(at, 8);
        at += f.kind == 2 ? f.value : f.kind == 1 ? 8u : f.kind == 5 ? 4u : 0u;
        ck_assert(at <= end);
        if (f.number == number && nth-- == 0)
            return f;
    }
    ck_abort_msg("a message has no field %u", number);
}

static double real(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

// The nth value of the file's first step.
static field value_of(const unsigned char *file, int nth)
{
    const unsigned char *record = file + 16 + little(file, 8); // behind the version
    field event = { .bytes = record + 12, .value = little(record, 8) };

    return find(find(event, 5, 0), 1, nth);
}

START_TEST(a_histogram_has_its_fields)
{
    static unsigned char bytes[8192];
    float values[] = { 0, 1, 2, 3, NAN, 30, INFINITY };
    field value, histo, limits, buckets;
    ak_histogram h;
    ak_events *e;

    setup();
    ak_histogram_of(&h, values, 7);
    ak_rig_ok(ak_events_open(&e, folder, "train", 0));
    ak_events_begin(e, 1);
    ak_events_histogram(e, "weights/a", &h);
    ak_histogram_of(&h, values + 4, 1); // no number at all
    ak_events_histogram(e, "nothing", &h);
    ak_rig_ok(ak_events_end(e));
    ak_events_close(e);
    read_file(bytes);
    value = value_of(bytes, 0);
    ck_assert_mem_eq(find(value, 1, 0).bytes, "weights/a", 9);
    histo = find(value, 5, 0);
    ck_assert_double_eq(real(find(histo, 1, 0).value), 0);
    ck_assert_double_eq(real(find(histo, 2, 0).value), 30);
    ck_assert_double_eq(real(find(histo, 3, 0).value), 5);
    ck_assert_double_eq(real(find(histo, 4, 0).value), 36);
    ck_assert_double_eq(real(find(histo, 5, 0).value), 914);
    limits = find(histo, 6, 0);
    buckets = find(histo, 7, 0);
    ck_assert_uint_eq(limits.value, 8 * AK_HISTOGRAM_BINS);
    ck_assert_uint_eq(buckets.value, 8 * AK_HISTOGRAM_BINS);
    for (int i = 0; i < AK_HISTOGRAM_BINS; i++) {
        ck_assert_double_eq_tol(real(little(limits.bytes + 8 * i, 8)), i + 1, 1e-12);
        ck_assert_double_eq(real(little(buckets.bytes + 8 * i, 8)), i < 4 || i == 29);
    }
    holds(1);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(equal_values_have_a_histogram)
{
    float values[] = { 2, 2, 2 };
    ak_histogram h;

    ak_histogram_of(&h, values, 3);
    ck_assert_int_eq(h.in[AK_HISTOGRAM_BINS - 1], 3);
    ck_assert_double_eq(ak_histogram_edge(&h, AK_HISTOGRAM_BINS - 1), 2);
    ck_assert_int_eq(h.count, 3);
}
END_TEST

START_TEST(a_picture_has_its_sides)
{
    static const unsigned char png[26] = { 0x89, 'P', 'N', 'G', [18] = 2, [19] = 1, [23] = 7 };
    static unsigned char bytes[8192];
    field value, image;
    ak_events *e;

    setup();
    write_steps(0, 1, 3);
    ak_rig_ok(ak_events_open(&e, folder, "train", -1));
    ak_events_begin(e, 0);
    ak_events_png(e, "views", png, sizeof png);
    ak_rig_ok(ak_events_end(e));
    ak_events_close(e);
    read_file(bytes);
    value = value_of(bytes, 0);
    ck_assert_mem_eq(find(value, 1, 0).bytes, "views", 5);
    image = find(value, 4, 0);
    ck_assert_uint_eq(find(image, 1, 0).value, 7);
    ck_assert_uint_eq(find(image, 2, 0).value, 513);
    ck_assert_uint_eq(find(image, 3, 0).value, 3);
    ck_assert_uint_eq(find(image, 4, 0).value, sizeof png);
    ck_assert_mem_eq(find(image, 4, 0).bytes, png, sizeof png);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(a_step_that_is_too_long_is_refused)
{
    unsigned char before[8192], after[8192];
    size_t size, bytes = AK_EVENTS_RECORD;
    char *much = calloc(bytes, 1);
    ak_events *e;

    setup();
    write_steps(0, 1, 1);
    size = read_file(before);
    ak_rig_ok(ak_events_open(&e, folder, "train", 1));
    ak_events_begin(e, 2);
    ak_events_png(e, "views", much, bytes);
    ak_rig_refused(ak_events_end(e), AKSSL_ERR_LIMIT, path);
    ck_assert_uint_eq(read_file(after), size);
    ak_events_begin(e, 2);
    ak_events_png(e, "views", much, bytes - 256);
    ak_rig_ok(ak_events_end(e));
    write_step(e, 3);
    ak_events_close(e);
    write_steps(3, 4, 4); // reads all of it, the long one too
    ck_assert_uint_eq(read_file(after), sizeof after);
    write_steps(1, 2, 2);
    holds(2);
    free(much);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(a_missing_folder_is_named)
{
    ak_events *e;

    setup();
    ak_rig_remove(folder);
    ak_rig_refused(ak_events_open(&e, path, "train", 0), AKSSL_ERR_NOT_FOUND, path);
}
END_TEST

AK_TEST_MAIN(AK_CASE(bytes_are_those_of_the_format), AK_CASE(a_resumed_run_has_each_step_once),
             AK_CASE(what_is_torn_or_damaged_is_cut_off), AK_CASE(a_histogram_has_its_fields),
             AK_CASE(equal_values_have_a_histogram), AK_CASE(a_picture_has_its_sides),
             AK_CASE(a_step_that_is_too_long_is_refused), AK_CASE(a_missing_folder_is_named))
