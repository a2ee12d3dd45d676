/* An actor inside the program: waits for the controller's orders and carries them out. */
#include "fuzz/execute/ops.h"
#include "fuzz/execute/raw.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

/* The calling thread as an actor. `jump` leads back to its step while one is in progress. */
static _Thread_local struct {
    unsigned actor;
    bool in_step;
    sigset_t mask;
    sigjmp_buf jump;
} self_thread;

enum {
    DELAY_ROUNDS_MAX = 400, /* of the instruction `pause`: a few microseconds */
    BARRIER_SPINS = 64,     /* between two times that a waiting actor gives its CPU away */
};

/* What the kernel takes for an action (struct kernel_sigaction); libc's differs. */
struct signal_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

/*
 * SIGUSR2 is what a signalfd is readable for: it stays pending, for while it is blocked the kernel
 * queues it although it is ignored. It is ignored so that a wait that unblocks it ends nobody.
 */
void actor_enter_process(void)
{
    uint64_t set = 1ull << (SIGUSR2 - 1);
    struct signal_action ignore = {.handler = (void *)SIG_IGN};

    raw_syscall3(SYS_alarm, SERVER_ALARM_S, 0, 0);
    raw_syscall6(SYS_rt_sigaction, SIGUSR2, (long)&ignore, 0, sizeof(ignore.mask), 0, 0);
    raw_syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&set, 0, sizeof(set), 0, 0);
}

void actor_announce(struct wire *wire, unsigned actor)
{
    struct wire_actor *self = &wire->actors[actor];

    self_thread.actor = actor;
    self_thread.in_step = false; /* a forked child is in the step of its parent's thread */
    self->tid = (int32_t)raw_syscall3(SYS_gettid, 0, 0, 0);
    __atomic_store_n(&self->pid, (int32_t)raw_syscall3(SYS_getpid, 0, 0, 0), __ATOMIC_RELEASE);
    raw_store(&self->ready, 1);
    raw_bump(&wire->bell);
}

/*
 * Numbers that are the same for the same seed, actor and step: a hash, splitmix64. What happens at
 * the same time is left to the machine; this only sees to it that it is not always the same.
 */
static uint64_t draw(uint64_t seed, unsigned actor, unsigned step)
{
    uint64_t z = seed + UINT64_C(0x9e3779b97f4a7c15) * (1 + step + 1024 * (uint64_t)actor);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void linger(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++)
        __builtin_ia32_pause();
}

/* Half of the steps follow at once; the others somewhere within the time of a few system calls. */
static void disturb(const struct wire *wire, unsigned actor, unsigned step)
{
    uint64_t number = draw(wire->disturb, actor, step);

    if (number & 1)
        linger((unsigned)(number >> 1) % DELAY_ROUNDS_MAX);
}

/*
 * The start of a parallel block. Actors that share a CPU cannot meet, so each goes to one of its
 * own as far as there are enough, and all start when the last one has come. Who waits gives its CPU
 * away, for that last one may need it.
 */
static void enter_block(struct wire *wire, unsigned actor, unsigned first)
{
    uint64_t set[WIRE_CPU_NUMBERS / 64] = {0};

    if (wire->ncpus > 0) {
        unsigned cpu = wire->cpus[(actor + wire->disturb) % wire->ncpus];
        set[cpu / 64] = UINT64_C(1) << (cpu % 64);
        raw_syscall3(SYS_sched_setaffinity, 0, sizeof(set), (long)set);
    }
    __atomic_add_fetch(&wire->arrived, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; raw_load(&wire->arrived) < raw_load(&wire->awaited); i++) {
        if (i % BARRIER_SPINS == BARRIER_SPINS - 1)
            raw_syscall3(SYS_sched_yield, 0, 0, 0);
        else
            __builtin_ia32_pause();
    }
    disturb(wire, actor, first);
}

unsigned actor_self(void)
{
    return self_thread.actor;
}

void actor_jump(const sigset_t *mask)
{
    if (!self_thread.in_step)
        return;
    self_thread.mask = *mask;
    siglongjmp(self_thread.jump, 1);
}

/* Carries out the operation, or as much of it as a handler lets it that leaves by siglongjmp. */
static void run_operation(struct call *call)
{
    /* The mask is not saved, which would cost a system call a step: the kernel tells the handler.
     */
    if (sigsetjmp(self_thread.jump, 0) == 0) {
        self_thread.in_step = true;
        op_functions[call->step->op](call);
        self_thread.in_step = false;
        return;
    }
    self_thread.in_step = false;
    raw_syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&self_thread.mask, 0, _NSIG / 8, 0, 0);
    call->result->ret = TRACE_JUMPED;
    call->result->err = 0;
}

static void run_step(struct wire *wire, unsigned index)
{
    const struct step *step = &wire->program.steps[index];
    struct wire_result *result = &wire->results[index];
    struct call call = {.wire = wire, .index = index, .step = step, .result = result};

    raw_store(&wire->actors[step->actor].current, step_number(index));
    errno = 0;
    /* The stamps enclose the call, and order all of them: what is between two stamps was not
     * outside them. */
    if (step->block) {
        disturb(wire, step->actor, index + 1);
        result->called = __atomic_add_fetch(&wire->stamp, 1, __ATOMIC_SEQ_CST);
    }
    run_operation(&call);
    if (step->block)
        result->came_back = __atomic_add_fetch(&wire->stamp, 1, __ATOMIC_SEQ_CST);
    raw_store(&call.result->returned, 1);
    raw_store(&wire->actors[step->actor].current, 0);
}

void actor_enter_image(struct wire *wire, unsigned actor)
{
    struct wire_actor *self = &wire->actors[actor];
    uint32_t current = raw_load(&self->current);

    actor_enter_process();
    /* A handler does not survive execve, and the default is to die. */
    signal(SIGUSR1, SIG_IGN);
    raw_store(&wire->actors[wire->program.actors[actor].process].handles, 0);
    if (current > 0) {
        struct wire_result *result = &wire->results[current - 1];
        result->ret = 0;
        result->err = 0;
        raw_store(&result->returned, 1);
        raw_store(&self->current, 0);
    }
    /* Who it is comes before that it is done: the controller looks at it then. */
    actor_announce(wire, actor);
    if (current > 0) {
        raw_store(&self->done, raw_load(&self->order));
        raw_bump(&wire->bell);
    }
    actor_run(wire, actor);
}

void actor_run(struct wire *wire, unsigned actor)
{
    struct wire_actor *self = &wire->actors[actor];

    for (;;) {
        uint32_t done = self->done;
        uint32_t order;
        while ((order = raw_load(&self->order)) == done)
            raw_futex_wait(&self->order, done, NULL);
        if (self->first == WIRE_ORDER_QUIT)
            pthread_exit(NULL);
        if (self->first == WIRE_ORDER_RESET)
            actor_reset_process();
        if (self->first < PROGRAM_STEPS_MAX && wire->program.steps[self->first].block)
            enter_block(wire, actor, self->first);
        /* The controller takes the rest of an order back if a step of it falls asleep. */
        for (unsigned i = self->first; i <= raw_load(&self->last); i++) {
            if (wire->program.steps[i].actor == actor)
                run_step(wire, i);
        }
        raw_store(&self->done, order);
        raw_bump(&wire->bell);
    }
}
