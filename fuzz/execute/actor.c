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

void actor_enter_process(void)
{
    raw_syscall3(SYS_alarm, SERVER_ALARM_S, 0, 0);
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
    struct call call = {
        .wire = wire, .index = index, .step = step, .result = &wire->results[index]};

    raw_store(&wire->actors[step->actor].current, step_number(index));
    errno = 0;
    run_operation(&call);
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
        /* The controller takes the rest of an order back if a step of it falls asleep. */
        for (unsigned i = self->first; i <= raw_load(&self->last); i++) {
            if (wire->program.steps[i].actor == actor)
                run_step(wire, i);
        }
        raw_store(&self->done, order);
        raw_bump(&wire->bell);
    }
}
