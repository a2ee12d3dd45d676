/*
 * Programs with a parallel block: a few descriptors, a few actors, a block in which they all run
 * free on the same few descriptors, and behind it the questions that show what has become of them.
 */
#ifndef EPDIFF_GENERATE_PARALLEL_H
#define EPDIFF_GENERATE_PARALLEL_H

#include "fuzz/program/program.h"

enum {
    PARALLEL_ACTORS_MAX = 4, /* of a generated block */
    PARALLEL_STEPS_MAX = 4,  /* of one actor in it */
    PARALLEL_ROOM = 8,       /* events that a wait has room for: more than there can be */
    PARALLEL_INSTANCES_MAX = 2,
    PARALLEL_TARGETS_MAX = 3, /* pipes and eventfds before the block */
};

/*
 * Writes the program that belongs to (seed, index), the same on every machine. Cannot fail;
 * program_check accepts it and program_encode succeeds on it.
 */
void generate_parallel(uint64_t seed, uint64_t index, struct program *ret_program);

#endif
