// tests/sim/world.h -- the simulated world of one seed: its time, its chance, its events.
//
// One thread, no real time.  An event is a function to call at a moment; events of one moment run
// in the order they were asked for, and every draw comes from one generator, so a seed is one
// schedule.  Events are of two lanes: what happens in the coordinator's process, and the rest of
// the world; a dead coordinator's lane is emptied without the world noticing.

#ifndef AK_SIM_WORLD_H
#define AK_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_MS INT64_C(1000000)
#define SIM_S (1000 * SIM_MS)

typedef enum sim_lane { SIM_WORLD, SIM_DAEMON, SIM_LANES } sim_lane;

typedef void (*sim_action)(void *ctx);

typedef struct sim_event {
    int64_t at;
    uint64_t order;
    sim_action run; // NULL: cancelled
    void *ctx;
    const char *name;
    struct sim_event **holder; // cleared when the event runs
} sim_event;

typedef struct sim_heap {
    sim_event **at;
    size_t count, room;
} sim_heap;

// What a seed draws before it starts (plan.c).
typedef struct sim_plan {
    int jobs, people;
    int64_t faults_end;               // ns; after it nothing is broken any more
    int64_t limit;                    // ns; every job must have ended
    int64_t crash_every;              // mean time between crashes of the coordinator; 0: none
    int64_t crash_ops;                // of them, per cent that strike in a system call
    int64_t power;                    // of them, per cent that are a loss of power
    int64_t stop;                     // of them, per cent that are SIGTERM
    int64_t cut_every;                // mean time between lost connections; 0: none
    int64_t late;                     // per cent of cut calls of which some still arrives
    int64_t twice;                    // per cent of unary calls that arrive again, later
    int64_t kill_every;               // between kills of a process of a run; 0: none
    int64_t freeze_every;             // between times that a rank 0 stands still; 0: none
    int64_t full_every;               // between times with a full disk; 0: none
    int64_t bad_every;                // between times with a failing disk; 0: none
    int64_t fix_every;                // between times with a read-only disk; 0: none
    int64_t jump_every;               // between jumps of the wall clock; 0: none
    int64_t rogue_every;              // between calls of somebody without the secret; 0: none
    int64_t stranger_every;           // between processes that are not akssld's
    int pids;                         // numbers that processes have in turn
    int64_t net_ms, work_ms, step_ms; // longest delay of a message, a work, a step
    int64_t sync_us;                  // longest time that a flush of the disk takes
    int64_t person_ms;                // mean time between what a person does
    int64_t adopt_s, orphan_s;        // akssld's --adopt-timeout and --orphan-timeout
    int64_t rot;                      // per cent of lives after which a commit is damaged
    int64_t slots_change;             // per cent of lives that have other cores
    bool on_term_stop;                // akssld's --on-term
    bool journal;                     // the disk orders its metadata, as ext4 and xfs do
    bool loose;                       // what is not flushed is lost, else: some of it
} sim_plan;

// What can be broken on purpose, to show that it is found (plan.c has the names).
typedef enum sim_plant {
    SIM_PLANT_NONE,
    SIM_PLANT_ACK_COMMIT, // Commit is answered when it arrives
    SIM_PLANT_ACK_SUBMIT, // the database's flushes do nothing, once a submission was acknowledged
    SIM_PLANT_ADOPT_MARK, // whoever knows a run's id has its secret
    SIM_PLANT_ADOPT_PID,  // a process is what the one was that had its number before
    SIM_PLANT_END
} sim_plant;

// What a batch tells of its stories: which begins, and what is broken in it.
typedef struct sim_report {
    uint64_t seed;
    char broken[400]; // ""
} sim_report;

typedef struct sim {
    uint64_t seed;
    uint64_t chance[4];
    int64_t now;     // monotonic, ns
    int64_t wall_ms; // of the wall clock, at now = 0
    uint64_t order;  // of the next event
    uint64_t hash;   // of all that happened
    uint64_t events;
    sim_heap lanes[SIM_LANES];
    void **memory; // freed at the seed's end
    size_t memory_count, memory_room;
    bool trace;

    sim_plan plan;
    sim_plant plant;
    int report;          // descriptor for a sim_report of what is broken; 0: none
    bool in_daemon;      // its code runs now
    bool up;             // it is in ak_daemon_run
    bool dead;           // nothing that it does has an effect any more
    bool over;           // the seed's story is told
    int lives;           // of the coordinator, so far
    int slots;           // of this life
    struct ak_daemon *d; // in its loop; NULL else

    struct sim_disk *disk;
    struct sim_files *files;
    struct sim_net *net;
    struct sim_procs *procs;
    struct sim_people *people;
    struct sim_oracle *oracle;
} sim;

// The world that the replaced functions (libc, libuv, the RPC server) act in; NULL outside.
extern sim *sim_here;

// sim_begin and sim_end make and free the world of a seed.
void sim_begin(sim *s, uint64_t seed);
void sim_end(sim *s);

// sim_alloc gives zeroed memory that lives as long as the seed.
void *sim_alloc(size_t size);
char *sim_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// sim_after asks for an event; *holder, if any, points to it until it runs.
void sim_after(sim_lane lane, int64_t delay_ns, const char *name, sim_action run, void *ctx,
               sim_event **holder);
void sim_cancel(sim_event **holder);

// sim_step runs the next event of the lanes (a set of bits); false: there is none before limit.
bool sim_step(unsigned lanes, int64_t limit);

// sim_pass lets time go by for the coordinator alone: what was to happen meanwhile comes late.
void sim_pass(int64_t ns);

// ---- chance

uint64_t sim_draw(void);
int64_t sim_range(int64_t low, int64_t high); // both ends included
bool sim_chance(int64_t per_cent);
int64_t sim_rare(int64_t mean_ns); // a time until something that has that mean

// sim_hash is a number made of others, for contents that are a function of what they belong to.
uint64_t sim_hash(uint64_t a, uint64_t b);

// ---- telling

#define sim_trace(...)                                                                             \
    do {                                                                                           \
        if (sim_here->trace)                                                                       \
            sim_say(__VA_ARGS__);                                                                  \
    } while (0)

void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// sim_broken ends the seed: an invariant does not hold.
_Noreturn void sim_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum { SIM_EXIT_BROKEN = 9 };

#endif
