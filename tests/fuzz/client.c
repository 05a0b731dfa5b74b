// tests/fuzz/client.c -- akssl-client with any command line, and a daemon that answers anything.
//
// An input: the terminal, one byte; the words, a line each, as a part; the daemon's script
// (hostile.h).  A slash in a word becomes another letter: the program may write files.

#include <stdarg.h>
#include <sys/ioctl.h>

#include "client/cli/signals.h"
#include "tests/fuzz/hostile.h"

enum { WORDS = 32 };

int client_main(int argc, char **argv); // client/cli/main.c's

static unsigned terminal; // 0: none, else its width

int isatty(int fd)
{
    return fd >= 0 && terminal;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    (void)fd;
    if (request != TIOCGWINSZ)
        return -1;
    va_start(args, request);
    *va_arg(args, struct winsize *) = (struct winsize){ .ws_col = (unsigned short)terminal };
    va_end(args);
    return 0;
}

int ak_signals_start(ak_cli *cli)
{
    (void)cli;
    return AK_EXIT_DONE;
}

int ak_signals_seen(const ak_cli *cli)
{
    (void)cli;
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    setenv("AKSSL_SERVER", "unix:/nonexistent", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("TERM", "xterm", 1);
    return 0;
}

// The program runs in the scratch folder, libFuzzer where it was started.
static void run(int count, char **words, fuzz_bytes spec)
{
    char *home = getcwd(NULL, 0);
    int code;

    FUZZ_CHECK(home && chdir(fuzz_folder()) == 0);
    fuzz_write("spec.yaml", spec.at, spec.left);
    code = client_main(count, words);
    FUZZ_CHECK(code >= 0 && code < 256);
    FUZZ_CHECK(chdir(home) == 0);
    free(home);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size };
    char *words[WORDS] = { (char *)"akssl-client" }, *text;
    int count;

    terminal = (unsigned)fuzz_number(&input, 1);
    text = fuzz_text(fuzz_part(&input));
    for (char *at = text; *at; at++)
        if (*at == '/')
            *at = '_';
    count = 1 + fuzz_words(text, words + 1, WORDS - 2);
    hostile_start(input);
    run(count, words, input);
    free(text);
    return 0;
}
