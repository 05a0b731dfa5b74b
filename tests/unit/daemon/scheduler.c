// tests/unit/daemon/scheduler.c -- tests daemon/scheduler.c: tables, then properties of many
// worlds.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/scheduler.h"
#include "tests/check.h"

#define NEVER AK_SCHEDULE_NEVER

enum { MOST = 64, USERS = 3, IDS = 131072 };

typedef struct world {
    ak_pending pending[MOST];
    ak_running running[MOST];
    double usage[USERS];
    size_t owner[IDS]; // of runs
    ak_schedule s;
} world;

static world *world_new(int64_t slots)
{
    world *w = calloc(1, sizeof *w);

    w->s = (ak_schedule){ .slots = slots,
                          .pending = w->pending,
                          .running = w->running,
                          .usage = w->usage,
                          .users = USERS,
                          .run_ms = AK_SCHEDULE_RUN_MS,
                          .preempt = true,
                          .backfill = true };
    return w;
}

static ak_pending *add(world *w, int64_t id, int64_t priority, int64_t cores, int64_t left_ms,
                       size_t user)
{
    ak_pending *job = &w->pending[w->s.pending_count++];

    *job = (ak_pending){
        .id = id, .priority = priority, .cores = cores, .left_ms = left_ms, .user = user
    };
    return job;
}

static ak_running *add_run(world *w, int64_t id, int64_t priority, int64_t cores, int64_t left_ms)
{
    ak_running *run = &w->running[w->s.running_count++];

    *run = (ak_running){ .id = id, .priority = priority, .cores = cores, .left_ms = left_ms };
    return run;
}

// answer gives what was decided, pending first: "1S 2R 3P2 | 9>1".
static const char *answer(world *w)
{
    static const char letters[] = "-SRPDHL";
    static char text[1024];
    int n = 0;

    ak_schedule_run(&w->s);
    for (size_t i = 0; i < w->s.pending_count; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, w->pending[i].of ? "%s%d%c%d" : "%s%d%c",
                      i ? " " : "", (int)w->pending[i].id, letters[w->pending[i].wait],
                      (int)w->pending[i].of);
    for (size_t i = 0; i < w->s.running_count; i++)
        if (w->running[i].preempts)
            n += snprintf(text + n, sizeof text - (size_t)n, " %d>%d", (int)w->running[i].id,
                          (int)w->running[i].preempts);
    return text;
}

#define ANSWER(w, expected)                                                                        \
    do {                                                                                           \
        ck_assert_str_eq(answer(w), expected);                                                     \
        free(w);                                                                                   \
    } while (0)

START_TEST(priority_then_first_in)
{
    world *w = world_new(1);

    add(w, 2, -1, 1, NEVER, 0);
    add(w, 5, 0, 1, NEVER, 0);
    add(w, 1, 0, 1, NEVER, 0);
    add(w, 6, 9, 1, NEVER, 0);
    ANSWER(w, "2P2 5P1 1R 6S");
}
END_TEST

START_TEST(who_has_used_less_goes_first)
{
    world *w = world_new(2);

    w->usage[0] = 1000;
    add(w, 1, 0, 1, NEVER, 0);
    add(w, 2, 0, 1, NEVER, 0);
    add(w, 3, 0, 1, NEVER, 1);
    add(w, 4, 0, 1, NEVER, 1);
    add(w, 5, 1, 1, NEVER, 0); // priority is above all shares
    ANSWER(w, "1P1 2P2 3S 4R 5S");
}
END_TEST

START_TEST(equals_take_turns)
{
    world *w = world_new(4);

    for (int i = 1; i <= 4; i++)
        add(w, i, 0, 1, NEVER, 0);
    add(w, 5, 0, 1, NEVER, 1);
    add(w, 6, 0, 1, NEVER, 1);
    ANSWER(w, "1S 2S 3R 4P1 5S 6S");
}
END_TEST

// Cores that become free one after the other do not all go to one of those who wait.
START_TEST(who_has_just_got_cores_has_had_its_turn)
{
    world *w = world_new(4);

    w->s.run_ms = 3600000;
    w->usage[0] = 7200; // 2's jobs have just begun: nothing is charged to it yet
    add_run(w, 90, 0, 1, NEVER)->user = 2;
    add_run(w, 91, 0, 1, NEVER)->user = 2;
    add_run(w, 92, 0, 1, NEVER)->user = 0;
    add(w, 1, 0, 1, NEVER, 2);
    add(w, 2, 0, 1, NEVER, 1);
    add(w, 3, 0, 1, NEVER, 0);
    ANSWER(w, "1R 2S 3P1");

    w = world_new(4);
    add_run(w, 90, 0, 3, 1)->user = 1; // as good as over: it takes nothing more
    w->usage[0] = 1;
    add(w, 1, 0, 1, NEVER, 0);
    add(w, 2, 0, 1, NEVER, 1);
    ANSWER(w, "1R 2S");
}
END_TEST

START_TEST(what_is_over_in_time_is_filled_in)
{
    world *w = world_new(4);

    add_run(w, 90, 0, 2, 1000);
    add(w, 1, 0, 4, NEVER, 0); // waits for 90
    add(w, 2, 0, 1, 1001, 0);  // would be in the way
    add(w, 3, 0, 1, 1000, 0);  // is over by then
    add(w, 4, 0, 2, 10, 0);    // has no room
    add(w, 5, 0, 1, NEVER, 0); // may never be over
    ANSWER(w, "1R2 2P1 3S 4P2 5P3");
}
END_TEST

START_TEST(what_leaves_the_head_its_cores_is_filled_in)
{
    world *w = world_new(8);

    add_run(w, 90, 0, 4, 1000);
    add_run(w, 91, 0, 2, NEVER);
    add(w, 1, 0, 5, NEVER, 0); // in 1000: 6 will be free, one of them for others
    add(w, 2, 0, 1, NEVER, 0);
    add(w, 3, 0, 1, NEVER, 0);
    ANSWER(w, "1R2 2S 3P1");
}
END_TEST

START_TEST(a_run_without_end_is_not_planned_with)
{
    world *w = world_new(4);

    add_run(w, 90, 0, 2, NEVER);
    add(w, 1, 0, 4, NEVER, 0);
    add(w, 2, 0, 1, 5000, 0);
    add(w, 3, 0, 1, NEVER, 0);
    ANSWER(w, "1R2 2S 3P1");
}
END_TEST

START_TEST(lower_priorities_make_way)
{
    world *w = world_new(4);

    add_run(w, 90, 0, 1, NEVER);
    add_run(w, 91, -1, 1, NEVER);
    add_run(w, 92, 0, 1, NEVER);
    add_run(w, 93, 5, 1, NEVER);
    add(w, 1, 5, 2, NEVER, 0); // the lowest, and of the others the youngest
    add(w, 2, 5, 1, NEVER, 0);
    ANSWER(w, "1R 2P1 91>1 92>1");
}
END_TEST

START_TEST(no_more_than_is_needed_makes_way)
{
    world *w = world_new(4);

    add_run(w, 90, 1, 3, NEVER);
    add_run(w, 91, 0, 1, NEVER);
    add(w, 1, 5, 3, NEVER, 0); // 91 would have been first, but 90 alone will do
    ANSWER(w, "1R 90>1");

    w = world_new(4);
    add_run(w, 90, 0, 2, NEVER)->stopping = true;
    add_run(w, 91, 0, 2, NEVER);
    add(w, 1, 5, 2, NEVER, 0); // 90's are on their way
    ANSWER(w, "1R");

    w = world_new(4);
    add_run(w, 90, 0, 2, NEVER);
    add_run(w, 91, 5, 2, NEVER);
    add(w, 1, 5, 4, NEVER, 0); // in vain
    ANSWER(w, "1R");

    w = world_new(4);
    add_run(w, 90, 0, 4, NEVER)->stays = true;
    add(w, 1, 5, 4, NEVER, 0);
    ANSWER(w, "1R");

    w = world_new(4);
    w->s.preempt = false;
    add_run(w, 90, 0, 4, NEVER);
    add(w, 1, 5, 4, NEVER, 0);
    ANSWER(w, "1R");
}
END_TEST

// Two hosts, of half the cores each: runs of even ids are on one; whoever waits needs one host.
static bool on_one_host(void *ctx, int64_t id, const int64_t *gone, size_t count)
{
    const world *w = ctx;
    int64_t room[2] = { w->s.slots / 2, w->s.slots / 2 }, cores = 0;

    for (size_t i = 0; i < w->s.pending_count; i++)
        cores = w->pending[i].id == id ? w->pending[i].cores : cores;
    for (size_t i = 0; i < w->s.running_count; i++) {
        bool there = true;

        for (size_t k = 0; k < count; k++)
            there &= gone[k] != w->running[i].id;
        room[w->running[i].id % 2] -= there ? w->running[i].cores : 0;
    }
    return room[0] >= cores || room[1] >= cores;
}

static world *hosts_new(int64_t slots)
{
    world *w = world_new(slots);

    w->s.has_place = on_one_host;
    w->s.ctx = w;
    return w;
}

START_TEST(cores_of_several_hosts)
{
    world *w = hosts_new(16);

    add_run(w, 90, 20, 4, NEVER);
    add_run(w, 91, 20, 4, NEVER);
    add_run(w, 92, 0, 4, NEVER);
    add_run(w, 93, 0, 4, NEVER);
    add(w, 1, 10, 8, NEVER, 0); // 92 and 93 would make way in vain
    ANSWER(w, "1R");

    w = hosts_new(16);
    add_run(w, 90, 0, 4, NEVER);
    add_run(w, 91, 20, 4, NEVER);
    add_run(w, 92, 0, 4, NEVER);
    add_run(w, 93, 0, 4, NEVER);
    add(w, 1, 10, 8, NEVER, 0); // the youngest two are not on one host
    ANSWER(w, "1R 90>1 92>1");

    w = hosts_new(16);
    add_run(w, 90, 0, 4, 1000);
    add_run(w, 91, 0, 4, 9000);
    add(w, 1, 0, 8, NEVER, 0); // 8 are free, on no host; in 1000 they are
    add(w, 2, 0, 4, 900, 0);
    add(w, 3, 0, 4, NEVER, 0); // may get what 90 leaves, and hold 1 up
    ANSWER(w, "1R8 2S 3P1");

    w = hosts_new(16);
    add_run(w, 90, 0, 4, NEVER)->stopping = true;
    add_run(w, 91, 0, 4, NEVER);
    add(w, 1, 5, 8, NEVER, 0); // 90's are on their way
    ANSWER(w, "1R8");
}
END_TEST

START_TEST(who_cannot_start_is_passed_by)
{
    world *w = world_new(1);

    add(w, 1, 9, 1, NEVER, 0)->wait = AK_WAIT_HELD;
    add(w, 2, 9, 1, NEVER, 0)->wait = AK_WAIT_DEPENDENCY;
    add(w, 3, 9, 1, NEVER, 0)->wait = AK_WAIT_LATER;
    add(w, 4, 0, 1, NEVER, 0);
    ANSWER(w, "1H 2D 3L 4S");
}
END_TEST

START_TEST(forecasts)
{
    world *w = world_new(4);

    add_run(w, 90, 0, 4, 1000);
    add(w, 1, 0, 4, 500, 0);
    add(w, 2, 0, 2, 700, 0);
    add(w, 3, 0, 2, NEVER, 0);
    add(w, 4, 0, 2, NEVER, 0);
    ck_assert_int_eq(ak_schedule_start_of(&w->s, 1), 1000);
    ck_assert_int_eq(ak_schedule_start_of(&w->s, 2), 1500);
    ck_assert_int_eq(ak_schedule_start_of(&w->s, 3), 1500);
    ck_assert_int_eq(ak_schedule_start_of(&w->s, 4), 2200);
    ck_assert_int_eq(w->s.pending_count, 4);
    add(w, 5, 0, 4, NEVER, 0); // never, behind 3
    ck_assert(ak_schedule_start_of(&w->s, 5) == NEVER);
    free(w);
}
END_TEST

// ---- worlds in which time goes by

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

static int64_t used(const world *w)
{
    int64_t cores = 0;

    for (size_t i = 0; i < w->s.running_count; i++)
        cores += w->running[i].cores;
    return cores;
}

// start makes runs of what starts; a run's hidden end is never after its limit.
static void start(world *w, int64_t *ends, int64_t now, uint64_t *chance)
{
    size_t left = 0;

    for (size_t i = 0; i < w->s.pending_count; i++) {
        ak_pending job = w->pending[i];

        if (job.wait == AK_WAIT_START) {
            int64_t most = job.left_ms < NEVER ? job.left_ms : 200;

            w->owner[job.id] = job.user;
            ends[job.id] = now + 1 + (int64_t)(next_random(chance) % (uint64_t)most);
            add_run(w, job.id, job.priority, job.cores, job.left_ms)->user = job.user;
            continue;
        }
        job.wait = AK_WAIT_NONE;
        w->pending[left++] = job;
    }
    w->s.pending_count = left;
}

static void pass(world *w, const int64_t *ends, int64_t now)
{
    size_t left = 0;

    for (size_t i = 0; i < w->s.running_count; i++) {
        ak_running run = w->running[i];

        if (run.preempts || ends[run.id] <= now)
            continue;
        if (run.left_ms < NEVER)
            run.left_ms--;
        w->running[left++] = run;
    }
    w->s.running_count = left;
}

// Nobody gets more cores than there are, who must wait says why, and a big job gets its turn though
// small ones keep coming: when its owner's 11 before it have had theirs, of 200 each, and the two
// others have caught up with them, all cores being used.
enum { LATEST = 50 + (11 * 200 + 300) * 3 };

START_TEST(no_over_commit_and_no_starvation)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        world *w = world_new(1 + (int64_t)(seed % 8));
        int64_t ends[IDS], big = 0, big_at = -1, now = 0, id = 1;
        uint64_t chance = seed * 0x9e3779b97f4a7c15u;

        w->s.preempt = false;
        for (; now < LATEST && big_at < 0; now++) {
            while (w->s.pending_count < 12)
                add(w, id++, 0, 1 + (int64_t)(next_random(&chance) % (uint64_t)w->s.slots),
                    next_random(&chance) % 3 ? 1 + (int64_t)(next_random(&chance) % 100) : NEVER,
                    next_random(&chance) % USERS);
            if (now == 50) {
                big = id++;
                add(w, big, 0, w->s.slots, NEVER, 0);
            }
            ak_schedule_run(&w->s);
            for (size_t i = 0; i < w->s.pending_count; i++) {
                ck_assert(w->pending[i].wait != AK_WAIT_NONE);
                if (w->pending[i].id == big && w->pending[i].wait == AK_WAIT_START)
                    big_at = now;
            }
            start(w, ends, now, &chance);
            ck_assert_msg(used(w) <= w->s.slots, "seed %d", (int)seed);
            for (size_t i = 0; i < w->s.running_count; i++)
                w->usage[w->owner[w->running[i].id]] += (double)w->running[i].cores;
            pass(w, ends, now);
        }
        ck_assert_msg(big_at >= 0, "seed %d: job %d has not started", (int)seed, (int)big);
        free(w);
    }
}
END_TEST

// The answer is a function of the set of jobs: not of the order in which they are given.
START_TEST(the_order_of_the_question_does_not_matter)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        world *w = world_new(8), *v = world_new(8);
        uint64_t chance = seed * 0x9e3779b97f4a7c15u;

        for (int i = 1; i <= 20; i++)
            add(w, i, (int64_t)(next_random(&chance) % 3), 1 + (int64_t)(next_random(&chance) % 4),
                next_random(&chance) % 2 ? 100 : NEVER, next_random(&chance) % USERS);
        add_run(w, 90, 0, 3, 50);
        add_run(w, 91, 0, 3, NEVER);
        memcpy(v->running, w->running, sizeof v->running);
        v->s.running_count = 2;
        for (int i = 19; i >= 0; i--)
            v->pending[v->s.pending_count++] = w->pending[i];
        ak_schedule_run(&w->s);
        ak_schedule_run(&v->s);
        for (int i = 0; i < 20; i++)
            ck_assert(w->pending[i].wait == v->pending[19 - i].wait &&
                      w->pending[i].of == v->pending[19 - i].of);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(w->running[i].preempts, v->running[i].preempts);
        free(w);
        free(v);
    }
}
END_TEST

// Jobs of an hour each that began together end one shortly after the other, and so do those that
// take their place: whatever the hour, nobody has had two cores for it more than the others.
START_TEST(shares_are_fair_within_the_time_of_a_job)
{
    enum { SLOTS = 8, HOUR = 3600, ROUNDS = 6 };
    int had[USERS] = { 0 };
    int64_t id = 1;
    world *w = world_new(SLOTS);

    w->s.run_ms = HOUR * 1000;
    for (int begun = 0; begun < SLOTS * ROUNDS; begun++) {
        if (begun >= SLOTS) { // the oldest ends
            w->s.running_count--;
            memmove(w->running, w->running + 1, w->s.running_count * sizeof *w->running);
        }
        w->s.pending_count = 0;
        for (size_t u = 0; u < USERS; u++)
            add(w, id++, 0, 1, NEVER, u);
        w->s.slots = (int64_t)w->s.running_count + 1;
        ak_schedule_run(&w->s);
        for (size_t u = 0; u < USERS; u++) {
            if (w->pending[u].wait != AK_WAIT_START)
                continue;
            add_run(w, w->pending[u].id, 0, 1, NEVER)->user = u;
            had[u]++;
        }
        for (size_t u = 0; u < USERS; u++) {
            ck_assert_msg(had[u] * USERS <= begun + 1 + USERS, "after %d: %d %d %d", begun + 1,
                          had[0], had[1], had[2]);
            if ((begun + 1) % SLOTS == 0) // charged as the hour goes by
                w->usage[u] = had[u] * (double)HOUR;
        }
    }
    free(w);
}
END_TEST

// Three people with work without end have a third of the cores each.
START_TEST(shares_are_fair)
{
    double had[USERS] = { 0 };
    int64_t ends[IDS], id = 1;
    uint64_t chance = 12345;
    world *w = world_new(8);

    for (int64_t now = 0; now < 4000; now++) {
        size_t waiting[USERS] = { 0 };

        for (size_t i = 0; i < w->s.pending_count; i++)
            waiting[w->pending[i].user]++;
        for (size_t u = 0; u < USERS; u++) // one has many small jobs, one has few big ones
            for (; waiting[u] < 4 * (u + 1); waiting[u]++)
                add(w, id++, 0, u == 2 ? 1 : u == 1 ? 2 : 4, 40, u);
        ak_schedule_run(&w->s);
        start(w, ends, now, &chance);
        for (size_t i = 0; i < w->s.running_count; i++) {
            w->usage[w->owner[w->running[i].id]] += (double)w->running[i].cores;
            had[w->owner[w->running[i].id]] += (double)w->running[i].cores;
        }
        pass(w, ends, now);
    }
    for (size_t u = 0; u < USERS; u++)
        ck_assert_msg(had[u] * 3 > 0.9 * (had[0] + had[1] + had[2]), "%g %g %g", had[0], had[1],
                      had[2]);
    free(w);
}
END_TEST

AK_TEST_MAIN(AK_CASE(priority_then_first_in), AK_CASE(who_has_used_less_goes_first),
             AK_CASE(equals_take_turns), AK_CASE(who_has_just_got_cores_has_had_its_turn),
             AK_CASE(what_is_over_in_time_is_filled_in),
             AK_CASE(what_leaves_the_head_its_cores_is_filled_in),
             AK_CASE(a_run_without_end_is_not_planned_with), AK_CASE(lower_priorities_make_way),
             AK_CASE(no_more_than_is_needed_makes_way), AK_CASE(cores_of_several_hosts),
             AK_CASE(who_cannot_start_is_passed_by), AK_CASE(forecasts),
             AK_CASE(no_over_commit_and_no_starvation),
             AK_CASE(the_order_of_the_question_does_not_matter),
             AK_CASE(shares_are_fair_within_the_time_of_a_job), AK_CASE(shares_are_fair))
