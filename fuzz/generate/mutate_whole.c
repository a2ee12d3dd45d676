/* Mutations of whole programs: at random, and with another one. */
#include "fuzz/generate/mutator.h"

#include "fuzz/program/bytes.h"

#include <string.h>

enum {
    CHANGES_MAX = 4,  /* places at which bytes change */
    STRETCH_MAX = 12, /* bytes that go or are doubled */
    WEAVE_MAX = 48,   /* steps of both parents that are woven: what is cut off are the last waits */
    INSERT_MAX = 10,  /* steps of the other parent that come in */
};

/* Another program takes the parent's place. It may do whatever the model knows the outcome of. */
static void start_anew(struct mutator *mutator)
{
    mutator->failing = true;
    mutator->halting = true;
    source_set(mutator, 0, &mutator->another);
    draft_load(mutator);
}

bool mutate_FRESH(struct mutator *mutator)
{
    uint64_t seed = random_next(mutator_random(mutator));
    uint64_t index = random_next(mutator_random(mutator));

    generate_program(seed, index, &mutator->another);
    start_anew(mutator);
    return true;
}

/* Changes `bytes` at one place; returns their new length. */
static size_t change_bytes(struct random *random, uint8_t *bytes, size_t length, size_t size)
{
    size_t at = random_below(random, (unsigned)length);
    size_t stretch = 1 + random_below(random, STRETCH_MAX);

    switch (random_below(random, 5)) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << random_below(random, 8));
        return length;
    case 1:
        bytes[at] = (uint8_t)random_next(random);
        return length;
    case 2:
        bytes[at] = (uint8_t)(bytes[at] + (random_chance(random, 50) ? 1 : -1));
        return length;
    case 3:
        if (at + stretch >= length)
            return length;
        memmove(bytes + at, bytes + at + stretch, length - at - stretch);
        return length - stretch;
    default:
        if (at + stretch > length || length + stretch > size)
            return length;
        memmove(bytes + at + stretch, bytes + at, length - at);
        return length + stretch;
    }
}

bool mutate_BYTES(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);
    uint8_t bytes[PROGRAM_BYTES_MAX + CHANGES_MAX * STRETCH_MAX];
    size_t length;

    if (program_encode(mutator->sources[0].program, bytes, sizeof(bytes), &length) != 0 ||
        length == 0)
        return false;
    for (unsigned i = 1 + random_below(random, CHANGES_MAX); i > 0; i--)
        length = change_bytes(random, bytes, length, sizeof(bytes));
    program_decode(bytes, length, &mutator->another);
    mutate_flatten(&mutator->another);
    start_anew(mutator);
    return true;
}

/* --- Two parents --- */

bool mutate_CROSS_TAIL(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);
    const struct program *other = mutator->sources[1].program;

    if (mutator->nentries == 0 || other->nsteps == 0)
        return false;
    /* Most of the first parent opens what the second goes on with. */
    unsigned kept = 1 + random_below(random, mutator->nentries);
    mutator->nentries = kept;
    for (unsigned i = random_below(random, other->nsteps); i < other->nsteps; i++) {
        if (!draft_insert_step(mutator, mutator->nentries, 1, &other->steps[i]))
            return false;
    }
    return true;
}

bool mutate_CROSS_INSERT(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);
    const struct program *other = mutator->sources[1].program;

    if (mutator->nentries == 0 || other->nsteps == 0)
        return false;
    unsigned longest = other->nsteps < INSERT_MAX ? other->nsteps : INSERT_MAX;
    unsigned count = 1 + random_below(random, longest);
    unsigned first = random_below(random, other->nsteps - count + 1);
    unsigned at = 1 + random_below(random, mutator->nentries);
    for (unsigned i = 0; i < count; i++) {
        if (!draft_insert_step(mutator, at + i, 1, &other->steps[first + i]))
            return false;
    }
    return true;
}

bool mutate_CROSS_WEAVE(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);
    const struct program *other = mutator->sources[1].program;
    unsigned at = 0;

    if (mutator->nentries == 0 || other->nsteps == 0 ||
        mutator->nentries + other->nsteps > WEAVE_MAX)
        return false;
    for (unsigned i = 0; i < other->nsteps; i++) {
        /* In bursts: two programs that alternate step by step never come to anything. */
        while (at < mutator->nentries && random_chance(random, 30))
            at += 1 + random_below(random, 4);
        if (at > mutator->nentries)
            at = mutator->nentries;
        if (!draft_insert_step(mutator, at++, 1, &other->steps[i]))
            return false;
    }
    return true;
}
