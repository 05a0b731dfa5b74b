// client/lib/verify.c -- the commits of a job, as the daemon finds them.

#include <stdlib.h>

#include "client/lib/lib.h"
#include "proto/base/alloc.h"

enum { VERIFY_MS = 660000 }; // somewhat longer than the daemon takes at most

// The message stays with the list: texts point into it.
typedef struct box {
    akssl_commit_list list; // first, so that an akssl_commit_list * is a box *
    Akssl__V1__VerifyReply *message;
    akssl_commit *commits;
} box;

static akssl_commit_list *take_list(Akssl__V1__VerifyReply *message)
{
    size_t count = message->n_commits;
    box *b = ak_alloc(1, sizeof *b);

    b->message = message;
    b->commits = ak_alloc(count ? count : 1, sizeof *b->commits);
    b->list = (akssl_commit_list){ .count = count,
                                   .commits = b->commits,
                                   .other_count = message->n_others,
                                   .others = (const char *const *)message->others };
    for (size_t i = 0; i < count; i++) {
        const Akssl__V1__VerifiedCommit *from = message->commits[i];

        b->commits[i] = (akssl_commit){
            .step = from->has_step ? from->step : -1,
            .made_ms = from->has_made_ms ? from->made_ms : -1,
            .files = from->has_files ? from->files : -1,
            .bytes = from->has_bytes ? (int64_t)from->bytes : -1,
            .wrong = from->wrong ? from->wrong : "",
        };
        b->list.damaged += b->commits[i].wrong[0] != '\0';
    }
    return &b->list;
}

akssl_status akssl_client_verify(akssl_client *client, int64_t id, akssl_commit_list **out)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;
    int64_t timeout_ms = client->timeout_ms > VERIFY_MS ? client->timeout_ms : VERIFY_MS;
    ProtobufCMessage *reply = NULL;
    akssl_status rc;

    request.has_id = 1;
    request.id = id;
    ak_client_revive(client);
    rc = ak_channel_call(client->channel, AK_RPC_verify, &request.base, timeout_ms, &reply);
    if (rc >= 0)
        *out = take_list((Akssl__V1__VerifyReply *)reply);
    return ak_client_judge(client, rc);
}

void akssl_commit_list_free(akssl_commit_list *list)
{
    box *b = (box *)list;

    if (!b)
        return;
    free(b->commits);
    akssl__v1__verify_reply__free_unpacked(b->message, NULL);
    free(b);
}
