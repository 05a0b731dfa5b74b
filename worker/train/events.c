// worker/train/events.c -- figures and pictures over steps as TensorBoard reads them: an event
// file.

#include "worker/train/events.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "worker/format/folder.h"

// Protobuf's keys: the field's number, then how it is encoded.
enum {
    VARINT = 0,
    DOUBLE = 1,
    BYTES = 2,
    FLOAT = 5,
    WALL_TIME = 1 << 3 | DOUBLE,
    STEP = 2 << 3 | VARINT,
    FILE_VERSION = 3 << 3 | BYTES,
    SUMMARY = 5 << 3 | BYTES,
    VALUE = 1 << 3 | BYTES,
    TAG = 1 << 3 | BYTES,
    SIMPLE_VALUE = 2 << 3 | FLOAT,
    IMAGE = 4 << 3 | BYTES,
    IMAGE_HEIGHT = 1 << 3 | VARINT,
    IMAGE_WIDTH = 2 << 3 | VARINT,
    IMAGE_COLORSPACE = 3 << 3 | VARINT,
    IMAGE_ENCODED = 4 << 3 | BYTES,
    HISTO = 5 << 3 | BYTES,
    HISTO_MIN = 1 << 3 | DOUBLE,
    HISTO_MAX = 2 << 3 | DOUBLE,
    HISTO_NUM = 3 << 3 | DOUBLE,
    HISTO_SUM = 4 << 3 | DOUBLE,
    HISTO_SQUARES = 5 << 3 | DOUBLE,
    HISTO_LIMITS = 6 << 3 | BYTES,
    HISTO_BUCKETS = 7 << 3 | BYTES,
};

enum { RGB = 3 };                            // a colorspace
enum { PNG_WIDTH = 16, PNG_SIZES_END = 24 }; // where a PNG's sides stand, as big-endian u32
enum { HEAD = 12, FOOT = 4, ROOM = 64 };     // of a record; of an Event before its summary

struct ak_events {
    int fd;
    char *path;
    ak_str event, summary;
};

// ---- encoding

static uint32_t crc32c(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint32_t crc = ~0u;

    while (size--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0); // Castagnoli's, reversed
    }
    return ~crc;
}

static uint32_t masked(const void *bytes, size_t size)
{
    uint32_t crc = crc32c(bytes, size);

    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_varint(ak_str *s, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        ak_str_append_n(s, &(unsigned char){ (unsigned char)(value | 0x80) }, 1);
    ak_str_append_n(s, &(unsigned char){ (unsigned char)value }, 1);
}

static void put_bytes(ak_str *s, unsigned key, const void *bytes, size_t size)
{
    put_varint(s, key);
    put_varint(s, size);
    ak_str_append_n(s, bytes, size);
}

static void put_bits(ak_str *s, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    bits = htole64(bits);
    ak_str_append_n(s, &bits, sizeof bits);
}

static void put_double(ak_str *s, unsigned key, double value)
{
    put_varint(s, key);
    put_bits(s, value);
}

static void put_number(ak_str *s, unsigned key, uint64_t value)
{
    put_varint(s, key);
    put_varint(s, value);
}

static void put_float(ak_str *s, unsigned key, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    bits = htole32(bits);
    put_varint(s, key);
    ak_str_append_n(s, &bits, sizeof bits);
}

static akssl_status write_all(const ak_events *e, const char *at, size_t left)
{
    while (left) {
        ssize_t n = write(e->fd, at, left);

        if (n < 0 && errno != EINTR)
            return ak_fail_errno(errno, "events '%s' cannot be written", e->path);
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    return AKSSL_OK;
}

static akssl_status write_record(ak_events *e)
{
    uint64_t length = htole64(e->event.length);
    uint32_t head = htole32(masked(&length, sizeof length));
    uint32_t foot = htole32(masked(e->event.text, e->event.length));
    ak_str record = AK_STR_INIT;
    akssl_status rc;

    ak_str_append_n(&record, &length, sizeof length);
    ak_str_append_n(&record, &head, sizeof head);
    ak_str_append_n(&record, e->event.text, e->event.length);
    ak_str_append_n(&record, &foot, sizeof foot);
    rc = write_all(e, record.text, record.length);
    ak_str_fini(&record);
    return rc;
}

static void begin(ak_events *e)
{
    ak_str_clear(&e->event);
    ak_str_clear(&e->summary);
    put_double(&e->event, WALL_TIME, (double)ak_clock_wall_ms() / 1000);
}

void ak_events_begin(ak_events *events, int64_t step)
{
    begin(events);
    put_number(&events->event, STEP, (uint64_t)step);
}

// put_value adds a value to the step's; what it is follows its tag in `one`, which is given up.
static void put_value(ak_events *e, ak_str *one)
{
    put_bytes(&e->summary, VALUE, one->text, one->length);
    ak_str_fini(one);
}

void ak_events_scalar(ak_events *events, const char *tag, double value)
{
    ak_str one = AK_STR_INIT;

    put_bytes(&one, TAG, tag, strlen(tag));
    put_float(&one, SIMPLE_VALUE, (float)value);
    put_value(events, &one);
}

void ak_events_histogram(ak_events *events, const char *tag, const ak_histogram *h)
{
    ak_str one = AK_STR_INIT, histo = AK_STR_INIT, limits = AK_STR_INIT, buckets = AK_STR_INIT;

    if (h->count == 0)
        return;
    for (int i = 0; i < AK_HISTOGRAM_BINS; i++) {
        put_bits(&limits, ak_histogram_edge(h, i));
        put_bits(&buckets, (double)h->in[i]);
    }
    put_double(&histo, HISTO_MIN, h->least);
    put_double(&histo, HISTO_MAX, h->greatest);
    put_double(&histo, HISTO_NUM, (double)h->count);
    put_double(&histo, HISTO_SUM, h->sum);
    put_double(&histo, HISTO_SQUARES, h->squares);
    put_bytes(&histo, HISTO_LIMITS, limits.text, limits.length);
    put_bytes(&histo, HISTO_BUCKETS, buckets.text, buckets.length);
    put_bytes(&one, TAG, tag, strlen(tag));
    put_bytes(&one, HISTO, histo.text, histo.length);
    put_value(events, &one);
    ak_str_fini(&histo);
    ak_str_fini(&limits);
    ak_str_fini(&buckets);
}

void ak_events_png(ak_events *events, const char *tag, const void *bytes, size_t size)
{
    ak_str one = AK_STR_INIT, image = AK_STR_INIT;
    uint32_t sides[2] = { 0, 0 };

    if (size >= PNG_SIZES_END)
        memcpy(sides, (const char *)bytes + PNG_WIDTH, sizeof sides);
    put_number(&image, IMAGE_HEIGHT, be32toh(sides[1]));
    put_number(&image, IMAGE_WIDTH, be32toh(sides[0]));
    put_number(&image, IMAGE_COLORSPACE, RGB);
    put_bytes(&image, IMAGE_ENCODED, bytes, size);
    put_bytes(&one, TAG, tag, strlen(tag));
    put_bytes(&one, IMAGE, image.text, image.length);
    put_value(events, &one);
    ak_str_fini(&image);
}

akssl_status ak_events_end(ak_events *events)
{
    if (events->summary.length > AK_EVENTS_RECORD - ROOM)
        return ak_fail(AKSSL_ERR_LIMIT, "events '%s': a step of %zu bytes is too long",
                       events->path, events->summary.length);
    put_bytes(&events->event, SUMMARY, events->summary.text, events->summary.length);
    return write_record(events);
}

// ---- going on with a file

static bool read_varint(const unsigned char *data, size_t size, size_t *at, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; *at < size && shift < 64; shift += 7) {
        unsigned char byte = data[(*at)++];

        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

// An Event that we wrote starts with its time, then its step; the first has none.
static bool step_of(const unsigned char *data, size_t size, int64_t *step)
{
    size_t at = 1 + sizeof(double);
    uint64_t value;

    *step = 0;
    if (size <= at || data[0] != WALL_TIME)
        return false;
    if (data[at] == FILE_VERSION)
        return true;
    if (data[at++] != STEP || !read_varint(data, size, &at, &value) || value > INT64_MAX)
        return false;
    *step = (int64_t)value;
    return true;
}

// next_record reads one whole record; false at the end and where it is damaged.
static bool next_record(FILE *file, unsigned char *data, int64_t *step)
{
    unsigned char head[HEAD];
    uint64_t length;
    uint32_t crc;

    if (fread(head, 1, HEAD, file) != HEAD)
        return false;
    memcpy(&length, head, sizeof length);
    memcpy(&crc, head + sizeof length, sizeof crc);
    length = le64toh(length);
    if (le32toh(crc) != masked(head, sizeof length) || length > AK_EVENTS_RECORD ||
        fread(data, 1, length + FOOT, file) != length + FOOT)
        return false;
    memcpy(&crc, data + length, sizeof crc);
    return le32toh(crc) == masked(data, length) && step_of(data, length, step);
}

// The offset behind the last record of a step up to resume_step; -1 with errno.
static off_t keep_until(const char *path, int64_t resume_step)
{
    FILE *file = fopen(path, "re");
    unsigned char *data;
    off_t keep = 0;
    int64_t step;

    if (!file)
        return -1;
    data = ak_alloc(AK_EVENTS_RECORD + FOOT, 1);
    while (next_record(file, data, &step) && step <= resume_step)
        keep = ftello(file);
    if (ferror(file))
        keep = -1;
    free(data);
    fclose(file);
    return keep;
}

static akssl_status make_folders(const char *folder, const char *run, ak_str *path)
{
    akssl_status rc;

    ak_str_format(path, "%s/" AK_EVENTS_FOLDER, folder);
    rc = ak_folder_make(path->text);
    ak_str_format(path, "/%s", run);
    if (rc == AKSSL_OK)
        rc = ak_folder_make(path->text);
    ak_str_append(path, "/" AK_EVENTS_FILE);
    return rc;
}

static akssl_status open_file(ak_events *e, int64_t resume_step)
{
    static const char version[] = "brain.Event:2";
    off_t keep;

    e->fd = open(e->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    keep = e->fd < 0 ? -1 : keep_until(e->path, resume_step);
    if (keep < 0 || ftruncate(e->fd, keep) < 0)
        return ak_fail_errno(errno, "events '%s' cannot be written", e->path);
    if (keep > 0)
        return AKSSL_OK;
    begin(e);
    put_bytes(&e->event, FILE_VERSION, version, strlen(version));
    return write_record(e);
}

akssl_status ak_events_open(ak_events **out, const char *folder, const char *run,
                            int64_t resume_step)
{
    ak_events *e = ak_alloc(1, sizeof *e);
    ak_str path = AK_STR_INIT;
    akssl_status rc;

    e->fd = -1;
    rc = make_folders(folder, run, &path);
    e->path = ak_str_take(&path);
    if (rc == AKSSL_OK)
        rc = open_file(e, resume_step);
    if (rc == AKSSL_OK)
        *out = e;
    else
        ak_events_close(e);
    return rc;
}

akssl_status ak_events_sync(ak_events *events)
{
    if (fsync(events->fd) < 0)
        return ak_fail_errno(errno, "events '%s' cannot be made durable", events->path);
    return AKSSL_OK;
}

void ak_events_close(ak_events *events)
{
    if (!events)
        return;
    if (events->fd >= 0)
        close(events->fd);
    ak_str_fini(&events->event);
    ak_str_fini(&events->summary);
    free(events->path);
    free(events);
}
