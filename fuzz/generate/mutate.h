/*
 * Mutation: programs made of programs, for engines that keep what is worth keeping. The core is
 * here; what an engine calls is in fuzz/targets.
 *
 * A child is built as the generator builds a program: every step is carried out on the model
 * (ready.h) first, and left out if it is racy, if nobody could go on after it, or if it fails and
 * no step of the parent does. So children are as determinate as generated programs, whatever their
 * parents were. They are strictly ordered: the steps of a parent's parallel blocks become ordinary
 * ones. Everything here is a function of its arguments.
 */
#ifndef EPDIFF_GENERATE_MUTATE_H
#define EPDIFF_GENERATE_MUTATE_H

#include "fuzz/program/program.h"

#include <stddef.h>
#include <stdint.h>

enum {
    MUTATE_STEPS_MAX = 64, /* no child is longer; a parent that is longer is cut */
};

enum mutation_id {
#define MUTATION(id, ...) MUTATION_##id,
#include "fuzz/generate/mutations.def"
#undef MUTATION
    MUTATIONS,
};

/* How a mutation is combined with others: see mutations.def. */
enum mutation_role {
    MUTATION_ROLE_EDIT,
    MUTATION_ROLE_ALONE,
    MUTATION_ROLE_CROSS,
};

struct mutation {
    const char *id;
    const char *doc;
    unsigned weight;
    enum mutation_role role;
};

extern const struct mutation mutation_table[MUTATIONS];

/*
 * Makes *ret_child of one program, or of two: one or several mutations, drawn by weight. The child
 * has at least one step, program_check accepts it and program_encode succeeds on it. Its steps are
 * not those of `parent`, or of `a`. Cannot fail. *ret_child must be none of the others.
 */
void mutate_program(const struct program *parent, uint64_t seed, struct program *ret_child);
void cross_programs(const struct program *a, const struct program *b, uint64_t seed,
                    struct program *ret_child);

/*
 * This one mutation and no other; `other` is the second parent and may be null unless the role is
 * CROSS. Returns false, with nothing in *ret_child, if it has nothing to do there or the child
 * would be the parent again.
 */
bool mutate_once(enum mutation_id id, const struct program *parent, const struct program *other,
                 uint64_t seed, struct program *ret_child);

/* Makes a program strictly ordered: the steps of its parallel blocks become ordinary steps. */
void mutate_flatten(struct program *program);

/*
 * The same on the byte form (fuzz/program/bytes.h), with the types of struct fuzz_target. They
 * write at most size_max bytes and return how many; `size` bytes are there before. A child that is
 * too long loses its last steps. If not even one step fits, the bytes of the (first) parent come
 * back, cut to size_max, with one of them changed: these alone can hold a parallel block. 0 comes
 * back only if size_max is 0.
 */
size_t mutate_bytes(uint8_t *bytes, size_t size, size_t size_max, uint64_t seed);
size_t cross_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                   uint8_t *ret_bytes, size_t size_max, uint64_t seed);

#endif
