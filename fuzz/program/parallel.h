/*
 * Parallel blocks: steps that run free. Each actor of a block carries out its own steps in their
 * order, all actors at once and without hand-offs, so the order of the block's lines says nothing
 * about time. What came of it is judged by linearizability (oracle/linear.h).
 *
 * struct step says which block a step stands in; the functions here say what a block may hold.
 */
#ifndef EPDIFF_PROGRAM_PARALLEL_H
#define EPDIFF_PROGRAM_PARALLEL_H

#include "fuzz/program/program.h"

/*
 * Why the step cannot stand in a parallel block by its operation and arguments alone, or NULL if it
 * can: in a block nobody sleeps, starts or ends.
 */
const char *parallel_check_step(const struct step *step);

/*
 * Why step `index` cannot stand where its `block` puts it, or NULL. Beside the step itself: blocks
 * are contiguous and count from 1, a block has two actors at least, a slot that the block binds is
 * used in it by nobody but the actor that binds it, and no descriptor that a read or write could
 * sleep on is opened before the block's end.
 */
const char *parallel_check(const struct program *program, unsigned index);

/* True if the step may open a descriptor on which a read or a write can sleep. */
bool parallel_opens_blocking(const struct step *step);

/* True if a step before step `end` does. */
bool parallel_blocking_before(const struct program *program, unsigned end);

/* True if the argument names a slot that another actor binds in the block of `step`. */
bool parallel_slot_is_foreign(const struct program *program, const struct step *step, unsigned arg);

/* The number of parallel blocks. */
unsigned parallel_count(const struct program *program);

/* The index behind the last step of the block in which step `first` stands. */
unsigned parallel_end(const struct program *program, unsigned first);

/*
 * Makes a program again of what the removal of steps has left: blocks are numbered anew, and one
 * with fewer than two actors becomes ordinary steps.
 */
void parallel_renumber(struct program *program);

#endif
