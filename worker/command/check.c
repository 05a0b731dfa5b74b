// worker/command/check.c -- `akssl-worker check --spec FILE [--state FILE]`: prints the resolved
// spec, or says what is wrong with it.
//
// Its first lines are comments: what the job takes, and which files were opened to find out, so
// that akssld knows how long the answer holds (daemon/verdicts.h).  More than MAX_OPENED bytes of
// these, or a name in other letters than ASCII's, and none is named.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/base/confine.h"
#include "proto/base/error.h"
#include "proto/spec/spec.h"
#include "worker/command/command.h"
#include "worker/train/check.h"
#include "worker/train/estimate.h"
#include "worker/train/seed.h"

typedef struct check {
    char *spec, *state;
} check;

static const ak_option options[] = {
    AK_OPTION_STRING(check, spec, "", NULL, "the job's spec, YAML"),
    AK_OPTION_STRING(check, state, "", NULL, "the state of another job that it is to start from"),
    AK_OPTION_END,
};

enum { MAX_OPENED = 16 << 10 };

// listen_to_opens has every file that is opened noted; -1: it cannot be.
static int listen_to_opens(void)
{
    int fd = memfd_create("opened", MFD_CLOEXEC);
    char number[16];

    snprintf(number, sizeof number, "%d", fd);
    if (fd >= 0)
        setenv(AK_CONFINE_OPENED, number, 1);
    return fd;
}

static void append_opened(int fd, ak_str *out)
{
    char text[MAX_OPENED + 1], *rest = NULL;
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text, 0) : -1;

    unsetenv(AK_CONFINE_OPENED);
    if (fd >= 0)
        close(fd);
    if (n <= 0 || n == (ssize_t)sizeof text)
        return;
    text[n] = '\0';
    for (char *c = text; *c; c++)
        if ((*c < ' ' || *c > '~') && *c != '\n')
            return;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        ak_str_format(out, "# %s\n", line);
}

static akssl_status print(const ak_spec *spec, const ak_train_set *train, int opened)
{
    ak_str text = AK_STR_INIT;
    akssl_status rc;

    ak_str_append(&text, "# estimate: ");
    rc = ak_estimate(spec, train, &text);
    ak_str_append(&text, "\n");
    append_opened(opened, &text);
    if (rc == AKSSL_OK)
        rc = ak_spec_write_yaml(spec, &text);
    if (rc == AKSSL_OK && fputs(text.text, stdout) < 0)
        rc = ak_fail(AKSSL_ERR_IO, "the resolved spec cannot be written");
    ak_str_fini(&text);
    return rc;
}

static int run(void *self)
{
    check *c = self;
    int opened = listen_to_opens();
    ak_train_set train;
    akssl_status rc;
    ak_spec spec;

    ak_spec_init(&spec);
    if (!c->spec[0])
        rc = ak_fail(AKSSL_ERR_INVALID, "check needs --spec FILE");
    else
        rc = ak_spec_read_file(&spec, c->spec);
    if (rc == AKSSL_OK)
        rc = ak_check_spec(&spec);
    if (rc == AKSSL_OK)
        rc = ak_check_data(&spec, &train);
    if (rc == AKSSL_OK && c->state[0])
        rc = ak_seed_check(&spec, c->state);
    if (rc == AKSSL_OK)
        rc = print(&spec, &train, opened);
    ak_spec_fini(&spec);
    if (rc == AKSSL_ERR_PERMISSION)
        return AK_EXIT_NOT_PERMITTED;
    return rc < 0 ? AK_EXIT_USAGE : AK_EXIT_OK;
}

const ak_command ak_command_check = {
    .name = "check",
    .help = "check a spec and print it with every value settled",
    .options = options,
    .self_size = sizeof(check),
    .run = run,
};
