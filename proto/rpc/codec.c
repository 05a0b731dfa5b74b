// proto/rpc/codec.c -- protobuf-c messages to and from gRPC's buffers, and the spec to and from
// its message.

#include "proto/rpc/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/log.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

// ---- the library

static void only_assertions(gpr_log_func_args *args)
{
    if (strncmp(args->message, "assertion failed", 16) == 0)
        fprintf(stderr, "grpc %s:%d: %s\n", args->file, args->line, args->message);
}

void ak_codec_start(void)
{
    if (!getenv("GRPC_VERBOSITY"))
        gpr_set_log_function(only_assertions);
    grpc_init();
}

void ak_codec_stop(void)
{
    grpc_shutdown();
}

// ---- messages

grpc_byte_buffer *ak_codec_encode(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    grpc_byte_buffer *buffer;

    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

ProtobufCMessage *ak_codec_decode(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    ProtobufCMessage *message;
    grpc_slice slice;

    if (!buffer || !grpc_byte_buffer_reader_init(&reader, buffer))
        return NULL;
    slice = grpc_byte_buffer_reader_readall(&reader);
    message = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(slice),
                                        GRPC_SLICE_START_PTR(slice));
    grpc_slice_unref(slice);
    grpc_byte_buffer_reader_destroy(&reader);
    return message;
}

char *ak_codec_text(grpc_slice slice)
{
    size_t length = GRPC_SLICE_LENGTH(slice);
    char *text = ak_alloc(length + 1, 1);

    memcpy(text, GRPC_SLICE_START_PTR(slice), length);
    return text;
}

// ---- the spec: a key of spec.def that JobSpec lacks does not compile

static Akssl__V1__Pair **encode_pairs(const ak_spec_pairs *pairs, size_t *count)
{
    Akssl__V1__Pair **out;

    *count = (size_t)pairs->count;
    if (pairs->count == 0)
        return NULL;
    out = ak_alloc(*count, sizeof(Akssl__V1__Pair *));
    for (int i = 0; i < pairs->count; i++) {
        out[i] = ak_alloc(1, sizeof **out);
        akssl__v1__pair__init(out[i]);
        out[i]->key = ak_strdup(pairs->keys[i]);
        out[i]->value = ak_strdup(pairs->values[i]);
    }
    return out;
}

static Akssl__V1__JobSpec *encode(const ak_spec *spec, bool whole)
{
    Akssl__V1__JobSpec *message = ak_alloc(1, sizeof *message);
    const bool *given = spec->given;

    akssl__v1__job_spec__init(message);
#define AK_SPEC_STRING(name, initial, choices, help)                                               \
    if (*given++ || whole)                                                                         \
        message->name = ak_strdup(spec->name);
#define AK_SPEC_INT(name, initial, min, max, help)                                                 \
    message->has_##name = *given++ || whole;                                                       \
    message->name = spec->name;
#define AK_SPEC_FLOAT(name, initial, min, max, help) AK_SPEC_INT(name, initial, min, max, help)
#include "proto/spec/spec.def"
#undef AK_SPEC_STRING
#undef AK_SPEC_INT
#undef AK_SPEC_FLOAT
    message->option = encode_pairs(&spec->option, &message->n_option);
    message->augment = encode_pairs(&spec->augment, &message->n_augment);
    return message;
}

Akssl__V1__JobSpec *ak_rpc_spec_encode(const ak_spec *spec)
{
    return encode(spec, true);
}

Akssl__V1__JobSpec *ak_rpc_spec_encode_given(const ak_spec *spec)
{
    return encode(spec, false);
}

static akssl_status decode_int(ak_spec *spec, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, value);
    return ak_spec_set(spec, name, text);
}

static akssl_status decode_float(ak_spec *spec, const char *name, double value)
{
    char text[40];

    snprintf(text, sizeof text, "%.17g", value);
    return ak_spec_set(spec, name, text);
}

static akssl_status decode_pairs(ak_spec_pairs *pairs, const char *name, Akssl__V1__Pair **from,
                                 size_t count)
{
    akssl_status rc = AKSSL_OK;

    for (size_t i = 0; i < count && rc == 0; i++) {
        if (!from[i]->key || !from[i]->value)
            return ak_fail(AKSSL_ERR_INVALID, "%s: a pair lacks its key or value", name);
        rc = ak_spec_pair(pairs, from[i]->key, from[i]->value);
        if (rc < 0)
            ak_wrap(rc, "%s", name);
    }
    return rc;
}

akssl_status ak_rpc_spec_decode(ak_spec *spec, const Akssl__V1__JobSpec *message)
{
    akssl_status rc = AKSSL_OK;

#define AK_SPEC_STRING(name, initial, choices, help)                                               \
    if (rc == 0 && message->name)                                                                  \
        rc = ak_spec_set(spec, #name, message->name);
#define AK_SPEC_INT(name, initial, min, max, help)                                                 \
    if (rc == 0 && message->has_##name)                                                            \
        rc = decode_int(spec, #name, message->name);
#define AK_SPEC_FLOAT(name, initial, min, max, help)                                               \
    if (rc == 0 && message->has_##name)                                                            \
        rc = decode_float(spec, #name, message->name);
#include "proto/spec/spec.def"
#undef AK_SPEC_STRING
#undef AK_SPEC_INT
#undef AK_SPEC_FLOAT
    if (rc == 0)
        rc = decode_pairs(&spec->option, "option", message->option, message->n_option);
    if (rc == 0)
        rc = decode_pairs(&spec->augment, "augment", message->augment, message->n_augment);
    return rc;
}
