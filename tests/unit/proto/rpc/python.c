// tests/unit/proto/rpc/python.c -- Python's gRPC against our server: the wire is the standard one.
// Skipped (77) where Debian's python3-grpcio is not installed.

#include <stdio.h>

#include "tests/unit/proto/rpc/serve.h"

static void started(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request)
{
    Akssl__V1__Job job = AKSSL__V1__JOB__INIT;
    Akssl__V1__Event event = AKSSL__V1__EVENT__INIT;

    (void)ctx;
    job.has_id = 1;
    event.job = &job;
    if (rpc == AK_RPC_show) {
        job.id = ((const Akssl__V1__JobRequest *)request)->id;
        if (job.id == 44)
            ak_call_fail(call, AKSSL_ERR_NOT_FOUND, "job 44: no such job");
        else if (job.id != 99) // 99: never answered
            ak_call_reply(call, &job.base);
    } else if (rpc == AK_RPC_watch) {
        for (job.id = 1; job.id <= ((const Akssl__V1__WatchRequest *)request)->id; job.id++)
            ak_call_send(call, &event.base);
        ak_call_finish(call);
    }
}

static void received(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    Akssl__V1__CoordinatorMessage answer = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__Ack ack = AKSSL__V1__ACK__INIT;

    (void)ctx;
    if (!message) {
        ak_call_finish(call);
        return;
    }
    ack.has_version = 1;
    ack.version = ((const Akssl__V1__WorkerMessage *)message)->push->version;
    answer.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_APPLIED;
    answer.applied = &ack;
    ak_call_send(call, &answer.base);
}

static const char script[] =
    "import grpc, sys\n"
    "same = lambda x: x\n"
    "channel = grpc.insecure_channel(sys.argv[1])\n"
    "show = channel.unary_unary('/akssl.v1.Lab/Show', same, same)\n"
    "def code_of(request, timeout=20):\n"
    "    try:\n"
    "        show(request, timeout=timeout)\n"
    "    except grpc.RpcError as e:\n"
    "        return e\n"
    "assert show(b'\\x08\\x05', timeout=20) == b'\\x08\\x05'\n"
    "assert show(b'\\x08\\x05', timeout=20, compression=grpc.Compression.Gzip) == b'\\x08\\x05'\n"
    "e = code_of(b'\\x08\\x2c')\n"
    "assert e.code() == grpc.StatusCode.NOT_FOUND and e.details() == 'job 44: no such job'\n"
    "assert ('akssl-status', '-2') in [tuple(t) for t in e.trailing_metadata()]\n"
    "assert code_of(b'\\xff').code() == grpc.StatusCode.INVALID_ARGUMENT\n"
    "assert code_of(b'\\x08\\x63', 0.3).code() == grpc.StatusCode.DEADLINE_EXCEEDED\n"
    "watch = channel.unary_stream('/akssl.v1.Lab/Watch', same, same)\n"
    "assert list(watch(b'\\x08\\x03', timeout=20)) == [b'\\x0a\\x02\\x08' + bytes([i]) for i in "
    "(1, 2, 3)]\n"
    "join = channel.stream_stream('/akssl.v1.Run/Join', same, same)\n"
    "pushes = [b'\\x22\\x02\\x10' + bytes([i]) for i in (7, 8)]\n"
    "acks = [b'\\x2a\\x02\\x08' + bytes([i]) for i in (7, 8)]\n"
    "assert list(join(iter(pushes), timeout=20)) == acks\n"
    "channel.close()\n";

START_TEST(python_speaks_to_us)
{
    const ak_server_events events = { .started = started, .received = received };
    char command[256];
    FILE *python;
    serve s;

    memset(&s, 0, sizeof s);
    serve_start(&s, &events, NULL);
    snprintf(command, sizeof command, "timeout 60 /usr/bin/python3 - '%s'", s.address);
    python = popen(command, "w");
    ck_assert_ptr_nonnull(python);
    ck_assert_int_ge(fputs(script, python), 0);
    ck_assert_int_eq(pclose(python), 0);
    serve_stop(&s, 3000);
    serve_remove(&s);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = { AK_CASE(python_speaks_to_us), { NULL, NULL } };

    if (system("/usr/bin/python3 -c 'import grpc' >/dev/null 2>&1") != 0) {
        puts("skipped: python3-grpcio is not installed");
        return 77;
    }
    return ak_test_run(TEST_NAME, rows, argc, argv);
}
