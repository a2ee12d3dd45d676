/*
 * Translation: the trace of a program with steps inserted, told as a trace of the program without
 * them, so that it can be judged like any other.
 */
#ifndef EPDIFF_ORACLE_TRANSLATE_H
#define EPDIFF_ORACLE_TRANSLATE_H

#include "oracle/trace.h"

/* What was inserted. Both arrays have an entry for each step of the longer program. */
struct trace_map {
    const bool *inserted;
    const int16_t *origin; /* the step that this is, or the one before it; never falls */
    int number;            /* a descriptor that only the inserted steps know */
};

/*
 * Writes `from` as a trace of `program`. What came about during an inserted step counts as having
 * come about during the step before it, its own results are left out, and so is everything about
 * the descriptor `map->number`. Step numbers in event data become those of `program`.
 */
void trace_translate(const struct trace *from, const struct trace_map *map,
                     const struct program *program, struct trace *ret_trace);

/* Who could act when each step was over: alive, and in no call. A bit an actor. */
void trace_free_actors(const struct trace *trace, uint32_t ret_free[PROGRAM_STEPS_MAX]);

#endif
