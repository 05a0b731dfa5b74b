// daemon/main.c -- akssld: the coordinator.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/daemon.h"
#include "daemon/guard.h"
#include "proto/base/error.h"

enum { EXIT_USAGE = 2 };

static int serve(ak_config *config)
{
    ak_log log = { "akssld", (ak_log_level)ak_log_level_parse(config->log_level) };
    akssl_status rc;

    umask(077);
    rc = ak_config_settle(config);
    if (rc == AKSSL_OK)
        rc = ak_daemon_run(config, &log);
    if (rc < 0)
        fprintf(stderr, "akssld: %s\n", ak_error_text());
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    ak_config config;
    int code = EXIT_SUCCESS;

    if (argc > 1 && strcmp(argv[1], "--guard") == 0)
        return ak_guard(argv + 2);
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
