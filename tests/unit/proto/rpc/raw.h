// tests/unit/proto/rpc/raw.h -- a gRPC caller that sends any bytes to any path, as ours does not.

#ifndef AK_TESTS_RAW_H
#define AK_TESTS_RAW_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>

#include "tests/check.h"

typedef struct raw_answer {
    grpc_status_code code;
    char sentence[512];
} raw_answer;

typedef struct raw_way {
    const char *address;
    const char *ca;  // PEM file to trust, for TLS; NULL: without
    size_t metadata; // bytes of one more header
} raw_way;

static inline grpc_channel_credentials *raw_credentials(const char *ca)
{
    char text[8192] = "";
    FILE *file = ca ? fopen(ca, "r") : NULL;

    if (!ca)
        return grpc_insecure_credentials_create();
    ck_assert_ptr_nonnull(file);
    ck_assert(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    return grpc_ssl_credentials_create(text, NULL, NULL, NULL);
}

// raw_call_by sends bytes (NULL: no message at all), closes its side, and waits for the status.
static inline raw_answer raw_call_by(const raw_way *way, const char *path, const void *bytes,
                                     size_t length)
{
    grpc_channel_credentials *credentials = raw_credentials(way->ca);
    grpc_channel *channel = grpc_channel_create(way->address, credentials, NULL);
    char *filler = calloc(1, way->metadata + 1);
    grpc_metadata more = { .key = grpc_slice_from_static_string("x-filler") };
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    gpr_timespec limit =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(30, GPR_TIMESPAN));
    grpc_call *call = grpc_channel_create_call(
        channel, NULL, 0, queue, grpc_slice_from_static_string(path), NULL, limit, NULL);
    grpc_slice payload = grpc_slice_from_copied_buffer(bytes ? bytes : "", length);
    grpc_slice sentence = grpc_empty_slice();
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&payload, 1), *answer = NULL;
    grpc_metadata_array headers, trailers;
    raw_answer result = { .sentence = "" };
    grpc_op ops[6] = { 0 };
    size_t count = 0, take;

    grpc_metadata_array_init(&headers);
    grpc_metadata_array_init(&trailers);
    memset(filler, 'a', way->metadata);
    more.value = grpc_slice_from_static_string(filler);
    ops[count].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[count].data.send_initial_metadata.count = way->metadata ? 1 : 0;
    ops[count++].data.send_initial_metadata.metadata = &more;
    if (bytes) {
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = message;
    }
    ops[count++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    ops[count].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[count++].data.recv_initial_metadata.recv_initial_metadata = &headers;
    ops[count].op = GRPC_OP_RECV_MESSAGE;
    ops[count++].data.recv_message.recv_message = &answer;
    ops[count].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[count].data.recv_status_on_client.trailing_metadata = &trailers;
    ops[count].data.recv_status_on_client.status = &result.code;
    ops[count++].data.recv_status_on_client.status_details = &sentence;
    ck_assert_int_eq(grpc_call_start_batch(call, ops, count, call, NULL), GRPC_CALL_OK);
    grpc_completion_queue_pluck(queue, call, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    take = GRPC_SLICE_LENGTH(sentence);
    take = take < sizeof result.sentence ? take : sizeof result.sentence - 1;
    memcpy(result.sentence, GRPC_SLICE_START_PTR(sentence), take);

    grpc_metadata_array_destroy(&headers);
    grpc_metadata_array_destroy(&trailers);
    grpc_slice_unref(sentence);
    grpc_slice_unref(payload);
    grpc_byte_buffer_destroy(message);
    grpc_byte_buffer_destroy(answer);
    grpc_call_unref(call);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_pluck(queue, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(queue);
    grpc_channel_destroy(channel);
    grpc_channel_credentials_release(credentials);
    free(filler);
    return result;
}

static inline raw_answer raw_call(const char *address, const char *path, const void *bytes,
                                  size_t length)
{
    return raw_call_by(&(raw_way){ .address = address }, path, bytes, length);
}

#endif
