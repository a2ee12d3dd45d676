/* What each operation does when an actor carries it out: one function an operation, in ops.c. */
#ifndef EPDIFF_EXECUTE_OPS_H
#define EPDIFF_EXECUTE_OPS_H

#include "fuzz/execute/wire.h"

#include <pthread.h>
#include <signal.h>

/* One operation being carried out. The function sets ret and err, and what else of the result
 * applies. */
struct call {
    struct wire *wire;
    unsigned index; /* of the step */
    const struct step *step;
    struct wire_result *result;
};

typedef void op_function(struct call *call);

#define OP(op_id, ...) op_function op_run_##op_id;
#include "fuzz/program/ops.def"
#undef OP

/* The number that a descriptor argument stands for. */
int call_fd(const struct call *call, unsigned index);

/* Writes down what a call returned. The first thing that a function does after its call. */
void call_returned(struct call *call, int64_t ret);

/* The same for a function that returns an error number. */
void call_returned_error(struct call *call, int err);

/* epoll_ctl with an event of its own, which is rubbish when it has returned. */
int call_epoll_ctl(int epfd, int op, int fd, int64_t event, uint64_t data);

/* The handle of another thread of this process that can be joined, or 0. */
pthread_t call_thread(const struct call *call, unsigned actor);

extern op_function *const op_functions[OPS];

/* The loop of an actor, from its birth to its end: waits for orders, carries them out. */
void actor_run(struct wire *wire, unsigned actor) __attribute__((noreturn));

/* Publishes pid, tid and readiness of an actor that the calling thread is from now on. */
void actor_announce(struct wire *wire, unsigned actor);

/* The word that tells a new image from a server, as its first argument. */
#define IMAGE_WORD "actor"

/*
 * The actor goes on in the image that execve has made of its process, or begins in that of a
 * process that was spawned.
 */
void actor_enter_image(struct wire *wire, unsigned actor) __attribute__((noreturn));

/* The actor that the calling thread is. */
unsigned actor_self(void);

/* Leaves the step in progress, whose result is TRACE_JUMPED, from a signal handler that was given
 * `mask` to go back to. Returns if no step is in progress. */
void actor_jump(const sigset_t *mask);

/* What every process of a program sets for itself, since fork does not hand it down. */
void actor_enter_process(void);

/*
 * Makes the process of a program that has ended as good as new for the next: its other threads have
 * been told to quit and are joined, its descriptors closed.
 */
void actor_reset_process(void);

#endif
