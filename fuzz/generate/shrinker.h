/*
 * The inside of shrink_program: edits make candidates, passes try them in turn, one place tests
 * them.
 */
#ifndef EPDIFF_GENERATE_SHRINKER_H
#define EPDIFF_GENERATE_SHRINKER_H

#include "fuzz/generate/generate.h"

enum {
    SHRINK_PAIRS_STEPS_MAX = 20, /* programs up to this long have every pair of steps tried */
};

struct shrinker {
    struct program *best;
    shrink_test *test;
    void *context;
    unsigned tests_left;
    int err; /* what `test` failed with */
    struct program candidate;
    struct program scratch;
    uint64_t *tried; /* hashes of the candidates tested, 0 where empty */
    size_t tried_size;
    size_t tried_count;
};

/* True when no candidate can be tested any more. */
bool shrinker_over(const struct shrinker *shrinker);

/*
 * Tests shrinker->candidate, unless it is invalid or was tested before, and makes it the best one
 * if it shows what is looked for. Returns true if it does.
 */
bool shrinker_try(struct shrinker *shrinker);

/* --- shrink_edit.c: each writes an edited copy of `from`, or returns false if there is nothing to
 * edit --- */

/* Without the steps of `drop` and all that depend on them, and without the slots' openers that this
 * leaves unused. */
bool edit_drop(const struct program *from, const uint8_t drop[PROGRAM_STEPS_MAX],
               struct program *ret_program);

/* Without actor `actor`: its steps go, or, if `merge`, its parent does them. */
bool edit_actor(const struct program *from, unsigned actor, bool merge, struct program *scratch,
                struct program *ret_program);

/* Uses of slot `slot` from step `first` to step `last` name slot `other` instead. */
bool edit_slot(const struct program *from, unsigned slot, unsigned other, unsigned first,
               unsigned last, struct program *ret_program);

/* True if both slots name files of one kind, as far as the steps that bind them say. */
bool edit_slots_alike(const struct program *from, unsigned slot, unsigned other);

/* The operation of a step becomes the plain one that does the same: epoll_pwait is epoll_wait,
 * fclose is close. */
bool edit_op(const struct program *from, unsigned step, struct program *ret_program);

/* Argument `arg` of a step becomes the `variant`-th simpler value; false when there are no more
 * variants. */
bool edit_arg(const struct program *from, unsigned step, unsigned arg, unsigned variant,
              struct program *ret_program);

/* Every operation and argument of the steps from `first` to `last` becomes plain at once. */
bool edit_plain(const struct program *from, unsigned first, unsigned last,
                struct program *ret_program);

/* --- shrink_pass.c: each returns true if the program became smaller --- */

bool pass_steps(struct shrinker *shrinker);
bool pass_actors(struct shrinker *shrinker);
bool pass_slots(struct shrinker *shrinker);
bool pass_arguments(struct shrinker *shrinker);
bool pass_pairs(struct shrinker *shrinker);

#endif
