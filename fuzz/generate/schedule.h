/*
 * Who acts next, by priority change points (PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A
 * randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010).
 *
 * Every actor has a priority of its own, drawn before the program begins, and the highest that can
 * act does. At d - 1 steps, drawn too, the one that would act next falls below all others. Among
 * schedules drawn so, an order of steps that d constraints describe occurs with a probability of
 * at least 1 / (n * k^(d-1)) for n actors and k steps, however the steps fall to the actors.
 */
#ifndef EPDIFF_GENERATE_SCHEDULE_H
#define EPDIFF_GENERATE_SCHEDULE_H

#include "fuzz/generate/random.h"
#include "fuzz/program/limits.h"

enum {
    SCHEDULE_DEPTH_MAX = 4,
};

struct schedule {
    unsigned depth;
    unsigned length;                          /* steps that are expected: k */
    unsigned changes[SCHEDULE_DEPTH_MAX - 1]; /* change point i is before this step, from 1 */
    bool passed[SCHEDULE_DEPTH_MAX - 1];      /* the change has happened */
    unsigned priorities[PROGRAM_ACTORS_MAX];  /* all different; those not born have theirs */
};

/* Draws a schedule of this depth, 1 to SCHEDULE_DEPTH_MAX, for `length` steps, at least 1. */
void schedule_draw(struct schedule *ret_schedule, unsigned depth, unsigned length,
                   struct random *random);

/* True if a priority is to change before step `number`, counted from 1. */
bool schedule_changes(const struct schedule *schedule, unsigned number);

/* The first change that is due before step `number` befalls `actor`, which would have done it. */
void schedule_pass(struct schedule *schedule, unsigned number, unsigned actor);

/*
 * The actor that does step `number`: the one of highest priority among those of the bit mask
 * `able`, after the changes that are due. -1 if nobody is able. Asking twice gives the same answer.
 */
int schedule_next(struct schedule *schedule, unsigned number, uint32_t able);

#endif
