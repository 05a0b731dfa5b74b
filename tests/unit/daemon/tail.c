// tests/unit/daemon/tail.c -- tests many calls of Logs at once, on the real akssld (lab.h).

#include "tests/unit/daemon/lab.h"

enum { READERS = 100, MORE = 512 << 20, LOG = 3 << 20 };

#ifdef __SANITIZE_ADDRESS__
enum { MOST_MIB = 1 << 20 }; // that keeps what was freed
#else
enum { MOST_MIB = 200 };
#endif

static int64_t log_of(const lab *l, off_t size)
{
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;
    Akssl__V1__SubmitReply *reply;
    int64_t id;
    char *path;
    FILE *file;

    request.spec = &spec;
    request.has_hold = request.hold = 1;
    reply = (Akssl__V1__SubmitReply *)call(l, AK_RPC_submit, &request.base);
    ck_assert_msg(reply != NULL, "%s", ak_error_text());
    id = reply->id;
    akssl__v1__submit_reply__free_unpacked(reply, NULL);
    path = job_file(l, id, "log");
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < LOG / 8; i++)
        fprintf(file, "%7d\n", i);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(truncate(path, size), 0); // a hole, for what is longer
    free(path);
    return id;
}

static ak_stream *follow(ak_channel *channel, int64_t id)
{
    Akssl__V1__LogsRequest request = AKSSL__V1__LOGS_REQUEST__INIT;
    ak_stream *stream;

    request.has_id = request.has_follow = request.follow = 1;
    request.id = id;
    ck_assert_int_eq(ak_stream_open(&stream, channel, AK_RPC_logs, &request.base, 0), 0);
    return stream;
}

static long resident_mib(const lab *l)
{
    char *path = ak_path("/proc/%d/status", (int)l->pid), *at;
    ak_str text = AK_STR_INIT;
    long kib;

    ck_assert_int_eq(ak_files_read(path, 65536, &text), 0);
    at = strstr(text.text, "VmRSS:");
    ck_assert_ptr_nonnull(at);
    kib = strtol(at + 6, NULL, 10);
    ak_str_fini(&text);
    free(path);
    return kib >> 10;
}

START_TEST(who_reads_nothing_takes_little)
{
    lab l;
    ak_stream *streams[READERS];
    ak_channel *other;
    char *socket;
    double slowest = 0;
    long before, most = 0;
    int64_t id;

    open_lab(&l);
    id = log_of(&l, MORE);
    socket = ak_path("%s/akssld.sock", l.folder);
    ck_assert_int_eq(ak_channel_open(&other, socket, NULL), 0);
    before = resident_mib(&l);
    for (int i = 0; i < READERS; i++)
        streams[i] = follow(other, id);
    for (double end = ak_clock_seconds() + 4; ak_clock_seconds() < end;) {
        double start = ak_clock_seconds();
        long now;

        akssl__v1__job__free_unpacked(show(&l, id), NULL);
        if (ak_clock_seconds() - start > slowest)
            slowest = ak_clock_seconds() - start;
        now = resident_mib(&l) - before;
        if (now > most)
            most = now;
        fake_sleep(5);
    }
    for (int i = 0; i < READERS; i++)
        ak_stream_free(streams[i]);
    ak_channel_close(other);
    free(socket);
    ck_assert_msg(most < MOST_MIB && slowest < 5, "%ld MiB, an answer in %.3f s", most, slowest);
    close_lab(&l);
}
END_TEST

START_TEST(all_of_them_read_all)
{
    lab l;
    ak_stream *streams[READERS];
    size_t got[READERS] = { 0 };
    int64_t id;

    open_lab(&l);
    id = log_of(&l, LOG);
    for (int i = 0; i < READERS; i++)
        streams[i] = follow(l.channel, id);
    for (int left = READERS; left > 0;) {
        left = 0;
        for (int i = 0; i < READERS; i++) {
            ProtobufCMessage *m;
            const Akssl__V1__Chunk *chunk;
            char line[16];

            if (got[i] == LOG)
                continue;
            left++;
            ck_assert_int_eq(ak_stream_receive(streams[i], 30000, &m), 0);
            ck_assert_ptr_nonnull(m);
            chunk = (const Akssl__V1__Chunk *)m;
            snprintf(line, sizeof line, "%7d\n", (int)(got[i] / 8));
            if (got[i] || chunk->data.len) // the first has none
                ck_assert_mem_eq(chunk->data.data, line, 8);
            got[i] += chunk->data.len;
            protobuf_c_message_free_unpacked(m, NULL);
        }
    }
    akssl__v1__job__free_unpacked(cancel(&l, id), NULL);
    for (int i = 0; i < READERS; i++) {
        ProtobufCMessage *m;

        ck_assert_int_eq(ak_stream_receive(streams[i], 30000, &m), 0);
        ck_assert_ptr_null(m);
        ak_stream_free(streams[i]);
    }
    close_lab(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(who_reads_nothing_takes_little),
        AK_CASE(all_of_them_read_all),
        { NULL, NULL },
    };

    return lab_main(rows, argc, argv);
}
