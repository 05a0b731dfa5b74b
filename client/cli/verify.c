// client/cli/verify.c -- verify: have every commit of a job read through.

#include <inttypes.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

static void print_commit(const akssl_commit *commit)
{
    printf("step %-10" PRId64 " %" PRId64 " files %12" PRId64 " bytes  ", commit->step,
           commit->files, commit->bytes);
    ak_text_put(stdout, commit->wrong[0] ? commit->wrong : "ok");
    putchar('\n');
}

static void print_text(const akssl_commit_list *list)
{
    if (list->count == 0)
        puts("the job has no commit");
    for (size_t i = 0; i < list->count; i++)
        print_commit(&list->commits[i]);
    for (size_t i = 0; i < list->other_count; i++) {
        fputs("no commit: ", stdout);
        ak_text_put(stdout, list->others[i]);
        putchar('\n');
    }
}

static void print_json(const akssl_commit_list *list)
{
    json_t *commits = json_array(), *others = json_array(), *object = json_object();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(commits, ak_json_commit(&list->commits[i]));
    for (size_t i = 0; i < list->other_count; i++)
        json_array_append_new(others, ak_json_text(list->others[i], strlen(list->others[i])));
    json_object_set_new(object, "damaged", json_integer((json_int_t)list->damaged));
    json_object_set_new(object, "commits", commits);
    json_object_set_new(object, "others", others);
    ak_json_print(stdout, object);
}

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_commit_list *list = NULL;
    akssl_client *client = NULL;
    akssl_status rc;
    int64_t id = 0;
    int code = ak_cli_open_job(cli, args, &client, &id);

    if (code != AK_EXIT_DONE)
        return code;
    rc = akssl_client_verify(client, id, &list);
    if (rc < 0) {
        code = ak_cli_failed(rc);
    } else {
        (cli->json ? print_json : print_text)(list);
        code = list->damaged ? AK_EXIT_FAILED : AK_EXIT_DONE;
    }
    akssl_commit_list_free(list);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_verify = {
    .name = "verify",
    .summary = "read every commit of a job through and compare it with what was recorded",
    .synopsis = "ID",
    .details =
        "One line a commit, newest first: step, files, bytes, and \"ok\" or what is wrong with "
        "it.\nLines \"no commit:\" name what else lies in the job's commits folder, such as "
        "commits that\nwere set aside.  The exit status is 1 when a commit is damaged.\n",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
