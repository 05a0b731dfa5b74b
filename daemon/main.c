// daemon/main.c -- akssld: the coordinator.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/auth/certificates.h"
#include "daemon/auth/roots.h"
#include "daemon/daemon.h"
#include "daemon/files.h"
#include "daemon/guard.h"
#include "daemon/harden.h"
#include "daemon/restore.h"
#include "proto/base/error.h"

enum { EXIT_USAGE = 2 };

// Long reads (a verification, a backup) must not keep a commit from a thread; libuv has 4.
#define THREADS "16"

static int init_tls(const ak_config *config)
{
    char *folder = ak_path("%s/tls", config->state_dir);
    akssl_status rc = config->client[0] ? ak_certificates_client(folder, config->client)
                                        : ak_certificates_init(folder, config->host);

    if (rc < 0)
        fprintf(stderr, "akssld: --init-tls: %s\n", ak_error_text());
    else if (config->client[0])
        printf("%s/%s.crt and %s.key are for %s alone; callers show them with --cert and --key\n",
               folder, config->client, config->client, config->client);
    else
        printf("%s/ca.crt is for everybody who calls: --ca FILE, or AKSSL_CA\n", folder);
    free(folder);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int restore(const ak_config *config)
{
    ak_restored done;

    if (ak_restore(config->restore, config->state_dir, &done) < 0) {
        fprintf(stderr, "akssld: --restore: %s\n", ak_error_text());
        return EXIT_FAILURE;
    }
    printf("%s: %" PRId64 " files, %" PRId64 " bytes, %" PRId64 " commits, of which %" PRId64
           " are damaged\n",
           config->state_dir, done.files, done.bytes, done.commits, done.damaged);
    return EXIT_SUCCESS;
}

static int serve(ak_config *config)
{
    ak_log log = { "akssld", (ak_log_level)ak_log_level_parse(config->log_level) };
    akssl_status rc;

    umask(077);
    setenv("UV_THREADPOOL_SIZE", THREADS, 0);
    if (config->deny_code && !ak_harden())
        ak_log_write(&log, AK_LOG_DEBUG, "this kernel cannot deny akssld alone to make code");
    if (config->init_tls)
        return init_tls(config);
    if (config->restore[0])
        return restore(config);
    rc = ak_config_settle(config);
    if (rc == AKSSL_OK)
        ak_roots_announce(config);
    if (rc == AKSSL_OK)
        rc = ak_daemon_run(config, &log);
    if (rc < 0)
        fprintf(stderr, "akssld: %s\n", ak_error_text());
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int follow(char **argv)
{
    const ak_launcher *launcher = ak_launcher_find(argv[0]);

    if (!launcher || !launcher->follow) {
        fprintf(stderr, "akssld: --follow is for akssld alone\n");
        return EXIT_USAGE;
    }
    return launcher->follow(argv + 1);
}

int main(int argc, char **argv)
{
    ak_config config;
    int code = EXIT_SUCCESS;

    if (argc > 1 && strcmp(argv[1], "--guard") == 0)
        return ak_guard(argv + 2);
    if (argc > 2 && strcmp(argv[1], "--follow") == 0)
        return follow(argv + 2);
    if (ak_config_parse(&config, argc, argv) < 0) {
        fprintf(stderr, "akssld: %s\n", ak_error_text());
        code = EXIT_USAGE;
    } else if (config.help) {
        ak_config_help(stdout);
    } else if (config.version) {
        printf("akssld %s\n", AKSSL_VERSION);
    } else {
        code = serve(&config);
    }
    ak_config_fini(&config);
    return code;
}
