/*
 * Inside the executor: one run in progress. controller.c forces the schedule and fills in the
 * trace, settle.c decides when a step is over.
 */
#ifndef EPDIFF_EXECUTE_RUN_H
#define EPDIFF_EXECUTE_RUN_H

#include "fuzz/execute/executor.h"

enum actor_phase {
    PHASE_UNBORN,
    PHASE_IDLE, /* waits for an order */
    PHASE_BUSY, /* has an order that it has not carried out: runs, or is blocked in it */
    PHASE_ENDED,
};

struct run_actor {
    uint8_t phase; /* enum actor_phase */
    uint8_t table; /* actors of one process with the same number share their descriptors */
    bool mortal;   /* it has been cancelled, or is about to be: it can end in any step */
    pid_t tid;     /* as it was when its last order began: execve gives a thread another */
    uint32_t order;
    unsigned step; /* last step of its order */
    struct task_watch watch;
};

/* One look at every task of the run. Two equal ones in a row mean that nothing moves. */
struct run_pass {
    bool running; /* some task is runnable */
    int ended;    /* an actor that ended though nobody asked it to, or -1 */
    uint32_t done[PROGRAM_ACTORS_MAX];
    struct task_sample samples[PROGRAM_ACTORS_MAX];
    struct task_sample
        helpers[PROGRAM_ACTORS_MAX]; /* by process: tasks that are no actors, added up */
};

struct run {
    struct executor *executor;
    struct wire *wire;
    const struct program *program;
    struct trace *trace;
    unsigned flags; /* enum execute_flags */
    uint32_t request;
    struct run_actor actors[PROGRAM_ACTORS_MAX];
    bool process_ended[PROGRAM_ACTORS_MAX];
    unsigned turn; /* the actor whose order is being carried out */
    unsigned now;  /* the last step of that order */
    int execing;   /* the process that is in execve, whose other threads end, or -1 */
    unsigned ntables;
    unsigned ncarried; /* how many of the wire's calls are in the trace */
    int error;         /* the harness could not look: what the trace says is not to be trusted */
    struct list_watches lists;
    /* The watchdog of the step in progress. */
    bool stall_armed;
    uint64_t stall_since_ms;
    struct run_pass stall_pass;
    uint32_t stall_current[PROGRAM_ACTORS_MAX]; /* the step that each actor was in */
    uint64_t stall_run_ns[PROGRAM_ACTORS_MAX];
    uint64_t stall_helper_ns[PROGRAM_ACTORS_MAX];
};

/*
 * Waits until step `first` (to *last, all of one actor) is over: the actor is done, or asleep in
 * the step's own call, or ended by it; whatever it wakes has come to rest; an actor that it starts
 * is ready. If it fell asleep in a step before *last, the steps behind that are taken back and
 * *last is that step. Returns 0, also when the run came to its end (trace->end says so), or -EINTR.
 */
int run_settle(struct run *run, unsigned first, unsigned *last);

/*
 * Waits until a parallel block is over: all its members are done, and whoever else was asleep in a
 * call and is woken has come to rest. Returns as run_settle does.
 */
int run_settle_block(struct run *run, const bool members[PROGRAM_ACTORS_MAX]);

/* Waits until the run's root process is ready. As run_settle; -ECHILD if the server could not fork
 * it, -ETIMEDOUT if it does not answer. */
int run_settle_root(struct run *run);

/* Opens the /proc files of an actor unless they are open. Returns false if its task is gone, or
 * with run->error set. */
bool run_watch_actor(struct run *run, unsigned actor);

/* An actor has ended: it gets no orders any more, and its tid means nothing. */
void run_end_actor(struct run *run, unsigned actor);

static inline bool run_actor_live(const struct run *run, unsigned actor)
{
    return run->actors[actor].phase == PHASE_IDLE || run->actors[actor].phase == PHASE_BUSY;
}

static inline unsigned run_process(const struct run *run, unsigned actor)
{
    return run->program->actors[actor].process;
}

#endif
