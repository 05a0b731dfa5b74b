// tests/sim/life.c -- akssld's lives: started, killed, started again, until the story is told.

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/daemon.h"
#include "proto/base/error.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/files.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/people.h"
#include "tests/sim/procs.h"

enum { POLL_MS = 1000, PAUSE_MS = 3000 };

static void make_host(void)
{
    static const char *const folders[] = { "/state", "/bin" };
    static const char *const programs[] = { "/bin/akssld", "/bin/akssl-worker", "/bin/mpirun" };
    sim_node *node;
    int error = 0;

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        error |= sim_disk_make(folders[i], true, &node);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        error |= sim_disk_put(programs[i], "program", 7);
    if (error)
        sim_broken("the simulated host cannot be made");
    sim_disk_sync(sim_here->disk->root);
}

static void on_last(void *ctx)
{
    (void)ctx;
    if (!sim_here->dead && sim_here->d)
        sim_uv_signal(SIGTERM);
}

// The story is told when people have what they wanted: akssld is asked to stop, for good.
static void on_poll(void *ctx)
{
    (void)ctx;
    if (sim_here->now > sim_here->plan.faults_end && sim_people_content()) {
        sim_here->over = true;
        if (sim_here->up)
            sim_after(SIM_DAEMON, 0, "last sigterm", on_last, NULL, NULL);
        return;
    }
    sim_after(SIM_WORLD, POLL_MS * SIM_MS, "poll", on_poll, NULL, NULL);
}

static akssl_status run(ak_config *config)
{
    const sim_plan *plan = &sim_here->plan;
    char *argv[] = {
        (char *)"akssld",
        (char *)"--state-dir=/state",
        (char *)"--worker=/bin/akssl-worker",
        sim_format("--adopt-timeout=%lld", (long long)plan->adopt_s),
        sim_format("--orphan-timeout=%lld", (long long)plan->orphan_s),
        sim_format("--on-term=%s", plan->on_term_stop ? "stop" : "leave"),
    };
    const ak_log log = { "akssld", sim_here->trace ? AK_LOG_DEBUG : AK_LOG_ERROR };
    akssl_status rc = ak_config_parse(config, sizeof argv / sizeof *argv, argv);

    if (rc < 0)
        sim_broken("akssld's flags: %s", ak_error_text());
    rc = ak_config_settle(config);
    return rc < 0 ? rc : ak_daemon_run(config, &log);
}

static void after_life(bool died)
{
    bool power = died && sim_faults_power();

    if (sim_files_left())
        sim_broken("akssld left %d files open", sim_files_left());
    if (sqlite3_memory_used())
        sim_broken("akssld left %lld bytes with SQLite", (long long)sqlite3_memory_used());
    if (power) {
        sim_trace("the power is lost");
        sim_oracle_power();
        sim_procs_power();
    } else {
        sim_procs_orphan();
    }
    sim_net_cut_all();
    if (power)
        sim_disk_lose();
    sim_oracle_disk();
    sim_faults_rot();
}

static void live(void)
{
    sim *s = sim_here;
    ak_config config;
    akssl_status rc;
    bool died;

    s->lives++;
    s->up = s->in_daemon = true;
    s->disk->crash_op = 0;
    if (!s->slots || sim_chance(s->plan.slots_change))
        s->slots = (int)sim_range(1, 8);
    s->procs->daemon_pid = sim_procs_number();
    sim_trace("akssld starts, life %d", s->lives);
    if (sim_chance(10) && s->now < s->plan.faults_end && s->plan.crash_every) { // dies at birth
        s->disk->crash_op = s->disk->ops + sim_range(1, 60);
        s->disk->crash_after = sim_chance(50);
    }
    rc = run(&config);
    ak_config_fini(&config);
    died = s->dead;
    s->up = s->in_daemon = s->dead = false;
    s->net->server = NULL;
    s->procs->daemon_pid = 0;
    sim_trace("akssld is gone: %s", died ? "dead" : rc < 0 ? ak_error_text() : "stopped");
    after_life(died);
}

void sim_life(void)
{
    sim *s = sim_here;

    sim_disk_begin();
    sim_files_begin();
    sim_net_begin();
    sim_procs_begin();
    sim_oracle_begin();
    sim_plan_draw(&s->plan);
    make_host();
    sim_people_begin();
    sim_faults_begin();
    sim_after(SIM_WORLD, 0, "poll", on_poll, NULL, NULL);
    while (!s->over) {
        int64_t until;

        live();
        until = s->now + sim_range(0, PAUSE_MS * SIM_MS);
        while (!s->over && sim_step(1u << SIM_WORLD, until))
            continue;
        if (s->now < until)
            s->now = until;
        if (s->now > s->plan.limit)
            sim_oracle_late();
    }
    sim_oracle_end();
    sim_net_end();
    sim_disk_end();
}
