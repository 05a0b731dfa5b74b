// client/cli/state.c -- state: what the coordinator holds for a job, and how it looks.

#include <inttypes.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/saved.h"
#include "client/cli/text.h"

typedef struct state {
    const char *save;
} state;

static const ak_flag flags[] = {
    AK_FLAG(state, save, "save", 0, TEXT, "FILE", "write the tensors to FILE, as safetensors"),
    AK_FLAG_END,
};

static void print_tensor(const akssl_tensor *tensor)
{
    char number[32];

    ak_text_put(stdout, tensor->name);
    fputs("  ", stdout);
    for (size_t i = 0; i < tensor->axes; i++)
        printf("%s%" PRId64, i ? " x " : "", tensor->shape[i]);
    putchar('\n');
    printf("  %-16s%" PRId64 "\n", "version", tensor->version);
    if (tensor->filled >= 0 && tensor->axes > 0)
        printf("  %-16s%" PRId64 " of %" PRId64 " rows\n", "filled", tensor->filled,
               tensor->shape[0]);
    if (tensor->position >= 0)
        printf("  %-16s%" PRId64 "\n", "next row", tensor->position);
    printf("  %-16s", "digest");
    ak_text_put(stdout, tensor->digest);
    putchar('\n');
    for (size_t i = 0; i < tensor->insight_count; i++) {
        size_t length = strlen(tensor->insight[i].name);

        ak_text_number(tensor->insight[i].value, 6, number, sizeof number);
        fputs("  ", stdout);
        ak_text_put(stdout, tensor->insight[i].name);
        printf("%*s%s\n", length < 15 ? (int)(16 - length) : 1, "", number);
    }
}

static void print_text(const akssl_tensor_list *list)
{
    if (list->count == 0)
        puts("the coordinator holds no state for this job");
    for (size_t i = 0; i < list->count; i++)
        print_tensor(&list->tensors[i]);
}

static void print_json(const akssl_tensor_list *list)
{
    json_t *array = json_array(), *object = json_object();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, ak_json_tensor(&list->tensors[i]));
    json_object_set_new(object, "tensors", array);
    ak_json_print(stdout, object);
}

static int save(const ak_cli *cli, akssl_client *client, int64_t id, const char *path)
{
    akssl_saved saved;
    akssl_status rc = akssl_client_save_state(client, id, path, &saved);

    if (rc < 0)
        return ak_cli_failed(rc);
    ak_saved_print(cli, "state", "saved", &saved, path);
    return AK_EXIT_DONE;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const char *path = ((const state *)args->self)->save;
    akssl_tensor_list *list = NULL;
    akssl_client *client = NULL;
    akssl_status rc;
    int64_t id = 0;
    int code = ak_cli_open_job(cli, args, &client, &id);

    if (code != AK_EXIT_DONE)
        return code;
    if (path) {
        code = save(cli, client, id, path);
        akssl_client_close(client);
        return code;
    }
    rc = akssl_client_state(client, id, &list);
    if (rc < 0)
        code = ak_cli_failed(rc);
    else if (cli->json)
        print_json(list);
    else
        print_text(list);
    akssl_tensor_list_free(list);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_state = {
    .name = "state",
    .summary = "show what the coordinator holds for a job (queues, centres, prototypes)",
    .synopsis = "ID",
    .details = "A job that runs is told as it is now, any other from its last commit.\n",
    .flags = flags,
    .self_size = sizeof(state),
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
