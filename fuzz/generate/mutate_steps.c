/* Mutations of the list of steps: what is done, and in which order. */
#include "fuzz/generate/mutator.h"

#include <string.h>

enum {
    RUN_MAX = 6,        /* steps in a row that are moved, duplicated or deleted */
    WINDOW_MAX = 12,    /* steps among which an actor's are retimed */
    LARGE_PERCENT = 35, /* deletions that may take half of the program */
    TRIES_MAX = 12,     /* of the generator, for one step or recipe that the program can have */
};

static void generate_any_step(struct mutator *mutator)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        if (generate_random_step(&mutator->generator))
            return;
    }
}

static void generate_any_idiom(struct mutator *mutator)
{
    unsigned nsteps = mutator->generator.program->nsteps;

    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        /* One that did not come to its end has left something that means something as well. */
        if (generate_random_idiom(&mutator->generator) ||
            mutator->generator.program->nsteps > nsteps)
            return;
    }
}

static bool has_room(const struct mutator *mutator, unsigned count)
{
    return mutator->nentries + count <= MUTATE_STEPS_MAX;
}

bool mutate_INSERT(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);
    unsigned at = random_below(random, mutator->nentries + 1);
    unsigned count = 1 + random_below(random, 3);

    if (!has_room(mutator, count))
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!draft_insert_recipe(mutator, at, generate_any_step))
            return false;
    }
    return true;
}

bool mutate_IDIOM(struct mutator *mutator)
{
    unsigned at = random_below(mutator_random(mutator), mutator->nentries + 1);

    return has_room(mutator, RUN_MAX) && draft_insert_recipe(mutator, at, generate_any_idiom);
}

bool mutate_DELETE(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);
    unsigned first;

    if (mutator->nentries < 2)
        return false;
    /* Now and then many: nothing else makes programs shorter, and much makes them longer. */
    unsigned count = choose_run(mutator, mutator->nentries, RUN_MAX, &first);
    if (random_chance(random, LARGE_PERCENT))
        count = 1 + random_below(random, mutator->nentries / 2);
    if (count > mutator->nentries - 1)
        count = mutator->nentries - 1;
    first = random_below(random, mutator->nentries - count + 1);
    draft_remove(mutator, first, count);
    return true;
}

/* Copies a run of entries to `at` of the draft, which may lie behind or before it. */
static bool copy_run(struct mutator *mutator, unsigned first, unsigned count, unsigned at)
{
    struct entry run[RUN_MAX];

    memcpy(run, &mutator->entries[first], count * sizeof(run[0]));
    if (!draft_open(mutator, at, count))
        return false;
    memcpy(&mutator->entries[at], run, count * sizeof(run[0]));
    return true;
}

bool mutate_DUPLICATE(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);
    unsigned first;

    if (mutator->nentries == 0 || !has_room(mutator, RUN_MAX))
        return false;
    unsigned count = choose_run(mutator, mutator->nentries, RUN_MAX, &first);
    unsigned at = first + count;
    if (random_chance(random, 40))
        at += random_below(random, mutator->nentries - at + 1);
    if (!copy_run(mutator, first, count, at))
        return false;
    /* Either the parent's later steps go on with what the first copy binds, or with the second's.
     */
    bool fresh = random_chance(random, 50);
    for (unsigned i = 0; i < count; i++)
        mutator->entries[at + i].fresh |= fresh;
    return true;
}

bool mutate_MOVE(struct mutator *mutator)
{
    struct entry run[RUN_MAX];
    unsigned first;

    if (mutator->nentries < 2)
        return false;
    unsigned count = choose_run(mutator, mutator->nentries - 1, RUN_MAX, &first);
    unsigned at = random_below(mutator_random(mutator), mutator->nentries - count);
    at += at >= first; /* any place but its own */
    memcpy(run, &mutator->entries[first], count * sizeof(run[0]));
    draft_remove(mutator, first, count);
    if (!draft_open(mutator, at, count))
        return false;
    memcpy(&mutator->entries[at], run, count * sizeof(run[0]));
    return true;
}

/* --- Retiming --- */

/* Whether one of the entries in [first, last) that `actor` does, or does not do, binds what `entry`
 * needs. */
static bool needs_any(const struct mutator *mutator, const struct entry *entry, unsigned first,
                      unsigned last, unsigned actor, bool by_actor)
{
    for (unsigned i = first; i < last; i++) {
        const struct entry *binder = &mutator->entries[i];
        if (entry_is_by(binder, 0, actor) == by_actor && entry_needs(entry, binder))
            return true;
    }
    return false;
}

/* The end of the longest window from `first` in which the actor's steps can come last. */
static unsigned window_end(const struct mutator *mutator, unsigned first, unsigned last,
                           unsigned actor)
{
    for (unsigned i = first; i < last; i++) {
        const struct entry *entry = &mutator->entries[i];
        if (!entry_is_by(entry, 0, actor) && needs_any(mutator, entry, first, i, actor, true))
            return i;
    }
    return last;
}

/* The beginning of the longest window up to `last` in which the actor's steps can come first. */
static unsigned window_begin(const struct mutator *mutator, unsigned first, unsigned last,
                             unsigned actor)
{
    for (unsigned begin = first; begin < last; begin++) {
        bool possible = true;
        for (unsigned i = begin; i < last && possible; i++) {
            const struct entry *entry = &mutator->entries[i];
            possible =
                !entry_is_by(entry, 0, actor) || !needs_any(mutator, entry, begin, i, actor, false);
        }
        if (possible)
            return begin;
    }
    return last;
}

/* Puts the actor's entries of the window last or first and keeps all other order. False if that
 * changes nothing. */
static bool partition(struct mutator *mutator, unsigned first, unsigned last, unsigned actor,
                      bool later)
{
    struct entry sorted[WINDOW_MAX] = {{.run = NULL}};
    unsigned count = 0;
    bool changed = false;

    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = first; i < last; i++) {
            bool mine = entry_is_by(&mutator->entries[i], 0, actor);
            if (mine != (later == (pass == 1)))
                continue;
            changed |= i != first + count;
            sorted[count++] = mutator->entries[i];
        }
    }
    memcpy(&mutator->entries[first], sorted, count * sizeof(sorted[0]));
    return changed;
}

bool mutate_RETIME(struct mutator *mutator)
{
    struct random *random = mutator_random(mutator);

    if (mutator->nentries < 2 || mutator->sources[0].nactors < 2)
        return false;
    /* Nothing gets lost: what the model refuses is not another order of the same program. */
    mutator->whole = true;
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        unsigned at = random_below(random, mutator->nentries);
        unsigned width = 2 + random_below(random, WINDOW_MAX - 1);
        const struct entry *entry = &mutator->entries[at];
        unsigned actor = entry->step.actor;
        bool later = random_chance(random, 50);
        if (entry->run || entry->source != 0)
            continue;
        unsigned first = later ? at : at + 1 - (at + 1 < width ? at + 1 : width);
        unsigned last = later ? at + width : at + 1;
        if (last > mutator->nentries)
            last = mutator->nentries;
        if (later)
            last = window_end(mutator, first, last, actor);
        else
            first = window_begin(mutator, first, last, actor);
        if (partition(mutator, first, last, actor, later))
            return true;
    }
    return false;
}
