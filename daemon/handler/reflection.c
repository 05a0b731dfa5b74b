// daemon/handler/reflection.c -- ServerReflection: tools that have no schema of ours ask for it.

#include "daemon/handler/reflection.h"

#include <stdlib.h>

#include "daemon/files.h"
#include "daemon/schema.h"
#include "proto/base/alloc.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest asked;
typedef Grpc__Reflection__V1__ServerReflectionResponse told;

// One answer and what it points to.
typedef struct answer {
    told told;
    Grpc__Reflection__V1__ErrorResponse error;
    Grpc__Reflection__V1__FileDescriptorResponse file;
    Grpc__Reflection__V1__ExtensionNumberResponse numbers;
    Grpc__Reflection__V1__ListServiceResponse list;
    char *sentence;
} answer;

static void refuse(answer *a, akssl_status status, char *take_sentence)
{
    grpc__reflection__v1__error_response__init(&a->error);
    a->error.error_code = ak_rpc_status_to_grpc(status);
    a->error.error_message = a->sentence = take_sentence;
    a->told.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    a->told.error_response = &a->error;
}

static void tell_file(answer *a, const ProtobufCBinaryData *file, const char *what)
{
    if (!file) {
        refuse(a, AKSSL_ERR_NOT_FOUND, ak_path("'%.200s': akssld's schema has none", what));
        return;
    }
    grpc__reflection__v1__file_descriptor_response__init(&a->file);
    a->file.n_file_descriptor_proto = 1;
    a->file.file_descriptor_proto = (ProtobufCBinaryData *)file;
    a->told.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    a->told.file_descriptor_response = &a->file;
}

static void add_service(void *ctx, const char *name)
{
    Grpc__Reflection__V1__ListServiceResponse *list = ctx;
    Grpc__Reflection__V1__ServiceResponse *one = ak_alloc(1, sizeof *one);

    grpc__reflection__v1__service_response__init(one);
    one->name = ak_strdup(name);
    list->service = ak_realloc(list->service, list->n_service + 1, sizeof one);
    list->service[list->n_service++] = one;
}

static void tell_services(answer *a, const Akssl__Described__FileSet *set)
{
    grpc__reflection__v1__list_service_response__init(&a->list);
    ak_schema_services(set, add_service, &a->list);
    a->told.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    a->told.list_services_response = &a->list;
}

// No type of the schema has extensions.
static void tell_numbers(answer *a, const Akssl__Described__FileSet *set, char *type)
{
    if (!ak_schema_with(set, type)) {
        tell_file(a, NULL, type);
        return;
    }
    grpc__reflection__v1__extension_number_response__init(&a->numbers);
    a->numbers.base_type_name = type;
    a->told.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    a->told.all_extension_numbers_response = &a->numbers;
}

static void look(answer *a, const Akssl__Described__FileSet *set, const asked *q)
{
    switch (q->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        tell_file(a, ak_schema_named(set, q->file_by_filename), q->file_by_filename);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        tell_file(a, ak_schema_with(set, q->file_containing_symbol), q->file_containing_symbol);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        tell_file(a, NULL, q->file_containing_extension->containing_type);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        tell_numbers(a, set, q->all_extension_numbers_of_type);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        tell_services(a, set);
        break;
    default:
        refuse(a, AKSSL_ERR_INVALID, ak_path("reflection: the request asks for nothing"));
    }
}

static void answer_fini(answer *a)
{
    for (size_t i = 0; i < a->list.n_service; i++) {
        free(a->list.service[i]->name);
        free(a->list.service[i]);
    }
    free(a->list.service);
    free(a->sentence);
}

akssl_status ak_reflection_started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    (void)d;
    (void)call;
    (void)request;
    return AKSSL_OK; // its questions follow
}

void ak_reflection_received(ak_daemon *d, ak_call *call, const ProtobufCMessage *message)
{
    Akssl__Described__FileSet *set;
    answer a = { 0 };

    (void)d;
    if (!message) {
        ak_call_finish(call);
        return;
    }
    set = ak_schema_open();
    grpc__reflection__v1__server_reflection_response__init(&a.told);
    a.told.valid_host = ((const asked *)message)->host;
    a.told.original_request = (asked *)message;
    look(&a, set, (const asked *)message);
    if (ak_call_send(call, &a.told.base))
        ak_call_fail(call, AKSSL_ERR_LIMIT, "reflection: take the answers before you ask on");
    answer_fini(&a);
    akssl__described__file_set__free_unpacked(set, NULL);
}

const ak_handler ak_handler_reflection = {
    .access = AK_ACCESS_READ,
    .started = ak_reflection_started,
    .received = ak_reflection_received,
};
