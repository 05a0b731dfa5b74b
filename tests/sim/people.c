// tests/sim/people.c -- those who submit jobs, watch them and change their minds.

#include "tests/sim/people.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/daemon.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"

enum { CALL_MS = 20000, MAX_JOBS = 16 };

typedef struct person {
    int number;
    int to_submit;
    int64_t jobs[MAX_JOBS];
    int count;
    int64_t job;   // that the call is about
    int64_t steps; // of the job being submitted
    int64_t keep;
    int64_t ranks, ranks_before; // that are wanted, and were, of the job being resized
    ak_rpc_id rpc;               // the call under way
    sim_wish before, hold;       // of the job, before the call
    int64_t after;               // of the job being submitted
    const char *name;            // the same
    int names;                   // that there were
    bool after_any, held;        // the same
    int64_t asked_at;
    ak_call *watch;
    int64_t watched;
    int64_t watched_at;
} person;

struct sim_people {
    person at[8];
    int count;
};

static void on_idle(void *ctx);

static void idle(person *p)
{
    int64_t mean = sim_here->plan.person_ms * SIM_MS;

    if (sim_here->now > sim_here->plan.faults_end)
        mean = 2 * SIM_S;
    sim_after(SIM_WORLD, sim_range(SIM_MS, 2 * mean), "person", on_idle, p, NULL);
}

// ---- what comes back

static void note_terms(const person *p, sim_account *account)
{
    account->after = p->after;
    account->after_any = p->after_any;
    account->hold = p->held ? SIM_WISH_PAUSE : SIM_WISH_RUN;
}

static void on_message(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    person *p = ctx;

    (void)call;
    if (message->descriptor == &akssl__v1__job__descriptor) {
        const Akssl__V1__Job *job = (const Akssl__V1__Job *)message;

        sim_oracle_told(job->id, job->state, job->reason, p->asked_at);
    } else if (message->descriptor == &akssl__v1__submit_reply__descriptor) {
        p->jobs[p->count++] = ((const Akssl__V1__SubmitReply *)message)->id;
        p->to_submit--;
        sim_oracle_submitted(p->jobs[p->count - 1], p->steps, p->ranks, p->keep);
        note_terms(p, sim_oracle_of(p->jobs[p->count - 1]));
    } else if (message->descriptor == &akssl__v1__list_reply__descriptor) {
        const Akssl__V1__ListReply *list = (const Akssl__V1__ListReply *)message;

        for (size_t i = 0; i < list->n_jobs; i++)
            sim_oracle_told(list->jobs[i]->id, list->jobs[i]->state, list->jobs[i]->reason,
                            p->asked_at);
    }
}

// What a refusal means is known only when the wish cannot be: a disk that failed may have it.
static bool is_refusal(akssl_status rc)
{
    return rc == AKSSL_ERR_STATE || rc == AKSSL_ERR_NOT_FOUND || rc == AKSSL_ERR_INVALID;
}

// A job of which no commit is whole is resumed from its start: what it had is given up.
static void give_up_commits(sim_account *account)
{
    account->committed = -1;
    account->acked_steps = 0;
    account->begun_again = true;
}

// A wish of before is heard now: whether it or a later one holds is not known.
static void on_late(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    const Akssl__V1__ResumeRequest *request = (const Akssl__V1__ResumeRequest *)message;
    sim_account *account;

    (void)ctx;
    if (call->rpc == AK_RPC_submit)
        sim_oracle_refused(
            sim_format("%s", ((const Akssl__V1__SubmitRequest *)message)->spec->name), true);
    if (call->rpc == AK_RPC_submit || call->rpc == AK_RPC_list)
        return;
    account = sim_oracle_of(request->id); // the first field of all the others
    account->late_at = sim_here->now;
    if (call->rpc == AK_RPC_pause || call->rpc == AK_RPC_resume)
        account->wish = SIM_WISH_OPEN;
    else if (call->rpc == AK_RPC_hold || call->rpc == AK_RPC_release)
        account->hold = SIM_WISH_OPEN;
    else if (call->rpc == AK_RPC_resize)
        account->ranks = -2;
    if (call->rpc == AK_RPC_resume && request->from_start)
        give_up_commits(account);
}

static void note_wish(const person *p, sim_account *account, akssl_status rc)
{
    bool open = account->late_at >= p->asked_at; // one of before has come between

    if (p->rpc == AK_RPC_pause || p->rpc == AK_RPC_resume) {
        if (open)
            account->wish = SIM_WISH_OPEN;
        else if (rc == AKSSL_OK)
            account->wish = p->rpc == AK_RPC_pause ? SIM_WISH_PAUSE : SIM_WISH_RUN;
        else if (is_refusal(rc))
            account->wish = p->before;
        account->wish_at = sim_here->now;
    } else if (p->rpc == AK_RPC_hold || p->rpc == AK_RPC_release) {
        if (open)
            account->hold = SIM_WISH_OPEN;
        else if (rc == AKSSL_OK)
            account->hold = p->rpc == AK_RPC_hold ? SIM_WISH_PAUSE : SIM_WISH_RUN;
        else if (is_refusal(rc))
            account->hold = p->hold;
    } else if (p->rpc == AK_RPC_resize) {
        if (!open && rc == AKSSL_OK)
            account->ranks = p->ranks;
        else
            account->ranks = !open && is_refusal(rc) ? p->ranks_before : -2;
    } else if (p->rpc == AK_RPC_cancel && rc == AKSSL_OK && !account->cancelled) {
        account->cancelled = true;
        account->cancelled_at = sim_here->now;
    }
}

static void on_ended(void *ctx, ak_call *call, akssl_status rc, const char *sentence)
{
    person *p = ctx;
    sim_account *account = p->job ? sim_oracle_of(p->job) : NULL;

    (void)call;
    if (account)
        note_wish(p, account, rc);
    if (p->rpc == AK_RPC_submit && (rc == AKSSL_ERR_IO || rc == AKSSL_ERR_NO_SPACE))
        sim_oracle_refused(p->name, false);
    if (account && account->acked && rc == AKSSL_ERR_NOT_FOUND && p->rpc != AK_RPC_state)
        sim_broken("job %" PRId64 " was acknowledged and is not found: %s", p->job, sentence);
    p->job = 0;
    idle(p);
}

// ---- what is asked

static void call_job(person *p, ak_rpc_id rpc, int64_t job)
{
    Akssl__V1__ResumeRequest request =
        AKSSL__V1__RESUME_REQUEST__INIT; // JobRequest is its beginning

    request.has_id = 1;
    request.id = job;
    request.has_from_start = rpc == AK_RPC_resume && sim_oracle_of(job)->told_lost;
    request.from_start = request.has_from_start;
    if (request.from_start)
        give_up_commits(sim_oracle_of(job));
    p->rpc = rpc;
    p->job = job;
    p->asked_at = sim_here->now;
    p->before = sim_oracle_of(job)->wish;
    p->hold = sim_oracle_of(job)->hold;
    sim_oracle_of(job)->resumed |= rpc == AK_RPC_resume;
    if (rpc == AK_RPC_pause || rpc == AK_RPC_resume)
        sim_oracle_of(job)->wish = SIM_WISH_OPEN;
    if (rpc == AK_RPC_hold || rpc == AK_RPC_release)
        sim_oracle_of(job)->hold = SIM_WISH_OPEN;
    sim_net_call(rpc, "", "", &request.base, CALL_MS,
                 &(sim_caller){ on_message, on_ended, p, NULL, on_late });
}

static void submit(person *p)
{
    static const char *const methods[] = { "simclr", "moco_v2", "dino", "swav" };
    Akssl__V1__SubmitRequest request = AKSSL__V1__SUBMIT_REQUEST__INIT;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;

    spec.name = (char *)(p->name = sim_format("%d-%d", p->number, p->names++));
    spec.method = (char *)methods[sim_range(0, 3)];
    spec.dataset = (char *)"fashion-mnist";
    spec.has_epochs = spec.has_commit_every = spec.has_shards = spec.has_ranks = 1;
    spec.has_keep = spec.has_max_restarts = spec.has_priority = spec.has_batch = 1;
    spec.batch = 64;
    spec.epochs = p->steps = sim_range(1, 25);
    spec.commit_every = sim_range(0, 6);
    spec.shards = 8;
    spec.ranks = p->ranks = sim_chance(30) ? 0 : INT64_C(1) << sim_range(0, 3);
    spec.keep = p->keep = sim_range(1, 3);
    spec.max_restarts = sim_chance(90) ? 1000 : 3;
    spec.priority = sim_range(-1, 1);
    if (sim_chance(20))
        spec.time = (char *)sim_format("0:%02d", (int)sim_range(3, 30));
    p->after = p->count && sim_chance(30) ? p->jobs[sim_range(0, p->count - 1)] : 0;
    p->after_any = sim_chance(70);
    if (p->after)
        spec.after = (char *)sim_format("%" PRId64 ":%s", p->after, p->after_any ? "any" : "ok");
    request.has_hold = 1;
    request.hold = p->held = sim_chance(10);
    request.spec = &spec;
    p->rpc = AK_RPC_submit;
    p->job = 0;
    p->asked_at = sim_here->now;
    sim_net_call(AK_RPC_submit, "", "", &request.base, CALL_MS,
                 &(sim_caller){ on_message, on_ended, p, NULL, on_late });
}

static void list(person *p)
{
    Akssl__V1__ListRequest request = AKSSL__V1__LIST_REQUEST__INIT;

    p->rpc = AK_RPC_list;
    p->job = 0;
    p->asked_at = sim_here->now;
    sim_net_call(AK_RPC_list, "", "", &request.base, CALL_MS,
                 &(sim_caller){ on_message, on_ended, p, NULL, on_late });
}

static void state(person *p, int64_t job)
{
    Akssl__V1__StateRequest request = AKSSL__V1__STATE_REQUEST__INIT;

    request.has_id = 1;
    request.id = p->job = job;
    p->rpc = AK_RPC_state;
    sim_net_call(AK_RPC_state, "", "", &request.base, CALL_MS,
                 &(sim_caller){ .ended = on_ended, .ctx = p });
}

static void on_event(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    const Akssl__V1__Event *event = (const Akssl__V1__Event *)message;
    person *p = ctx;

    (void)call;
    sim_oracle_told(event->job->id, event->job->state, event->job->reason, p->watched_at);
}

static void on_watch_ended(void *ctx, ak_call *call, akssl_status rc, const char *sentence)
{
    (void)call, (void)rc, (void)sentence;
    ((person *)ctx)->watch = NULL;
}

// A person watches one job, beside what it does.
static void watch(person *p, int64_t job)
{
    Akssl__V1__WatchRequest request = AKSSL__V1__WATCH_REQUEST__INIT;

    if (p->watch)
        sim_net_drop(p->watch);
    request.has_id = 1;
    request.id = p->watched = job;
    p->watched_at = sim_here->now;
    p->watch =
        sim_net_call(AK_RPC_watch, "", "", &request.base, 0,
                     &(sim_caller){ .message = on_event, .ended = on_watch_ended, .ctx = p });
    idle(p);
}

static void resize(person *p, int64_t job)
{
    Akssl__V1__ResizeRequest request = AKSSL__V1__RESIZE_REQUEST__INIT;

    request.has_id = request.has_ranks = 1;
    request.id = p->job = job;
    request.ranks = p->ranks = sim_chance(20) ? 0 : INT64_C(1) << sim_range(0, 3);
    p->rpc = AK_RPC_resize;
    p->asked_at = sim_here->now;
    p->ranks_before = sim_oracle_of(job)->ranks;
    sim_oracle_of(job)->ranks = -2;
    sim_net_call(AK_RPC_resize, "", "", &request.base, CALL_MS,
                 &(sim_caller){ on_message, on_ended, p, NULL, on_late });
}

static void edit(person *p, int64_t job)
{
    Akssl__V1__EditRequest request = AKSSL__V1__EDIT_REQUEST__INIT;
    Akssl__V1__JobSpec spec = AKSSL__V1__JOB_SPEC__INIT;

    spec.has_priority = 1;
    spec.priority = sim_range(-2, 2);
    spec.time = (char *)(sim_chance(50) ? "" : sim_format("0:%02d", (int)sim_range(5, 50)));
    request.has_id = 1;
    request.id = p->job = job;
    request.spec = &spec;
    p->rpc = AK_RPC_edit;
    p->asked_at = sim_here->now;
    sim_net_call(AK_RPC_edit, "", "", &request.base, CALL_MS,
                 &(sim_caller){ on_message, on_ended, p, NULL, on_late });
}

static void change(person *p, int64_t job)
{
    int64_t what = sim_range(0, 99);

    if (what < 30)
        call_job(p, AK_RPC_show, job);
    else if (what < 35)
        call_job(p, AK_RPC_hold, job);
    else if (what < 39)
        call_job(p, AK_RPC_requeue, job);
    else if (what < 43)
        edit(p, job);
    else if (what < 50)
        call_job(p, AK_RPC_release, job);
    else if (what < 58)
        call_job(p, AK_RPC_pause, job);
    else if (what < 68)
        call_job(p, AK_RPC_resume, job);
    else if (what < 72)
        call_job(p, AK_RPC_cancel, job);
    else if (what < 80)
        list(p);
    else if (what < 83)
        state(p, job);
    else if (what < 92)
        resize(p, job);
    else
        watch(p, job);
}

// settle looks after one job that has not ended; the first person does so for jobs that nobody
// knows to have submitted, too, and which a list shows.
static void settle(person *p)
{
    if (sim_chance(25)) {
        list(p);
        return;
    }
    for (const sim_account *a = sim_here->oracle->accounts; a; a = a->next) {
        bool mine = p->number == 0 && !a->acked;

        for (int i = 0; i < p->count && !mine; i++)
            mine = p->jobs[i] == a->id;
        if (mine && a->ended == AK_JOB_TIMEOUT && sim_chance(30)) { // others may wait for it
            call_job(p, AK_RPC_resume, a->id);
            return;
        }
        if (!mine || a->ended || sim_chance(40)) // it may wait for one that comes later here
            continue;
        if (a->told == AK_JOB_PAUSED && sim_chance(50))
            call_job(p, AK_RPC_resume, a->id);
        else if (a->hold != SIM_WISH_RUN && sim_chance(30))
            call_job(p, AK_RPC_release, a->id);
        else
            call_job(p, AK_RPC_show, a->id);
        return;
    }
    idle(p);
}

static void on_idle(void *ctx)
{
    person *p = ctx;
    bool calm = sim_here->now > sim_here->plan.faults_end;

    if (p->to_submit && p->count < MAX_JOBS && (calm || !p->count || sim_chance(40)))
        submit(p);
    else if (!calm && p->count)
        change(p, p->jobs[sim_range(0, p->count - 1)]);
    else
        settle(p);
}

void sim_people_begin(void)
{
    struct sim_people *people = sim_alloc(sizeof *people);

    sim_here->people = people;
    people->count = sim_here->plan.people;
    for (int i = 0; i < sim_here->plan.jobs; i++)
        people->at[i % people->count].to_submit++;
    for (int i = 0; i < people->count; i++) {
        people->at[i].number = i;
        idle(&people->at[i]);
    }
}

bool sim_people_content(void)
{
    const struct sim_people *people = sim_here->people;

    for (int i = 0; i < people->count; i++)
        if (people->at[i].to_submit)
            return false;
    for (const sim_account *a = sim_here->oracle->accounts; a; a = a->next)
        if (!a->ended)
            return false;
    return !sim_here->d || !sim_here->d->jobs.count;
}
