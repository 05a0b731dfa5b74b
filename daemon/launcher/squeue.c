// daemon/launcher/squeue.c -- what Slurm's programs print, and how they are asked.

#include "daemon/launcher/squeue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"

static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

// cut copies a field of a line, as much as there is room for, and steps over the '|' behind it;
// false when it is followed by what it should not be.
static bool cut(const char **at, char *to, size_t size, char end)
{
    size_t length = strcspn(*at, "|\n"), copied = length < size ? length : size - 1;

    if (end ? (*at)[length] != end : (*at)[length] == '|')
        return false;
    for (size_t i = 0; i < copied; i++)
        to[i] = (*at)[i] >= ' ' && (*at)[i] <= '~' ? (*at)[i] : '?';
    to[copied] = '\0';
    *at += length + ((*at)[length] == '|');
    return true;
}

// take does so with one that must be there whole.
static bool take(const char **at, char *to, size_t size, char end)
{
    return strcspn(*at, "|\n") < size && cut(at, to, size, end);
}

static bool is_state(const char *text)
{
    return text[0] && !text[strspn(text, capitals)];
}

static akssl_status no_answer(const char *program, const char *text)
{
    return ak_fail(AKSSL_ERR_INVALID, "%s printed what is no answer: '%.*s'", program,
                   (int)strnlen(text, 80), text);
}

akssl_status ak_squeue_parse(const char *text, ak_squeue_job *job, bool *found)
{
    ak_squeue_job read = { 0 };
    const char *at = text;
    char id[32], *end;

    *found = false;
    if (!text[strspn(text, " \n")])
        return AKSSL_OK;
    if (!take(&at, id, sizeof id, '|') || !take(&at, read.state, sizeof read.state, '|') ||
        !cut(&at, read.reason, sizeof read.reason, '|') ||
        !cut(&at, read.nodes, sizeof read.nodes, '\0') || !is_state(read.state))
        return no_answer("squeue", text);
    read.id = strtoll(id, &end, 10);
    if (strspn(id, "0123456789") != strlen(id) || !id[0] || strlen(id) > 18 || read.id < 1)
        return no_answer("squeue", text);
    *job = read;
    *found = true;
    return AKSSL_OK;
}

akssl_status ak_squeue_parse_sacct(const char *text, ak_squeue_job *job, bool *found)
{
    char state[AK_SQUEUE_WORDS], code[32];
    const char *at = text;
    size_t length;

    *found = false;
    if (!text[strspn(text, " \n")])
        return AKSSL_OK;
    if (!take(&at, state, sizeof state, '|') || !take(&at, code, sizeof code, '\0'))
        return no_answer("sacct", text);
    length = strcspn(state, " "); // "CANCELLED by 1000"
    state[length] = '\0';
    if (!is_state(state) || length >= sizeof job->state)
        return no_answer("sacct", text);
    memcpy(job->state, state, length + 1);
    snprintf(job->reason, sizeof job->reason, "exit code %s", code);
    *found = true;
    return AKSSL_OK;
}

static bool is_among(const char *state, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(state, *words) == 0)
            return true;
    return false;
}

ak_squeue_phase ak_squeue_phase_of(const char *state)
{
    static const char *const waits[] = {
        "PENDING",      "CONFIGURING",   "REQUEUED",  "REQUEUE_FED", "REQUEUE_HOLD",
        "SPECIAL_EXIT", "RESV_DEL_HOLD", "SUSPENDED", "STOPPED",     NULL
    };
    static const char *const over[] = { "COMPLETED", "FAILED",        "CANCELLED",     "TIMEOUT",
                                        "NODE_FAIL", "PREEMPTED",     "BOOT_FAIL",     "DEADLINE",
                                        "REVOKED",   "OUT_OF_MEMORY", "LAUNCH_FAILED", NULL };

    if (is_among(state, waits))
        return AK_SQUEUE_WAITS;
    if (is_among(state, over))
        return AK_SQUEUE_OVER;
    return strcmp(state, "COMPLETING") == 0 ? AK_SQUEUE_LEAVES : AK_SQUEUE_RUNS;
}

bool ak_squeue_took_away(const char *state)
{
    static const char *const words[] = { "NODE_FAIL", "PREEMPTED",     "BOOT_FAIL",
                                         "REVOKED",   "LAUNCH_FAILED", NULL };

    return is_among(state, words);
}

static bool says_any(const char *complaint, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(complaint, *words))
            return true;
    return false;
}

bool ak_squeue_is_away(const char *complaint)
{
    static const char *const words[] = { "Unable to contact slurm",
                                         "Socket timed out",
                                         "Connection refused",
                                         "Zero Bytes were transmitted",
                                         "Transport endpoint",
                                         "backup controller",
                                         "Slurm controller not responding",
                                         "try again",
                                         "did not end within",
                                         NULL };

    return says_any(complaint, words);
}

bool ak_squeue_is_full(const char *complaint)
{
    static const char *const words[] = { "MaxSubmit",
                                         "GrpSubmit",
                                         "job queue full",
                                         "Required partition not available",
                                         "Required node not available",
                                         "configuration not available now",
                                         "temporarily",
                                         NULL };

    return says_any(complaint, words);
}
