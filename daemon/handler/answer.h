// daemon/handler/answer.h -- what Cancel, Pause and Resume share: the answer is the job.

#ifndef AK_DAEMON_HANDLER_ANSWER_H
#define AK_DAEMON_HANDLER_ANSWER_H

#include "daemon/control.h"
#include "daemon/handler/handler.h"
#include "daemon/wire.h"

typedef struct ak_answer {
    ak_daemon *d;
    ak_call *call;
} ak_answer;

// ak_answer_seen replies with the job as it stands.
static inline void ak_answer_seen(void *ctx, const ak_job *job)
{
    ak_answer *answer = ctx;

    ak_wire_reply(answer->call, job, answer->d->config->state_dir);
}

#endif
