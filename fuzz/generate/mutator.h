/*
 * The inside of mutate_program: what its parts share. mutate.h is the outside.
 *
 * A mutation edits a draft, the list of what the child is to do: steps of its parents, and recipes
 * that the generator carries out when their place is reached. Steps in the draft name slots and
 * actors as their own parent does; the child's names are found when it is grown.
 */
#ifndef EPDIFF_GENERATE_MUTATOR_H
#define EPDIFF_GENERATE_MUTATOR_H

#include "fuzz/generate/generator.h"
#include "fuzz/generate/mutate.h"

enum {
    SOURCES_MAX = 2,
    /* Both parents whole, and room for what several mutations add. */
    DRAFT_MAX = SOURCES_MAX * PROGRAM_STEPS_MAX + 64,
    /* Beside the parent's own actors those that mutations start. */
    DRAFT_ACTORS_MAX = PROGRAM_ACTORS_MAX + 8,
    NOBODY = -1,
};

struct mutator;
typedef void recipe(struct mutator *mutator);

struct entry {
    recipe *run; /* null: the step */
    uint8_t source;
    bool fresh; /* what it binds is not what the parent's later steps name */
    struct step step;
};

/* A parent, and what its slots and actors are in the child. */
struct source {
    const struct program *program;
    bool adopts; /* what the child has not got from this parent it takes from elsewhere */
    unsigned nactors;
    int slots[PROGRAM_SLOTS_MAX];
    int actors[DRAFT_ACTORS_MAX];
    unsigned taken; /* steps of it that the child has */
};

struct mutator {
    struct generator generator; /* its random numbers are those of everything here */
    struct source sources[SOURCES_MAX];
    unsigned nentries;
    struct entry entries[DRAFT_MAX];
    bool failing;      /* steps may fail */
    bool halting;      /* the program may end for everybody before its last step */
    bool whole;        /* no step of the draft may be missing in the child */
    uint32_t features; /* that recipes have; parents' steps have those they need */
    uint64_t edits;    /* a bit for each mutation of this child */
    bool failed;       /* a step of the child fails */
    unsigned nheld;    /* entries whose actor sleeps */
    uint16_t held[DRAFT_MAX];
    struct program mended[SOURCES_MAX]; /* parents without the steps that the model refuses */
    struct program another;             /* what ALONE mutations put in the parent's place */
};

/*
 * mutate_program, or cross_programs if there is another parent. Returns a bit for each mutation
 * that made the child; none if no draft came to anything and the child is a random program. For
 * tests.
 */
uint64_t mutate_traced(const struct program *parent, const struct program *other, uint64_t seed,
                       struct program *ret_child);

/* --- mutate_draft.c --- */

/* The program becomes source `index`; the draft is not changed. */
void source_set(struct mutator *mutator, unsigned index, const struct program *program);

/* The draft is the program of source 0 and nothing else. */
void draft_load(struct mutator *mutator);

/* Makes room for `count` entries before `at`, uninitialised. False if there is none. */
bool draft_open(struct mutator *mutator, unsigned at, unsigned count);
void draft_remove(struct mutator *mutator, unsigned at, unsigned count);
bool draft_insert_step(struct mutator *mutator, unsigned at, unsigned source,
                       const struct step *step);
bool draft_insert_recipe(struct mutator *mutator, unsigned at, recipe *run);

/* True if the entry is a step by `actor` of the source. */
bool entry_is_by(const struct entry *entry, unsigned source, unsigned actor);

/* True if `entry` names a slot or an actor that `binder` binds, or is by such an actor. */
bool entry_needs(const struct entry *entry, const struct entry *binder);

/*
 * Carries the draft out and writes the child. Returns false if it has no steps, or if the draft
 * was to stay whole and did not.
 */
bool draft_grow(struct mutator *mutator);

/* The mutations: they edit the draft. False if they found nothing to do. */
#define MUTATION(id, ...) bool mutate_##id(struct mutator *mutator);
#include "fuzz/generate/mutations.def"
#undef MUTATION

/* --- What several mutations choose --- */

static inline struct random *mutator_random(struct mutator *mutator)
{
    return &mutator->generator.random;
}

/* A few entries in a row, of the `nentries` (at least 1): short ones more often. */
static inline unsigned choose_run(struct mutator *mutator, unsigned nentries, unsigned longest,
                                  unsigned *ret_first)
{
    struct random *random = mutator_random(mutator);
    unsigned count = 1;

    while (count < longest && count < nentries && random_chance(random, 50))
        count++;
    *ret_first = random_below(random, nentries - count + 1);
    return count;
}

#endif
