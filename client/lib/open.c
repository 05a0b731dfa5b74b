// client/lib/open.c -- which daemon, and what is shown to it.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/lib/lib.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/rpc/address.h"

enum { TIMEOUT_MS = 30000, PATIENCE_MS = 60000, MAX_TOKEN = 1024 };

#define SYSTEM_SOCKET "/run/akssl/akssld.sock"

// ---- which daemon

static akssl_status find_server(ak_str *server)
{
    const char *named = getenv("AKSSL_SERVER");
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (named && named[0]) {
        ak_str_append(server, named);
        return AKSSL_OK;
    }
    if (runtime && runtime[0]) {
        ak_str_format(server, "unix:%s/akssl/akssld.sock", runtime);
        if (access(server->text + strlen("unix:"), F_OK) == 0)
            return AKSSL_OK;
        ak_str_clear(server);
    }
    if (access(SYSTEM_SOCKET, F_OK) == 0) {
        ak_str_append(server, "unix:" SYSTEM_SOCKET);
        return AKSSL_OK;
    }
    return ak_fail(AKSSL_ERR_UNAVAILABLE,
                   "cannot reach a daemon: there is neither %s/akssl/akssld.sock nor %s; start one "
                   "with `akssld --state-dir DIR`, and name its socket, DIR/akssld.sock, in "
                   "AKSSL_SERVER or --server",
                   runtime && runtime[0] ? runtime : "$XDG_RUNTIME_DIR", SYSTEM_SOCKET);
}

// ---- what is shown

// choose gives what was given, else the environment's; NULL for neither.
static char *choose(const char *given, const char *variable)
{
    const char *value = given && given[0] ? given : getenv(variable);

    return value && value[0] ? ak_strdup(value) : NULL;
}

static akssl_status read_token(const char *path, char **token)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[MAX_TOKEN + 1];
    struct stat st;
    akssl_status rc;
    ssize_t n;

    if (fd < 0)
        return ak_fail_errno(errno, "token file '%s'", path);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 077) {
        close(fd);
        return ak_fail(AKSSL_ERR_PERMISSION, "token file '%s' can be read by others: chmod 600 it",
                       path);
    }
    n = read(fd, text, MAX_TOKEN);
    rc = n < 0 ? ak_fail_errno(errno, "token file '%s'", path) : AKSSL_OK;
    close(fd);
    if (rc < 0)
        return rc;
    text[n] = '\0';
    text[strcspn(text, " \t\r\n")] = '\0';
    if (!text[0])
        return ak_fail(AKSSL_ERR_INVALID,
                       "token file '%s' has no token: write what `akssl-client token create` "
                       "printed to it",
                       path);
    *token = ak_strdup(text);
    return AKSSL_OK;
}

static akssl_status gather(akssl_client *client, const akssl_client_options *options)
{
    char *path = choose(options->token_file, "AKSSL_TOKEN_FILE");
    akssl_status rc = path ? read_token(path, &client->token) : AKSSL_OK;

    free(path);
    client->ca = choose(options->ca, "AKSSL_CA");
    client->certificate = choose(options->certificate, "AKSSL_CERT");
    client->key = choose(options->key, "AKSSL_KEY");
    return rc;
}

akssl_status ak_client_channel(const akssl_client *client, const char *address, ak_channel **out)
{
    return ak_channel_open_with(
        out,
        &(ak_channel_options){
            .address = address,
            .token = client->token,
            .tls = { .ca = client->ca, .certificate = client->certificate, .key = client->key },
        });
}

akssl_status akssl_client_open_with(akssl_client **out, const akssl_client_options *options)
{
    ak_str address = AK_STR_INIT;
    akssl_client *client = NULL;
    akssl_status rc = AKSSL_OK;

    if (options->server && options->server[0])
        ak_str_append(&address, options->server);
    else
        rc = find_server(&address);
    if (rc < 0)
        goto out;
    client = ak_alloc(1, sizeof *client);
    client->timeout_ms = TIMEOUT_MS;
    client->patience_ms = PATIENCE_MS;
    rc = gather(client, options);
    if (rc == AKSSL_OK)
        rc = ak_client_channel(client, address.text, &client->channel);
    if (rc < 0)
        goto out;
    *out = client;
    client = NULL;
out:
    akssl_client_close(client);
    ak_str_fini(&address);
    return rc;
}

akssl_status akssl_client_open(akssl_client **out, const char *server)
{
    return akssl_client_open_with(out, &(akssl_client_options){ .server = server });
}

void akssl_client_close(akssl_client *client)
{
    if (!client)
        return;
    ak_channel_close(client->channel);
    free(client->token);
    free(client->ca);
    free(client->certificate);
    free(client->key);
    free(client);
}
