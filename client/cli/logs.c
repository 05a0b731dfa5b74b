// client/cli/logs.c -- logs: what a job's ranks have written.

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/signals.h"

enum { LONGEST_LINE = 65536 }; // a longer one is cut in several for --json

typedef struct logs {
    bool follow;
} logs;

static const ak_flag flags[] = {
    AK_FLAG(logs, follow, "follow", 'f', SWITCH, NULL, "go on until the job is over"),
    AK_FLAG_END,
};

typedef struct reader {
    const ak_cli *cli;
    int signal;
    bool terminal, lead; // lead: the byte before may begin a control character of two
    char *line;          // the start of a line whose end has not come, for --json
    size_t used;
} reader;

static void print_line(reader *r)
{
    json_t *object = json_object();

    json_object_set_new(object, "line", ak_json_text(r->line, r->used));
    ak_json_print(stdout, object);
    r->used = 0;
}

static void add_json(reader *r, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n') {
            print_line(r);
            continue;
        }
        if (r->used == LONGEST_LINE)
            print_line(r);
        r->line[r->used++] = bytes[i];
    }
}

// write_clean leaves nothing of a log that could drive the terminal: names in it are anybody's.  C1
// controls are C2 80 to C2 9F in UTF-8.
static void write_clean(reader *r, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool second = r->lead, c1 = second && c >= 0x80 && c <= 0x9f;

        r->lead = c == 0xc2;
        if (second && !c1)
            putchar(0xc2);
        if (c1 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            putchar('?');
        else if (!r->lead)
            putchar(c);
    }
}

static int on_chunk(void *ctx, const char *bytes, size_t length)
{
    reader *r = ctx;

    r->signal = ak_signals_seen(r->cli);
    if (r->signal || ferror(stdout))
        return 1;
    if (r->cli->json)
        add_json(r, bytes, length);
    else if (r->terminal)
        write_clean(r, bytes, length);
    else if (length > 0)
        fwrite(bytes, 1, length, stdout);
    if (length > 0)
        fflush(stdout);
    return 0;
}

static int read_log(const ak_cli *cli, akssl_client *client, int64_t id, bool follow)
{
    reader r = { .cli = cli, .terminal = isatty(STDOUT_FILENO) };
    akssl_status rc;
    int code = AK_EXIT_DONE;

    r.line = malloc(LONGEST_LINE);
    if (!r.line)
        return ak_cli_error(AK_EXIT_FAILED, "out of memory");
    rc = akssl_client_logs(client, id, follow, on_chunk, &r);
    if (r.used > 0)
        print_line(&r);
    if (r.signal)
        code = 128 + r.signal;
    else if (rc == AKSSL_ERR_CANCELLED && ferror(stdout))
        code = AK_EXIT_FAILED; // main says why
    else if (rc < 0)
        code = ak_cli_failed(rc);
    free(r.line);
    return code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const logs *l = args->self;
    akssl_client *client = NULL;
    int64_t id = 0;
    int code = ak_cli_id(args->words[0], &id);

    if (code == AK_EXIT_DONE)
        code = ak_signals_start(cli);
    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    if (code == AK_EXIT_DONE)
        code = read_log(cli, client, id, l->follow);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_logs = {
    .name = "logs",
    .summary = "print a job's log",
    .synopsis = "ID",
    .flags = flags,
    .self_size = sizeof(logs),
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
