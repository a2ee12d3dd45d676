/*
 * Flush points: a program with steps put between its own that must change nothing. Natively they
 * do nothing at all; a layer that defers carries out there what it has pending, and whatever then
 * comes out otherwise is its doing.
 */
#ifndef EPDIFF_GENERATE_METAMORPHIC_H
#define EPDIFF_GENERATE_METAMORPHIC_H

#include "fuzz/program/program.h"

enum {
    /* The unrelated instance: above what programs open, and the last number of a table of the first
       size. A larger one would make the table grow, and select(2) passes over numbers beyond its
       size instead of answering EBADF. */
    METAMORPHIC_FD = 63,
    METAMORPHIC_SETUP_STEPS = 3,
    METAMORPHIC_POINT_STEPS = 2,
    METAMORPHIC_SLOTS = 2,
};

/* A program with flush points, and which step of it is which of the program's without. */
struct metamorphic {
    struct program program;
    bool inserted[PROGRAM_STEPS_MAX];
    /* The step that this is, or behind which it was inserted; 0 for what stands in front. */
    int16_t origin[PROGRAM_STEPS_MAX];
};

/*
 * Puts a flush point behind every step: the subject's own flush, and a wait without timeout on an
 * empty instance that nobody else has. `free_actors` says who can act there, a bit an actor, for
 * each step: the one that did the step if it can, else the first that can, and where nobody can
 * there is no flush point. The instance is opened in front of the first step, moved up to
 * METAMORPHIC_FD, and its first number closed, so the program's numbers stay what they were. A
 * program that is so long that not all find room has them behind its first steps.
 *
 * Returns 0, or -E2BIG if there is no room for any.
 */
int metamorphic_insert(const struct program *program, const uint32_t free_actors[PROGRAM_STEPS_MAX],
                       struct metamorphic *ret_metamorphic);

#endif
