// tests/unit/proto/rpc/codec.c -- tests proto/rpc/{rpc,codec}.c: the table, statuses, the spec's
// message.

#include <math.h>
#include <stdio.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/rpc/codec.h"
#include "tests/check.h"

START_TEST(every_call_has_a_row)
{
    for (int id = 0; id < AK_RPC_COUNT; id++) {
        const ak_rpc *rpc = ak_rpc_find((ak_rpc_id)id);

        ck_assert(rpc->path[0] == '/' && rpc->request && rpc->reply);
        ck_assert(rpc->kind >= AK_RPC_UNARY && rpc->kind <= AK_RPC_BIDI);
        for (int other = 0; other < id; other++)
            ck_assert_str_ne(rpc->path, ak_rpc_find((ak_rpc_id)other)->path);
    }
    ck_assert_str_eq(ak_rpc_find(AK_RPC_submit)->path, "/akssl.v1.Lab/Submit");
    ck_assert_str_eq(ak_rpc_find(AK_RPC_join)->request->name, "akssl.v1.WorkerMessage");
    ck_assert_int_eq(ak_rpc_find(AK_RPC_join)->kind, AK_RPC_BIDI);
    ck_assert_int_eq(ak_rpc_find(AK_RPC_watch)->kind, AK_RPC_SERVER_STREAM);
}
END_TEST

START_TEST(statuses_travel)
{
    ck_assert_int_eq(ak_rpc_status_to_grpc(AKSSL_OK), GRPC_STATUS_OK);
    ck_assert_int_eq(ak_rpc_status_from_grpc(GRPC_STATUS_OK), AKSSL_OK);
    for (int status = AKSSL_ERR_INTERNAL; status < 0; status++) {
        int code = ak_rpc_status_to_grpc((akssl_status)status);
        akssl_status back = ak_rpc_status_from_grpc(code);

        ck_assert(code > GRPC_STATUS_OK && code != GRPC_STATUS_UNKNOWN);
        if (code == GRPC_STATUS_RESOURCE_EXHAUSTED)
            ck_assert_int_eq(back, AKSSL_ERR_LIMIT);
        else
            ck_assert_int_eq(back, status);
    }
    for (int code = 1; code < 20; code++) // also those that we never send
        ck_assert_int_lt(ak_rpc_status_from_grpc(code), 0);
}
END_TEST

// Sets every key of the table to something other than its default.
static void fill(ak_spec *spec)
{
    for (const ak_option *row = ak_spec_table(); row->name; row++) {
        char *at = (char *)spec + row->offset;

        if (row->type == AK_OPTION_TYPE_INT) {
            *(int64_t *)at = (int64_t)(row->initial == row->max ? row->min : row->max);
        } else if (row->type == AK_OPTION_TYPE_FLOAT) {
            *(double *)at = row->max / 3;
        } else {
            free(*(char **)at);
            *(char **)at =
                ak_strdup(row->choices ? strrchr(row->choices, '|') + 1 : "caf\xc3\xa9 \"x\"\n");
        }
    }
    free(spec->kind);
    spec->kind = ak_strdup("probe");
    ck_assert_int_eq(ak_spec_set(spec, "batch_norm", "shard"), 0);
    ck_assert_int_eq(ak_spec_set(spec, "option", "K=4096,m=0.99"), 0);
    ck_assert_int_eq(ak_spec_set(spec, "augment", "min_scale="), 0);
}

static void check_same(const ak_spec *a, const ak_spec *b)
{
    char left[AK_SPEC_MAX_TEXT + 1], right[AK_SPEC_MAX_TEXT + 1];

    for (const ak_option *row = ak_spec_table(); row->name; row++) {
        ak_option_text(row, a, left, sizeof left);
        ak_option_text(row, b, right, sizeof right);
        ck_assert_str_eq(left, right);
    }
    ck_assert(a->lr == b->lr && a->warmup_epochs == b->warmup_epochs);
    ck_assert_int_eq(a->option.count, b->option.count);
    for (int i = 0; i < a->option.count; i++) {
        ck_assert_str_eq(a->option.keys[i], b->option.keys[i]);
        ck_assert_str_eq(a->option.values[i], b->option.values[i]);
    }
    ck_assert_int_eq(a->augment.count, b->augment.count);
}

START_TEST(a_spec_survives_the_wire)
{
    ak_spec spec, back;

    for (int full = 0; full < 2; full++) {
        Akssl__V1__JobSpec *message;
        ProtobufCMessage *copy;
        grpc_byte_buffer *buffer;

        ak_codec_start();
        ak_spec_init(&spec);
        ak_spec_init(&back);
        if (full)
            fill(&spec);
        message = ak_rpc_spec_encode(&spec);
        buffer = ak_codec_encode(&message->base);
        copy = ak_codec_decode(&akssl__v1__job_spec__descriptor, buffer);
        ck_assert_ptr_nonnull(copy);
        ck_assert_msg(ak_rpc_spec_decode(&back, (Akssl__V1__JobSpec *)copy) == 0, "%s",
                      ak_error_text());
        check_same(&spec, &back);
        protobuf_c_message_free_unpacked(copy, NULL);
        grpc_byte_buffer_destroy(buffer);
        akssl__v1__job_spec__free_unpacked(message, NULL);
        ak_spec_fini(&spec);
        ak_spec_fini(&back);
        ak_codec_stop();
    }
}
END_TEST

START_TEST(what_was_not_given_is_left_out)
{
    Akssl__V1__JobSpec *message;
    ak_spec spec, copy;

    ak_spec_init(&spec);
    message = ak_rpc_spec_encode_given(&spec);
    ck_assert_uint_eq(akssl__v1__job_spec__get_packed_size(message), 0);
    akssl__v1__job_spec__free_unpacked(message, NULL);
    ck_assert_int_eq(ak_spec_set(&spec, "batch-norm", "x"), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_spec_set(&spec, "image-size", "32"), 0); // the default, but given
    ck_assert_int_eq(ak_spec_read_yaml(&spec, "method: byol\nlr: 0.5", 20, "y"), 0);
    ck_assert_int_eq(ak_spec_set(&spec, "option", "K=1"), 0);
    ak_spec_copy(&copy, &spec);
    ak_spec_fini(&spec);
    message = ak_rpc_spec_encode_given(&copy);
    ak_spec_fini(&copy);
    ck_assert_str_eq(message->method, "byol");
    ck_assert(message->has_image_size && message->image_size == 32 && message->lr == 0.5);
    ck_assert(!message->kind && !message->batch_norm && !message->has_batch && !message->has_topk);
    ck_assert_uint_eq(message->n_option, 1);
    akssl__v1__job_spec__free_unpacked(message, NULL);
}
END_TEST

START_TEST(every_field_has_a_key)
{
    const ProtobufCMessageDescriptor *type = &akssl__v1__job_spec__descriptor;
    unsigned known = 2; // option, augment

    for (const ak_option *row = ak_spec_table(); row->name; row++)
        known++;
    ck_assert_uint_eq(type->n_fields, known);
}
END_TEST

START_TEST(what_is_not_given_is_left_alone)
{
    Akssl__V1__JobSpec message = AKSSL__V1__JOB_SPEC__INIT;
    ak_spec spec;

    ak_spec_init(&spec);
    spec.batch = 512;
    message.has_epochs = 1;
    message.epochs = 3;
    ck_assert_int_eq(ak_rpc_spec_decode(&spec, &message), 0);
    ck_assert(spec.batch == 512 && spec.epochs == 3);
    ak_spec_fini(&spec);
}
END_TEST

static void refuse(Akssl__V1__JobSpec message, akssl_status expected, const char *word)
{
    ak_spec spec;

    ak_spec_init(&spec);
    ck_assert_int_eq(ak_rpc_spec_decode(&spec, &message), expected);
    ck_assert_msg(strstr(ak_error_text(), word), "%s", ak_error_text());
    ak_spec_fini(&spec);
}

START_TEST(values_from_the_wire_are_checked)
{
    const Akssl__V1__JobSpec none = AKSSL__V1__JOB_SPEC__INIT;
    Akssl__V1__Pair half = AKSSL__V1__PAIR__INIT, whole = AKSSL__V1__PAIR__INIT;
    Akssl__V1__Pair *pairs[AK_SPEC_MAX_PAIRS + 1];
    char keys[AK_SPEC_MAX_PAIRS + 1][16];
    Akssl__V1__Pair rows[AK_SPEC_MAX_PAIRS + 1];
    Akssl__V1__JobSpec m = none;

    m.has_batch = 1;
    m.batch = INT64_MIN;
    refuse(m, AKSSL_ERR_INVALID, "batch");
    m = none;
    m.has_lr = 1;
    m.lr = NAN;
    refuse(m, AKSSL_ERR_INVALID, "lr");
    m.lr = -INFINITY;
    refuse(m, AKSSL_ERR_INVALID, "lr");
    m = none;
    m.kind = (char *)"dance";
    refuse(m, AKSSL_ERR_INVALID, "kind");
    m = none;
    half.key = (char *)"K";
    pairs[0] = &half;
    m.n_option = 1;
    m.option = pairs;
    refuse(m, AKSSL_ERR_INVALID, "option");
    whole.key = (char *)"";
    whole.value = (char *)"1";
    pairs[0] = &whole;
    refuse(m, AKSSL_ERR_INVALID, "option");
    for (int i = 0; i <= AK_SPEC_MAX_PAIRS; i++) {
        snprintf(keys[i], sizeof keys[i], "key%d", i);
        akssl__v1__pair__init(&rows[i]);
        rows[i].key = keys[i];
        rows[i].value = (char *)"1";
        pairs[i] = &rows[i];
    }
    m = none;
    m.n_augment = AK_SPEC_MAX_PAIRS + 1;
    m.augment = pairs;
    refuse(m, AKSSL_ERR_LIMIT, "augment");
}
END_TEST

START_TEST(rubbish_is_no_message)
{
    static const uint8_t rubbish[] = { 0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3 };
    grpc_byte_buffer *buffer;
    grpc_slice slice;

    ak_codec_start();
    for (size_t length = 1; length <= sizeof rubbish; length++) {
        slice = grpc_slice_from_copied_buffer((const char *)rubbish, length);
        buffer = grpc_raw_byte_buffer_create(&slice, 1);
        ck_assert_ptr_null(ak_codec_decode(&akssl__v1__job__descriptor, buffer));
        grpc_byte_buffer_destroy(buffer);
        grpc_slice_unref(slice);
    }
    ck_assert_ptr_null(ak_codec_decode(&akssl__v1__job__descriptor, NULL));
    ak_codec_stop();
}
END_TEST

AK_TEST_MAIN(AK_CASE(every_call_has_a_row), AK_CASE(statuses_travel),
             AK_CASE(a_spec_survives_the_wire), AK_CASE(what_was_not_given_is_left_out),
             AK_CASE(every_field_has_a_key), AK_CASE(what_is_not_given_is_left_alone),
             AK_CASE(values_from_the_wire_are_checked), AK_CASE(rubbish_is_no_message))
