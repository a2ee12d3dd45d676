/* What each operation does when an actor carries it out: one function an operation, in ops.c. */
#ifndef EPDIFF_EXECUTE_OPS_H
#define EPDIFF_EXECUTE_OPS_H

#include "fuzz/execute/wire.h"

/* One operation being carried out. The function sets ret and err, and what else of the result
 * applies. */
struct call {
    struct wire *wire;
    unsigned index; /* of the step */
    const struct step *step;
    struct wire_result *result;
};

typedef void op_function(struct call *call);

extern op_function *const op_functions[OPS];

/* The loop of an actor, from its birth to its end: waits for orders, carries them out. */
void actor_run(struct wire *wire, unsigned actor) __attribute__((noreturn));

/* Publishes pid, tid and readiness of an actor that the calling thread is from now on. */
void actor_announce(struct wire *wire, unsigned actor);

/* What every process of a program sets for itself, since fork does not hand it down. */
void actor_enter_process(void);

/*
 * Makes the process of a program that has ended as good as new for the next: its other threads have
 * been told to quit and are joined, its descriptors closed.
 */
void actor_reset_process(void);

#endif
