/*
 * The program so far, carried out on the model: what the generator asks before it takes the next
 * step. Which waits would sleep, which step wakes whom, and which steps the kernel does not answer
 * the same way twice.
 *
 * Beside the model stands the world, which names descriptors the way the generator chooses among
 * them. Both have the same files; `int file` here is always an index into the world's.
 *
 * The facts are those of one kernel (model_facts_fixed), not of the running one: the same seed
 * gives the same programs everywhere. Where the running kernel does something else, a step is
 * skipped by its blocked actor, and nothing worse happens: nothing here is ever compared with a
 * run.
 */
#ifndef EPDIFF_GENERATE_READY_H
#define EPDIFF_GENERATE_READY_H

#include "fuzz/program/world.h"
#include "oracle/model/state.h"

enum {
    READY_TAPES_MAX = 32, /* outcomes of one step that are tried; one that has more is racy */
};

struct ready {
    struct world world;
    unsigned woken; /* waits that a later step ended, so far */
    struct model model;
};

/* What a step came to. */
struct ready_result {
    bool failed;     /* it returned -1 */
    bool sleeps;     /* its actor is asleep in it */
    bool racy;       /* the kernel may answer it in more than one way, or the model does not know */
    bool shared;     /* two waits sleep on one instance */
    unsigned woken;  /* actors that it woke */
    unsigned events; /* that it handed out */
};

void ready_init(struct ready *ret_ready, const struct program *program);

/* Copies only what the first steps of a program can have touched: a whole struct is far larger. */
void ready_copy(struct ready *to, const struct ready *from, unsigned nactors, unsigned nslots);

/* Carries out a step of the world's program. After a racy one the state is not to be used. */
void ready_step(struct ready *ready, unsigned step, struct ready_result *ret_result);

/* What poll(2) would report of a file, for the bits in `mask` and EPOLLERR and EPOLLHUP. */
uint32_t ready_poll(const struct ready *ready, int file, uint32_t mask);

/* How many events a wait on the instance would hand out now. */
unsigned ready_count(const struct ready *ready, int instance);

/* True if the actor lives and is not asleep. */
bool ready_actor_free(const struct ready *ready, unsigned actor);

/* The instance in a wait on which the actor sleeps, or WORLD_FILE_NONE. */
int ready_waits_on(const struct ready *ready, unsigned actor);

/* True if the instance has the file registered under that number. */
bool ready_has_item(const struct ready *ready, int instance, int number, int file);

/* The index-th registration of an instance with another one. False if there are no so many. */
bool ready_nested(const struct ready *ready, unsigned index, int *ret_outer, int *ret_inner);

#endif
